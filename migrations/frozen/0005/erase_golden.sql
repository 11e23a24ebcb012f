create or replace function modelpack.erase_golden(version_id integer, places integer[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- the trigger that keeps versions as they were published; nothing else is written here, and nobody's code runs
set session_replication_role = replica
as $modelpack$
declare
  v_rows integer;
begin
  -- what is left was run with what goes, so the version is proven as before; without any, nothing could prove it
  update modelpack.version as v
     set golden = v.golden || jsonb_build_object('rows', k.rows, 'scores', k.scores)
    from (select jsonb_agg(g.cells order by g.place) as rows, jsonb_agg(g.score order by g.place) as scores
            from modelpack.version as w
           cross join rows from (jsonb_array_elements(w.golden -> 'rows'), jsonb_array_elements(w.golden -> 'scores')) with ordinality as g (cells, score, place)
           where w.version_id = erase_golden.version_id and g.place - 1 <> all (places)) as k
   where v.version_id = erase_golden.version_id and k.rows is not null;
  get diagnostics v_rows = row_count;
  return v_rows * cardinality(places);
end
$modelpack$;
comment on function modelpack.erase_golden(integer, integer[]) is
  'Takes golden rows of a version away, by their places from 0, as a superuser: nothing else of a version ever changes. Gives how many; 0 where none would be left.';
revoke all on function modelpack.erase_golden(integer, integer[]) from public;

create or replace function modelpack.erase_hashes(profile text, entity_key text) returns bigint
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Roll-ups hold the least hashes of keys, as a sample. A number by chance between its neighbours counts as before, and is nobody's.
declare
  v_hash constant bigint := hashtextextended(entity_key, 0);
  v_rows bigint := 0;
begin
  if to_regclass('modelpack.rollup') is not null then
    execute $sql$
      update modelpack.rollup as r
         set entity_hashes = array(
               select case when h.hash = $2
                           then least(h.above, h.below + 1 + floor(random()::numeric * (h.above - h.below - 1)))::bigint else h.hash end
                 from (select e.hash, e.place, coalesce(lag(e.hash) over up, -9223372036854775808)::numeric as below,
                              coalesce(lead(e.hash) over up, case when cardinality(r.entity_hashes) < 512 then 9223372036854775807 else e.hash end)::numeric as above
                         from unnest(r.entity_hashes) with ordinality as e (hash, place)
                       window up as (order by e.place)) as h
                order by h.place)
       where $2 = any (r.entity_hashes) and exists (select from modelpack.watched as w where w.watched_id = r.watched_id and w.profile = $1)$sql$
      using erase_hashes.profile, v_hash;
    get diagnostics v_rows = row_count;
  end if;
  return v_rows;
end
$modelpack$;
comment on function modelpack.erase_hashes(text, text) is
  'Puts numbers by chance in the place of the hashes of an entity that samples of roll-ups hold, which keep their counts; a step of modelpack.erase. Gives how many roll-ups.';
revoke all on function modelpack.erase_hashes(text, text) from public;

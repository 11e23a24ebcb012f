create or replace function modelpack.history(profile regclass, entity_key text, since timestamptz default null, until timestamptz default null)
returns setof modelpack.prediction
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
-- the text of a key, as it is logged
set timezone = 'UTC'
set extra_float_digits = 1
set datestyle = 'ISO, MDY'
set intervalstyle = postgres
set bytea_output = hex
-- nobody can tell a planner how few pages a filter leaves over: it would read the partitions that have nothing else from end to end
set enable_seqscan = off
-- what it takes such a partition to cost must not call for a compiler and more processes
set jit = off
set max_parallel_workers_per_gather = 0
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_columns constant text[] := array(select jsonb_array_elements_text(v_profile.declaration -> 'key'));
  v_parts text[];
  v_key text;
begin
  -- equal keys are logged by one text, however they are written here; an array, with whatever spaces
  v_parts := case when cardinality(v_columns) = 1 then array[entity_key] else array(select jsonb_array_elements_text(entity_key::jsonb)) end;
  -- types of pg_catalog and enums alone: their input functions run nobody's code
  execute (select format(case when count(*) = 1 then 'select %s::text' else 'select jsonb_build_array(%s)::text' end,
                         string_agg(format('modelpack.key_value(%L::%s)', v_parts[c.place], format_type(t.type, -1)), ', ' order by c.place))
             from unnest(v_columns) with ordinality as c (name, place)
            cross join modelpack.column_type(profile, c.name) as t)
     into v_key;
  return query
  select p.* from modelpack.prediction as p
   where p.profile = v_profile.name and p.entity_key = v_key
     and p.scored_at >= coalesce(history.since, '-infinity') and p.scored_at < coalesce(history.until, 'infinity')
   order by p.prediction_id desc;
end
$modelpack$;
comment on function modelpack.history(regclass, text, timestamptz, timestamptz) is
  'The prediction log of one row of a profile, newest first: every score with its version and inputs, optionally of a time alone (until excluded). Where the key has several columns, entity_key is a JSON array, such as jsonb_build_array(...)::text.';
revoke all on function modelpack.history(regclass, text, timestamptz, timestamptz) from public;
grant execute on function modelpack.history(regclass, text, timestamptz, timestamptz) to modelpack_monitor;

create or replace function modelpack.history(profile regclass, entity_key text, since timestamptz default null, until timestamptz default null)
returns setof modelpack.prediction
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
-- nobody can tell a planner how few pages a filter leaves over: it would read the partitions that have nothing else from end to end
set enable_seqscan = off
-- what it takes such a partition to cost must not call for a compiler and more processes
set jit = off
set max_parallel_workers_per_gather = 0
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.find_profile(profile);
  -- an array may be written with other spaces than it is kept
  v_key constant text := case when jsonb_array_length(v_profile.declaration -> 'key') > 1 then entity_key::jsonb::text else entity_key end;
begin
  return query
  select p.* from modelpack.prediction as p
   where p.profile = v_profile.name and p.entity_key = v_key
     and p.scored_at >= coalesce(history.since, '-infinity') and p.scored_at < coalesce(history.until, 'infinity')
   order by p.prediction_id desc;
end
$modelpack$;
comment on function modelpack.history(regclass, text, timestamptz, timestamptz) is
  'The prediction log of one row of a profile, newest first: every score with its version and inputs, optionally of a time alone (until excluded). Where the key has several columns, entity_key is a JSON array, such as jsonb_build_array(…)::text.';
revoke all on function modelpack.history(regclass, text, timestamptz, timestamptz) from public;
grant execute on function modelpack.history(regclass, text, timestamptz, timestamptz) to modelpack_monitor;

create or replace function modelpack.log_of(profile regclass, entity_key text, since timestamptz default null, until timestamptz default null)
returns setof modelpack.visible_log
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
-- see modelpack.history
set enable_seqscan = off
set jit = off
set max_parallel_workers_per_gather = 0
as $modelpack$
declare
  v_key constant text := (select k.key from modelpack.key_text(log_of.profile, log_of.entity_key) as k);
  v_name constant text := (select p.name from modelpack.profile as p where p.relation = log_of.profile);
begin
  return query
  select l.* from modelpack.visible_log as l
   where l.profile = v_name and l.entity_key = v_key
     and l.scored_at >= coalesce(log_of.since, '-infinity') and l.scored_at < coalesce(log_of.until, 'infinity')
   order by l.prediction_id desc;
end
$modelpack$;
comment on function modelpack.log_of(regclass, text, timestamptz, timestamptz) is
  'The scores of one row of a profile, newest first, for whoever may read that row and the column of the score; of the inputs those whose columns he may read. Who may read all of the log has modelpack.history.';
revoke all on function modelpack.log_of(regclass, text, timestamptz, timestamptz) from public;
grant execute on function modelpack.log_of(regclass, text, timestamptz, timestamptz) to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;

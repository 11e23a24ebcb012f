create or replace function modelpack.begin_observation(me modelpack.me) returns table (job_id bigint, ripe bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me);
  v_observed modelpack.observed;
  v_written bigint;
  v_last bigint;
begin
  select o.* into v_observed from modelpack.observed as o for update;
  select o.xmin::text::bigint into v_written from modelpack.observed as o;
  if v_observed.job_id is not null and v_observed.pid <> pg_backend_pid()
     and exists (select from pg_stat_activity as a where a.pid = v_observed.pid)
     -- a process of that number may be somebody else's by now
     and exists (select from modelpack.job as j where j.job_id = v_observed.job_id and j.ended_at is null and j.progress_at > clock_timestamp() - interval '10 minutes') then
    return;
  end if;
  update modelpack.job as j set ended_at = j.progress_at
   where j.task = 'observe' and j.ended_at is null
     and (j.pid = pg_backend_pid() or not exists (select from pg_stat_activity as a where a.pid = j.pid));
  insert into modelpack.job (task, profile, started_by) values ('observe', 'modelpack.prediction', v_caller) returning modelpack.job.job_id into job_id;
  -- after a restore transactions have other numbers, and those of before are over
  if v_observed.written_by is not null and v_written <> (v_observed.written_by::text::numeric % 4294967296)::bigint then
    v_observed.next_low := null;
  end if;
  -- no transaction that had taken such a number is left. Who has taken one has a number as transaction, too, but for
  -- a moment: hence the ten minutes
  if pg_snapshot_xmin(pg_current_snapshot()) >= pg_snapshot_xmax(v_observed.next_snapshot) and v_observed.next_at < clock_timestamp() - interval '10 minutes' then
    ripe := v_observed.next_low;
  end if;
  v_last := coalesce(pg_sequence_last_value('modelpack.prediction_prediction_id_seq'), 0);
  update modelpack.observed as o
     set job_id = begin_observation.job_id, pid = pg_backend_pid(), written_by = pg_current_xact_id(), at = o.at,
         next_low = coalesce(v_observed.next_low, v_last),
         next_at = case when v_observed.next_low is null then clock_timestamp() else o.next_at end,
         next_snapshot = case when v_observed.next_low is null then pg_current_snapshot() else o.next_snapshot end;
  perform modelpack.renew_yardsticks();
  return next;
end
$modelpack$;
comment on function modelpack.begin_observation(modelpack.me) is 'modelpack.begin_observation() for who calls it.';
revoke all on function modelpack.begin_observation(modelpack.me) from public;
create or replace function modelpack.begin_observation() returns table (job_id bigint, ripe bigint)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select b.* from modelpack.me as m cross join lateral modelpack.begin_observation(m) as b
$modelpack$;
comment on function modelpack.begin_observation() is
  'Notes that a run of modelpack.observe begins, which calls it: its job, and up to which prediction_id nothing can come any more. No row: another session is at it.';
revoke all on function modelpack.begin_observation() from public;
grant execute on function modelpack.begin_observation(), modelpack.begin_observation(modelpack.me) to modelpack_publisher, modelpack_monitor;

create or replace function modelpack.begin_job(me modelpack.me, task text, profile regclass, score text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_name constant text := (modelpack.get_profile(profile)).name;
  v_job bigint;
begin
  -- what a session that is gone has left; job numbers are what the others go by
  update modelpack.job as j set ended_at = j.progress_at
   where j.profile = v_name and j.task = begin_job.task and j.ended_at is null
     and not exists (select from pg_stat_activity as a where a.pid = j.pid and a.pid <> pg_backend_pid());
  insert into modelpack.job (task, profile, score, started_by)
  values (begin_job.task, v_name, begin_job.score, modelpack.caller(me))
  returning job_id into v_job;
  return v_job;
end
$modelpack$;
comment on function modelpack.begin_job(modelpack.me, text, regclass, text) is 'modelpack.begin_job(task, profile, score) for who calls it.';
revoke all on function modelpack.begin_job(modelpack.me, text, regclass, text) from public;
create or replace function modelpack.begin_job(task text, profile regclass, score text) returns bigint
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.begin_job(m, begin_job.task, begin_job.profile, begin_job.score) from modelpack.me as m
$modelpack$;
comment on function modelpack.begin_job(text, regclass, text) is 'Notes in modelpack.job that a job begins; the procedures call it.';
revoke all on function modelpack.begin_job(text, regclass, text) from public;
grant execute on function modelpack.begin_job(text, regclass, text), modelpack.begin_job(modelpack.me, text, regclass, text) to modelpack_publisher;

create or replace function modelpack.end_job(job_id bigint) returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
update modelpack.job as j set ended_at = clock_timestamp(), progress_at = clock_timestamp()
 where j.job_id = end_job.job_id and j.pid = pg_backend_pid() and j.ended_at is null
returning j.rows
$modelpack$;
comment on function modelpack.end_job(bigint) is 'Notes in modelpack.job that a job of this session is done; gives the rows that it wrote.';
revoke all on function modelpack.end_job(bigint) from public;
grant execute on function modelpack.end_job(bigint) to modelpack_publisher;

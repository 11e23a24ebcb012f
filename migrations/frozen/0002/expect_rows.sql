create or replace function modelpack.expect_rows(job_id bigint, profile regclass, score text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
update modelpack.job as j
   set total = case when j.task = 'settle' then (select coalesce(sum(u.pending), 0) from modelpack.unsettled(expect_rows.profile, expect_rows.score) as u)
                    -- as the planner knows it; NULL where nobody has analyzed the table
                    else (select round(nullif(sum(greatest(c.reltuples, 0)), 0)
                                       * (modelpack.get_outcome(expect_rows.profile, expect_rows.score) ->> 'share')::integer / 10000)
                            from pg_class as c
                           where c.oid = expect_rows.profile
                              or c.oid in (select t.relid from pg_partition_tree(expect_rows.profile) as t where t.isleaf)) end
 where j.job_id = expect_rows.job_id and j.pid = pg_backend_pid() and j.ended_at is null
$modelpack$;
comment on function modelpack.expect_rows(bigint, regclass, text) is 'Notes in modelpack.job how many rows a job of this session has before it: those that are pending, or about those of the profile.';
revoke all on function modelpack.expect_rows(bigint, regclass, text) from public;
grant execute on function modelpack.expect_rows(bigint, regclass, text) to modelpack_publisher;

create or replace function modelpack.end_holders() returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser, for nobody else may end a session of another's. It takes no argument and ends publishers alone.
select count(*) filter (where pg_terminate_backend(a.pid))
  from (select distinct l.pid
          from pg_locks as l
         where l.locktype = 'relation' and l.database = (select d.oid from pg_database as d where d.datname = current_database())
           and l.relation = 'modelpack.made'::regclass and l.mode = 'RowShareLock' and l.granted and l.pid <> pg_backend_pid()) as l
  join pg_stat_activity as a using (pid)
 where a.xact_start < clock_timestamp() - interval '3 s' and not pg_has_role(a.usesysid, 'modelpack_owner', 'member')
$modelpack$;
comment on function modelpack.end_holders() is
  'Ends the sessions of publishers that have had a disable or enable open for three seconds, and says how many these are; a step of modelpack.disable, when an approver calls it.';

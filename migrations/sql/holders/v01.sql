create or replace function modelpack.holders() returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Who holds a row of modelpack.model cannot be read from the row once a savepoint was released. So whoever changes one takes
-- this lock, too, which meets no other and nobody else takes.
select coalesce(string_agg(distinct format('%s (%s)', a.pid, a.usename), ', '), 'none any more')
  from pg_locks as l join pg_stat_activity as a using (pid)
 where l.locktype = 'relation' and l.database = (select d.oid from pg_database as d where d.datname = current_database())
   and l.relation = 'modelpack.made'::regclass and l.mode = 'RowShareLock' and l.granted and l.pid <> pg_backend_pid()
$modelpack$;
comment on function modelpack.holders() is
  'The processes, and their roles, that disable or enable a model, change whether it requires approval, or apply a declaration or take it off; for messages.';

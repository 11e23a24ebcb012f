create or replace function modelpack.try_lock(relation regclass, mode text, wait boolean default true) returns boolean
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
-- longer than deadlock_timeout usually is, since an autovacuum gives way only then
set lock_timeout = '2s'
as $modelpack$
begin
  execute format('lock table only %s in %s mode%s', relation, mode, case when not wait then ' nowait' end);
  return true;
exception when lock_not_available or deadlock_detected then
  return false;
end
$modelpack$;
comment on function modelpack.try_lock(regclass, text, boolean) is
  'Locks a table in a mode, or says after two seconds (at once with wait => false) that others hold it, rather than have writers queue behind the one who waits.';

create or replace function modelpack.do_soon(statement text, what text, class regclass, object oid, tables regclass[] default '{}') returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- A GRANT that gives nothing writes the row of a function, schema or table all the same, and a view that calls a function
-- keeps that from being replaced, until the transaction of who did it ends: whoever changes one waits no longer than is said.
declare
  v_before constant text := current_setting('lock_timeout');
  v_patience constant text := modelpack.patience();
  v_until constant timestamptz := clock_timestamp() + v_patience::interval;
  v_holder xid;
begin
  loop
    begin
      perform set_config('lock_timeout', v_patience, true);
      execute statement;
      perform set_config('lock_timeout', v_before, true);
      return;
    exception
      when lock_not_available then
        exit;
      when internal_error then  -- somebody has changed it while we waited for him
        if sqlerrm not in ('tuple concurrently updated', 'tuple concurrently deleted') then
          raise;
        end if;
        exit when clock_timestamp() > v_until;
    end;
  end loop;
  execute format('select o.xmax from %s as o where o.oid = $1', class) into v_holder using object;
  raise exception using
    errcode = 'lock_not_available',
    message = format('another transaction holds %s, which has to change', what),
    detail = format('Held by: %s.', modelpack.lockers(array[v_holder], array[object], tables, readers => true)),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.do_soon(text, text, regclass, oid, regclass[]) is
  'Runs a statement that changes an object (a row of the catalog class), and waits for other transactions no longer than modelpack.patience(), then says whose they are.';

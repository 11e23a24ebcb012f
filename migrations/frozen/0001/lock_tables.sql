create or replace function modelpack.lock_tables(events regclass[], profile regclass, mode text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A statement on one event table may read another, and a transaction may read before it writes: whoever waited for one table
-- with the others in hand would wait in a circle. So all are let go, and asked for again, well before
-- anybody looks for a deadlock.
declare
  v_setting constant text := current_setting('lock_timeout');
  v_limit constant interval := case when v_setting::interval > interval '0' then v_setting::interval
                                    else (select s.value::interval from modelpack.setting as s where s.name = 'table_wait') end;
  -- who asks with a limit of his own keeps nobody waiting for longer than that
  v_moment constant integer := greatest(least(extract(epoch from current_setting('deadlock_timeout')::interval) * 1000 / 4,
                                              nullif(extract(epoch from v_setting::interval) * 1000, 0)), 1);
  v_since constant timestamptz := clock_timestamp();
  v_event regclass;
  v_hint constant text := 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is asked: set lock_timeout, or table_wait and lock_wait of modelpack.setting.';
begin
  if current_setting('session_replication_role') = 'replica' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'session_replication_role is replica, so triggers do not fire',
      detail = 'What is written now would be neither counted nor scored.',
      hint = 'set session_replication_role = origin';
  end if;
  perform modelpack.alone();
  loop
    begin
      perform set_config('lock_timeout', v_moment::text, true);
      for v_event in select distinct e.name from unnest(events) as e (name) order by e.name loop
        execute format('lock table %s in %s mode', v_event, mode);
      end loop;
      execute format('lock table %s in access exclusive mode', profile);
      -- from now on traffic waits for us: we wait for nobody long, until modelpack.seal or the end of modelpack.detach
      perform set_config('lock_timeout', v_setting, true);
      perform set_config('lock_timeout', modelpack.patience(), true), set_config('modelpack.lock_timeout', v_setting, true);
      return;
    exception when lock_not_available or deadlock_detected then  -- the locks are let go with the subtransaction
      if v_limit > interval '0' and clock_timestamp() > v_since + v_limit then
        raise exception using
          errcode = 'lock_not_available',
          message = format('%s cannot be locked, as long as others use %s', array_to_string(events || profile, ', '),
                           case when events <> '{}' then 'one of them' else 'it' end),
          detail = format('Used by: %s.', modelpack.lockers(tables => events || profile, readers => true)),
          hint = v_hint;
      end if;
    end;
    perform pg_sleep(0.1 * random());
  end loop;
end
$modelpack$;
comment on function modelpack.lock_tables(regclass[], regclass, text) is
  'Locks event tables in a mode and a profile for itself alone, all or none, within lock_timeout (the setting table_wait where that is 0); until modelpack.seal nothing waits longer than modelpack.patience(); the first step of attaching, replacing and detaching.';

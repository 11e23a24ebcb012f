create or replace function modelpack.lock_tables(events regclass[], profile regclass, mode text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A statement on one event table may read another, and a transaction may read before it writes: whoever waited for one table
-- with the others in hand would wait in a circle. So all are let go, and asked for again, well before
-- anybody looks for a deadlock.
declare
  v_setting constant text := current_setting('lock_timeout');
  v_limit constant interval := v_setting::interval;
  v_moment constant integer := greatest(extract(epoch from current_setting('deadlock_timeout')::interval) * 1000 / 4, 1);
  v_since constant timestamptz := clock_timestamp();
  v_event regclass;
begin
  if current_setting('session_replication_role') = 'replica' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'session_replication_role is replica, so triggers do not fire',
      detail = 'What is written now would be neither counted nor scored.',
      hint = 'set session_replication_role = origin';
  end if;
  -- declarations change one at a time: a schema's rights and a table's triggers cannot be changed by two at once. Only members of
  -- modelpack_owner can take this lock; promotions and events take none that meets it
  lock table modelpack.profile in share row exclusive mode;
  loop
    begin
      perform set_config('lock_timeout', v_moment::text, true);
      for v_event in select distinct e.name from unnest(events) as e (name) order by e.name loop
        execute format('lock table %s in %s mode', v_event, mode);
      end loop;
      execute format('lock table %s in access exclusive mode', profile);
      perform set_config('lock_timeout', v_setting, true);
      return;
    exception when lock_not_available or deadlock_detected then  -- the locks are let go with the subtransaction
      if v_limit > interval '0' and clock_timestamp() > v_since + v_limit then
        raise;
      end if;
    end;
    perform pg_sleep(0.1 * random());
  end loop;
end
$modelpack$;
comment on function modelpack.lock_tables(regclass[], regclass, text) is
  'Locks event tables in a mode and a profile for itself alone, all or none, within lock_timeout; the first step of attaching, replacing and detaching.';

create or replace function modelpack.take_turn(name text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_before constant text := current_setting('lock_timeout');
begin
  perform set_config('lock_timeout', modelpack.patience(), true);
  insert into modelpack.turn (name) values (take_turn.name) on conflict do nothing;
  -- written, not only locked: who began before the last one ended, at REPEATABLE READ, has not seen what that did, and cannot go on
  update modelpack.turn as t set name = t.name where t.name = take_turn.name;
  perform set_config('lock_timeout', v_before, true);
exception when lock_not_available then
  raise exception using
    errcode = 'lock_not_available',
    message = format('another transaction publishes, promotes, names or retires versions (%s)', take_turn.name),
    detail = format('Such are open: %s.', modelpack.lockers(tables => array['modelpack.turn'::regclass])),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.take_turn(text) is
  'Waits, no longer than modelpack.patience(), until nobody else works under this name (of a model, for what its names stand for), to the end of the transaction. No row of modelpack.model is locked: modelpack.disable waits for none of them.';

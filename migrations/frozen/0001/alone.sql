create or replace function modelpack.alone() returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Declarations change one at a time: a schema's rights and a table's triggers cannot be changed by two at once. Only members of
-- modelpack_owner can take this lock; promotions and events take none that meets it.
declare
  v_before constant text := current_setting('lock_timeout');
begin
  if v_before::interval = interval '0' then
    perform set_config('lock_timeout', least(extract(epoch from s.value::interval) * 1000, 2147483647)::integer::text, true)
       from modelpack.setting as s where s.name = 'table_wait';
  end if;
  lock table modelpack.profile in share row exclusive mode;
  perform set_config('lock_timeout', v_before, true);
exception when lock_not_available then
  raise exception using
    errcode = 'lock_not_available',
    message = 'another declaration is being applied or taken off',
    detail = format('Held by: %s.', modelpack.lockers(tables => array['modelpack.profile'::regclass])),
    hint = 'Try again when that is done, or have that transaction end (as a superuser: select pg_terminate_backend(PID)). How long is waited: set lock_timeout, or table_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.alone() is
  'Keeps others from applying a declaration or taking one off to the end of the transaction; waits within lock_timeout, or the setting table_wait where that is 0.';

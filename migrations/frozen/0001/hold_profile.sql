create or replace function modelpack.hold_profile(relation regclass) returns modelpack.profile
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Whoever promotes holds it, and may leave that open, while who applies a declaration has locked its tables.
declare
  v_before constant text := current_setting('lock_timeout');
  v_profile modelpack.profile;
begin
  perform set_config('lock_timeout', modelpack.patience(), true);
  select * into v_profile from modelpack.profile as p where p.relation = hold_profile.relation for update;
  perform set_config('lock_timeout', v_before, true);
  return v_profile;
exception when lock_not_available then
  raise exception using
    errcode = 'lock_not_available',
    message = format('a version of a model of %s is being promoted, or its declaration applied, in another transaction', hold_profile.relation),
    detail = format('Held by: %s.', modelpack.lockers(tables => array['modelpack.profile'::regclass])),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.hold_profile(regclass) is
  'The declaration of a table, kept from promotions and other changes to the end of the transaction; NULL where it has none. Waits no longer than modelpack.patience().';

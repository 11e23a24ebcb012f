create or replace function modelpack.set_champion(caller name, model text, version integer, action text, reason text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id integer;
  v_previous integer;
  v_before constant text := current_setting('lock_timeout');
  v_hint text;
begin
  perform set_config('lock_timeout', modelpack.patience(), true);
  perform modelpack.check_text('the reason', set_champion.reason);
  v_version_id := modelpack.get_version(set_champion.model, set_champion.version);
  -- what was proven since this transaction began, as where it published the version, is not tried again
  if not exists (select from modelpack.inspection as i where i.version_id = v_version_id and i.checked_at >= now() and i.checked_by = set_champion.caller) then
    perform modelpack.prove(v_version_id, set_champion.caller);
  end if;
  select a.version into v_previous from modelpack.alias as a where a.model = set_champion.model and a.alias = 'champion';
  insert into modelpack.alias as a (model, alias, version, set_by) values (set_champion.model, 'champion', set_champion.version, set_champion.caller)
  on conflict (model, alias) do update set version = excluded.version, set_at = now(), set_by = excluded.set_by;
  insert into modelpack.promotion (model, action, version, previous, reason, by)
  values (set_champion.model, set_champion.action, set_champion.version, v_previous, set_champion.reason, set_champion.caller);
  perform modelpack.bind_model(set_champion.model);
  if set_champion.action = 'promote' then
    perform modelpack.check_unseen(set_champion.caller, set_champion.model, set_champion.version);
  end if;
  perform set_config('lock_timeout', v_before, true);
exception when lock_not_available then
  get stacked diagnostics v_hint = pg_exception_hint;
  if v_hint <> '' then
    raise;
  end if;
  raise exception using  -- its profile is read: who changes the table holds it
    errcode = 'lock_not_available',
    message = format('another transaction holds what the %s of %s needs', case set_champion.action when 'promote' then 'promotion' else set_champion.action end, set_champion.model),
    detail = format('Held by: %s.', modelpack.lockers(tables => array(
      select p.relation from modelpack.profile as p join modelpack.score as s using (profile_id) where s.model = set_champion.model))),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.set_champion(name, text, integer, text, text) is
  'Makes a version the champion: proves it on this server, writes history, and binds it into the profiles that it scores.';

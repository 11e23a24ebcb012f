create or replace function modelpack.set_alias(me modelpack.me, model text, alias text, version integer, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'set_alias');
  v_previous integer;
begin
  if set_alias.alias !~ '^[a-z][a-z0-9_-]{0,40}$' then
    raise exception using
      errcode = 'invalid_name',
      message = format('"%s" is no name that can stand for a version', modelpack.shown(set_alias.alias, 63)),
      detail = 'Expected: a small letter, then at most 40 small letters, digits, _ or -.';
  end if;
  perform modelpack.check_text('the reason', set_alias.reason);
  if set_alias.alias = 'champion' then
    perform modelpack.promote(me, set_alias.model, set_alias.version, set_alias.reason);
    return;
  end if;
  perform modelpack.check_grant(v_caller, set_alias.model, 'set an alias of');
  perform modelpack.take_turn(set_alias.model);
  perform modelpack.check_not_retired(set_alias.model, set_alias.version);
  select a.version into v_previous from modelpack.alias as a where a.model = set_alias.model and a.alias = set_alias.alias;
  if v_previous = set_alias.version then
    return;
  end if;
  insert into modelpack.alias (model, alias, version, set_by) values (set_alias.model, set_alias.alias, set_alias.version, v_caller)
  on conflict (model, alias) do update set version = excluded.version, set_at = now(), set_by = excluded.set_by;
  insert into modelpack.promotion (model, alias, action, version, previous, reason, by)
  values (set_alias.model, set_alias.alias, 'alias', set_alias.version, v_previous, set_alias.reason, v_caller);
end
$modelpack$;
comment on function modelpack.set_alias(modelpack.me, text, text, integer, text) is 'modelpack.set_alias(model, alias, version, reason) for who calls it.';
revoke all on function modelpack.set_alias(modelpack.me, text, text, integer, text) from public;
create or replace function modelpack.set_alias(model text, alias text, version integer, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_alias(m, set_alias.model, set_alias.alias, set_alias.version, set_alias.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_alias(text, text, integer, text) is
  'Lets a name stand for a version. champion is the one that scores: that is modelpack.promote.';
revoke all on function modelpack.set_alias(text, text, integer, text) from public;
grant execute on function modelpack.set_alias(text, text, integer, text), modelpack.set_alias(modelpack.me, text, text, integer, text) to modelpack_publisher;

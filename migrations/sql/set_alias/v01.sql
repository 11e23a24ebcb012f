create or replace function modelpack.set_alias(model text, alias text, version integer, reason text default '') returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_previous integer;
begin
  if set_alias.alias = 'champion' then
    perform modelpack.promote(set_alias.model, set_alias.version, set_alias.reason);
    return;
  end if;
  perform modelpack.check_grant(set_alias.model, 'set an alias of');
  perform from modelpack.model as m where m.model = set_alias.model for update;
  perform modelpack.check_live(set_alias.model, set_alias.version);
  select a.version into v_previous from modelpack.alias as a where a.model = set_alias.model and a.alias = set_alias.alias;
  if v_previous = set_alias.version then
    return;
  end if;
  insert into modelpack.alias (model, alias, version) values (set_alias.model, set_alias.alias, set_alias.version)
  on conflict (model, alias) do update set version = excluded.version, set_at = now(), set_by = session_user;
  insert into modelpack.promotion (model, alias, action, version, previous, reason)
  values (set_alias.model, set_alias.alias, 'alias', set_alias.version, v_previous, set_alias.reason);
end
$modelpack$;
comment on function modelpack.set_alias(text, text, integer, text) is
  'Lets a name stand for a version. champion is the one that scores: that is modelpack.promote.';
revoke all on function modelpack.set_alias(text, text, integer, text) from public;
grant execute on function modelpack.set_alias(text, text, integer, text) to modelpack_publisher;

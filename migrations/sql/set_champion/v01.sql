create or replace function modelpack.set_champion(model text, version integer, action text, reason text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id integer;
  v_previous integer;
begin
  v_version_id := modelpack.find_version(set_champion.model, set_champion.version);
  perform modelpack.prove(v_version_id);
  select a.version into v_previous from modelpack.alias as a where a.model = set_champion.model and a.alias = 'champion';
  insert into modelpack.alias as a (model, alias, version) values (set_champion.model, 'champion', set_champion.version)
  on conflict (model, alias) do update set version = excluded.version, set_at = now(), set_by = session_user;
  insert into modelpack.promotion (model, action, version, previous, reason)
  values (set_champion.model, set_champion.action, set_champion.version, v_previous, set_champion.reason);
  perform modelpack.bind_model(set_champion.model);
end
$modelpack$;
comment on function modelpack.set_champion(text, integer, text, text) is
  'Makes a version the champion: proves it on this server, writes history, and binds it into the profiles that it scores.';

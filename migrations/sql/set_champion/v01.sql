create or replace function modelpack.set_champion(model text, version integer, action text, reason text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id integer;
  v_previous integer;
  v_profile record;
begin
  v_version_id := modelpack.find_version(set_champion.model, set_champion.version);
  perform modelpack.prove(v_version_id);
  select a.version into v_previous from modelpack.alias as a where a.model = set_champion.model and a.alias = 'champion';
  insert into modelpack.alias as a (model, alias, version) values (set_champion.model, 'champion', set_champion.version)
  on conflict (model, alias) do update set version = excluded.version, set_at = now(), set_by = session_user;
  insert into modelpack.promotion (model, action, version, previous, reason)
  values (set_champion.model, set_champion.action, set_champion.version, v_previous, set_champion.reason);
  for v_profile in
    select p.relation from modelpack.profile as p
     where p.profile_id in (select s.profile_id from modelpack.score as s where s.model = set_champion.model)
       and exists (select from pg_class as c where c.oid = p.relation)  -- a dropped profile needs no score
     order by p.profile_id
  loop
    perform modelpack.bind(v_profile.relation::text);
  end loop;
end
$modelpack$;
comment on function modelpack.set_champion(text, integer, text, text) is
  'Makes a version the champion: proves it on this server, writes history, and binds it into the profiles that it scores.';

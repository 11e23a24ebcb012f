create or replace function modelpack.detach_dropped(name text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- For a profile table that is gone: what its declaration left in the schema modelpack and on event tables.
declare
  v_profile modelpack.profile;
begin
  perform modelpack.alone();
  select * into v_profile from modelpack.profile as p where p.name = detach_dropped.name or parse_ident(p.name) = parse_ident(modelpack.qualified(detach_dropped.name));
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no declaration of %s', detach_dropped.name),
      detail = format('There are: %s.', coalesce((select string_agg(p.name, ', ' order by p.name) from modelpack.profile as p), 'none'));
  elsif exists (select from pg_class as c where c.oid = v_profile.relation) then
    raise exception using
      errcode = 'object_in_use',
      message = format('the profile table %s is there', v_profile.relation),
      hint = 'Use op.drop_scoring or `modelpack remove` to take its declaration off.';
  end if;
  v_profile := modelpack.hold_profile(v_profile.relation);
  perform modelpack.disarm(v_profile.relation, v_profile.stem);
  delete from modelpack.ignored as i where i.profile = v_profile.name;
  delete from modelpack.profile as p where p.profile_id = v_profile.profile_id;
  perform modelpack.revoke_access();
end
$modelpack$;
comment on function modelpack.detach_dropped(text) is
  'Takes away what the declaration of a dropped profile table left behind: triggers of event tables and generated functions. For the owner of the event tables.';

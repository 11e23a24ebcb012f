create or replace function modelpack.get_profile(profile regclass) returns modelpack.profile
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile modelpack.profile;
begin
  select p.* into v_profile from modelpack.profile as p where p.relation = profile;
  if not found then
    -- the table may have taken the name of one that was declared
    perform modelpack.check_places(p)
       from modelpack.profile as p
       join pg_class as c on c.oid = get_profile.profile
       join pg_namespace as n on n.oid = c.relnamespace
      where p.name = format('%I.%I', n.nspname, c.relname);
    raise exception using
      errcode = 'undefined_object',
      message = format('%s has no declaration', profile),
      detail = format('Profiles: %s.', coalesce((select string_agg(p.name, ', ' order by p.name) from modelpack.profile as p), 'none')),
      hint = 'modelpack apply declaration.py';
  end if;
  return v_profile;
end
$modelpack$;
comment on function modelpack.get_profile(regclass) is 'The declaration of a profile table, or an error that lists those that have one.';

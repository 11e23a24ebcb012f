create or replace function modelpack.verify(profile regclass, keys text[] default null)
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.find_profile(profile);
begin
  return query execute format('select * from modelpack.%I($1)', v_profile.stem || '_verify') using keys;
end
$modelpack$;
comment on function modelpack.verify(regclass, text[]) is
  'Holds every stored feature against the same aggregate over the events and returns those that differ: key, feature, stored, expected. No row: all is right.';
revoke all on function modelpack.verify(regclass, text[]) from public;
grant execute on function modelpack.verify(regclass, text[]) to modelpack_monitor, modelpack_publisher;

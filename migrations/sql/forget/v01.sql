create or replace function modelpack.forget(name text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- For a profile table that is gone: what its declaration left in the schema modelpack and on event tables.
declare
  v_profile modelpack.profile;
  v_item record;
begin
  select * into v_profile from modelpack.profile as p where p.name = modelpack.qualified(forget.name) or p.name = forget.name for update;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no declaration of %s', forget.name),
      detail = format('There are: %s.', coalesce((select string_agg(p.name, ', ' order by p.name) from modelpack.profile as p), 'none'));
  elsif exists (select from pg_class as c where c.oid = v_profile.relation) then
    raise exception using
      errcode = 'object_in_use',
      message = format('the profile table %s is there', v_profile.relation),
      hint = 'Use op.drop_scoring or `modelpack remove` to take its declaration off.';
  end if;
  for v_item in
    select t.tgrelid::regclass as on_table, t.tgname from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
     where not t.tgisinternal and t.tgparentid = 0 and f.pronamespace = 'modelpack'::regnamespace
       and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
  loop
    execute format('drop trigger %I on %s', v_item.tgname, v_item.on_table);
  end loop;
  for v_item in
    select f.oid::regprocedure as name from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
  loop
    execute format('drop function %s', v_item.name);
  end loop;
  delete from modelpack.profile as p where p.profile_id = v_profile.profile_id;
end
$modelpack$;
comment on function modelpack.forget(text) is
  'Takes away what the declaration of a dropped profile table left behind: triggers of event tables and generated functions. For the owner of the event tables.';

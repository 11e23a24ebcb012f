create or replace function modelpack.seal(relation text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- What attaching made, so that modelpack.doctor() sees what has been changed by hand since.
declare
  v_profile constant modelpack.profile := modelpack.get_profile(seal.relation::regclass);
begin
  -- a model may have been disabled or enabled since its switch was made; whoever does it from now on waits, and sees this profile
  perform modelpack.hold_models(array(select distinct s.model from modelpack.score as s where s.profile_id = v_profile.profile_id));
  perform modelpack.switch(profile_id => v_profile.profile_id);
  delete from modelpack.made as m where m.profile_id = v_profile.profile_id and m.kind not in ('seam', 'switch', 'room');
  insert into modelpack.made (profile_id, kind, object, relation, definition)
  select v_profile.profile_id, 'function', f.proname::text, null, md5(f.prosrc)
    from pg_proc as f
   where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
     and not exists (select from modelpack.made as m where m.profile_id = v_profile.profile_id and m.kind in ('seam', 'switch', 'room') and m.object = f.proname)
  union all
  select v_profile.profile_id, 'event', modelpack.qualified(e.value ->> 'table'), modelpack.qualified(e.value ->> 'table')::regclass, ''
    from jsonb_array_elements(v_profile.declaration -> 'events') as e
  union all
  select v_profile.profile_id, 'trigger', t.tgname, t.tgrelid, t.tgtype || ' ' || f.proname
    from pg_trigger as t
    join pg_proc as f on f.oid = t.tgfoid
    join pg_class as c on c.oid = t.tgrelid
   where not t.tgisinternal and not c.relispartition
     and f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(v_profile.stem) as g);
  -- see modelpack.lock_tables
  if current_setting('modelpack.lock_timeout', true) <> '' then
    perform set_config('lock_timeout', current_setting('modelpack.lock_timeout'), true), set_config('modelpack.lock_timeout', '', true);
  end if;
end
$modelpack$;
comment on function modelpack.seal(text) is
  'Records the functions and triggers that attaching a declaration made; the last step of its script.';

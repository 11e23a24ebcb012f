create or replace function modelpack.disarm(profile regclass, stem text, kept name[] default '{}', triggers boolean default true) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Takes the triggers of a declaration off all tables, and drops its generated functions; but for those that are kept.
declare
  v_profile constant integer := (select p.profile_id from modelpack.profile as p where p.stem = disarm.stem);
  v_item record;
begin
  perform modelpack.hold_models(array(select distinct s.model from modelpack.score as s
                                       where s.profile_id = v_profile and s.stem || '_enabled' <> all (disarm.kept)));
  delete from modelpack.made as m where m.profile_id = v_profile and (m.kind = 'room' or m.kind = 'switch' and m.object <> all (disarm.kept));
  for v_item in
    select t.tgrelid::regclass as on_table, t.tgname
      from pg_trigger as t
      join pg_proc as f on f.oid = t.tgfoid
     where disarm.triggers and not t.tgisinternal and t.tgparentid = 0 and f.pronamespace = 'modelpack'::regnamespace
       and f.proname in (select g from modelpack.generated(stem) as g)
     order by t.tgrelid <> profile desc, t.tgrelid, t.tgname
  loop
    execute format('drop trigger %I on %s', v_item.tgname, v_item.on_table);
  end loop;
  for v_item in
    select f.oid from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(stem) as g)
       and f.proname <> all (disarm.kept)
  loop
    perform modelpack.drop_object(format('drop function %s', v_item.oid::regprocedure), 'pg_proc', v_item.oid);
  end loop;
end
$modelpack$;
comment on function modelpack.disarm(regclass, text, name[], boolean) is
  'Drops the triggers (unless they are left alone) and functions that a declaration generated, but for those that are kept by name; a step of detaching and of replacing.';

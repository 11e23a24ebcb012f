create or replace function modelpack.disarm(profile regclass, stem text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Takes the triggers of a declaration off all tables, and drops its generated functions.
declare
  v_item record;
begin
  for v_item in
    select t.tgrelid::regclass as on_table, t.tgname
      from pg_trigger as t
      join pg_proc as f on f.oid = t.tgfoid
     where not t.tgisinternal and t.tgparentid = 0 and f.pronamespace = 'modelpack'::regnamespace
       and f.proname in (select g from modelpack.generated(stem) as g)
     order by t.tgrelid <> profile desc, t.tgrelid, t.tgname
  loop
    execute format('drop trigger %I on %s', v_item.tgname, v_item.on_table);
  end loop;
  for v_item in
    select f.oid::regprocedure as name from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(stem) as g)
  loop
    execute format('drop function %s', v_item.name);
  end loop;
end
$modelpack$;
comment on function modelpack.disarm(regclass, text) is
  'Drops the triggers and functions that a declaration generated; a step of detaching and of replacing.';

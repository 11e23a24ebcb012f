create or replace function modelpack.disarm_former(relation text, events regclass[], kept name[]) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The tables are locked by now. A trigger that an event table keeps goes on with the function of its name, which has another body.
declare
  v_profile constant modelpack.profile := modelpack.get_profile(disarm_former.relation::regclass);
  v_item record;
begin
  for v_item in
    select t.tgrelid::regclass as on_table, t.tgname
      from pg_trigger as t
      join pg_proc as f on f.oid = t.tgfoid
     where not t.tgisinternal and t.tgparentid = 0 and f.pronamespace = 'modelpack'::regnamespace
       and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
       and (f.proname <> all (disarm_former.kept) or t.tgrelid = v_profile.relation
            or not exists (select from unnest(disarm_former.events) as e (relation) join pg_partition_ancestors(t.tgrelid) as a on a.relid = e.relation
                            union all
                           select from unnest(disarm_former.events) as e (relation) where e.relation = t.tgrelid))
     order by t.tgrelid <> v_profile.relation desc, t.tgrelid, t.tgname
  loop
    execute format('drop trigger %I on %s', v_item.tgname, v_item.on_table);
  end loop;
  for v_item in
    select f.oid from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
       and f.prorettype = 'trigger'::regtype and f.proname <> all (disarm_former.kept)
  loop
    perform modelpack.drop_object(format('drop function %s', v_item.oid::regprocedure), 'pg_proc', v_item.oid);
  end loop;
end
$modelpack$;
comment on function modelpack.disarm_former(text, regclass[], name[]) is
  'Drops the triggers of a profile, and of event tables those that run none of the functions kept or are on another table than events, and trigger functions that are not kept; a step of replacing a declaration online.';

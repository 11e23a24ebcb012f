create or replace function modelpack.keep_alone() returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser, and reads the catalog and the tables of declarations alone. Rows of a table that inherits from an event table are
-- read with its own, and no trigger tells when they come: so there must be none. What was there before is for modelpack.doctor().
declare
  v_found record;
begin
  if not exists (select from pg_event_trigger_ddl_commands() as d
                   join pg_inherits as i on d.objid in (i.inhrelid, i.inhparent) and age(i.xmin) <= 0
                  where d.classid = 'pg_class'::regclass) then
    return;
  end if;
  select a.relation::regclass as name, a.is_event, a.profile, modelpack.kin(a.relation) as kin into v_found
    from pg_inherits as i
    join pg_class as child on child.oid = i.inhrelid
   cross join (select p.relation::oid, false, p.name from modelpack.profile as p
               union all
               select m.relation::oid, true, p.name from modelpack.made as m join modelpack.profile as p using (profile_id) where m.kind = 'event') as a (relation, is_event, profile)
   where age(i.xmin) <= 0
     and exists (select from pg_event_trigger_ddl_commands() as d where d.classid = 'pg_class'::regclass and d.objid in (i.inhrelid, i.inhparent))
     and (a.relation = i.inhrelid
          or a.relation = i.inhparent and not child.relispartition
          or child.relispartition and a.relation in (select t.relid from pg_partition_ancestors(i.inhrelid) as t)
             and exists (select from pg_partition_tree(i.inhrelid) as t join pg_class as f on f.oid = t.relid and f.relkind = 'f'))
     and modelpack.kin(a.relation) is not null
   order by 1
   limit 1;
  if found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s, %s, now %s', v_found.name,
                       case when v_found.is_event then format('an event table of %s', v_found.profile) else 'a profile table' end, v_found.kin),
      detail = 'Statements on the one would change rows of the other without its triggers: these would not be counted.',
      hint = 'Rows of a partitioned table are counted in all of its partitions: declare that. Or take the declaration off first: modelpack remove DECLARATION.';
  end if;
end
$modelpack$;
comment on function modelpack.keep_alone() is
  'Event trigger: refuses to have a table inherit from an event or profile table, or such a one from another, or become its partition.';
drop event trigger if exists modelpack_alone;
create event trigger modelpack_alone on ddl_command_end
  when tag in ('CREATE TABLE', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE SCHEMA', 'IMPORT FOREIGN SCHEMA')
  execute function modelpack.keep_alone();
comment on event trigger modelpack_alone is 'keeps rows from coming into event and profile tables past their triggers';

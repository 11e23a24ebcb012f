-- The way back: users' tables as they were, then everything of ours. Roles stay where another database uses them.

do $drop$
declare
  v_item record;
  v_found record;
begin
  drop event trigger modelpack_partitions;
  drop event trigger modelpack_dropped;
  drop event trigger modelpack_altered;
  drop event trigger modelpack_triggers;
  drop event trigger modelpack_triggers_drop;
  drop event trigger modelpack_swapped;
  drop event trigger modelpack_shipped;
  drop event trigger modelpack_shipped_drop;
  drop event trigger modelpack_functions;
  drop event trigger modelpack_owners;
  drop event trigger modelpack_alone;
  for v_item in select p.name from modelpack.profile as p loop
    perform modelpack.detach(v_item.name);
  end loop;
  -- what is temporary goes along, whoever's session it is of; what others keep is not ours to drop
  select string_agg(format('%s, of %s', d.what, coalesce(d.owner::text, 'nobody')), '; ') as listed, string_agg(d.mend, '; ') as mend into v_found
    from (select array_agg(o.class) as classes, array_agg(o.oid) as objects
            from (select 'pg_class'::regclass::oid as class, c.oid from pg_catalog.pg_class as c where c.relnamespace = 'modelpack'::regnamespace
                  union all
                  select 'pg_proc'::regclass, f.oid from pg_catalog.pg_proc as f where f.pronamespace = 'modelpack'::regnamespace
                  union all
                  select 'pg_type'::regclass, t.oid from pg_catalog.pg_type as t where t.typnamespace = 'modelpack'::regnamespace) as o) as ours
   cross join lateral modelpack.dependents(ours.classes, ours.objects) as d
    left join pg_catalog.pg_class as c on c.oid = d.relation
   where not d.temporary and c.relnamespace is distinct from 'modelpack'::regnamespace;
  if v_found.listed is not null then
    raise exception using
      errcode = 'dependent_objects_still_exist',
      message = 'the schema modelpack is to be dropped, and something of somebody else''s depends on it',
      detail = format('That is: %s.', v_found.listed),
      hint = format('Have it dropped, and try again: %s;', v_found.mend);
  end if;
  select string_agg(format('%s, of %s', pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid), r.rolname), '; ') as listed,
         string_agg(distinct format('reassign owned by %I to ROLE', r.rolname), '; ') as mend into v_found
    from pg_catalog.pg_shdepend as s
    join pg_catalog.pg_roles as r on s.refclassid = 'pg_authid'::regclass and r.oid = s.refobjid
   cross join lateral pg_catalog.pg_identify_object(s.classid, s.objid, s.objsubid) as i
   where s.deptype = 'o' and s.dbid = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
     and r.rolname in ('modelpack_owner', 'modelpack_publisher', 'modelpack_approver', 'modelpack_reader', 'modelpack_monitor')
     and i.schema is distinct from 'modelpack' and coalesce(i.schema, '') !~ '^pg_t(emp|oast)';
  if v_found.listed is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'the roles of modelpack are to be dropped with what they own, and they own something that did not come with the schema',
      detail = format('That is: %s.', v_found.listed),
      hint = format('Give it to somebody else, and try again: %s;', v_found.mend);
  end if;
  drop view modelpack.versions, modelpack.failures, modelpack.backfill_progress cascade;
  drop table modelpack.job, modelpack.lent, modelpack.ignored, modelpack.failure_log, modelpack.made, modelpack.filling, modelpack.prediction, modelpack.score, modelpack.profile, modelpack.promotion, modelpack.alias,
             modelpack.inspection, modelpack.annotation, modelpack.approval, modelpack.retirement, modelpack.turn, modelpack.holding,
             modelpack.permission, modelpack.version, modelpack.artifact, modelpack.model, modelpack.setting, modelpack.secret cascade;
  for v_item in
    select p.oid::regprocedure as name from pg_catalog.pg_proc as p where p.pronamespace = 'modelpack'::regnamespace
  loop
    execute format('drop routine if exists %s cascade', v_item.name);
  end loop;
  drop type modelpack.scored cascade;
  select string_agg(format('%s, of %s', pg_catalog.pg_describe_object('pg_class'::regclass, c.oid, 0), pg_catalog.pg_get_userbyid(c.relowner)), '; ' order by c.oid) as listed,
         string_agg(format('alter table %s set schema public', c.oid::regclass), '; ' order by c.oid) as mend into v_found
    from pg_catalog.pg_class as c
   where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and c.relname <> 'alembic_version';
  if v_found.listed is not null then
    raise exception using
      errcode = 'dependent_objects_still_exist',
      message = 'the schema modelpack is to be dropped, and something is in it that did not come with it',
      detail = format('That is: %s.', v_found.listed),
      hint = format('Put it elsewhere or drop it, and try again: %s;', v_found.mend);
  end if;
  revoke all on schema modelpack from modelpack_owner, modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
  for v_item in
    select r.rolname as name from pg_catalog.pg_roles as r
     where r.rolname in ('modelpack_owner', 'modelpack_publisher', 'modelpack_approver', 'modelpack_reader', 'modelpack_monitor')
  loop
    execute format('drop owned by %I', v_item.name);
    begin
      execute format('drop role %I', v_item.name);
    exception when dependent_objects_still_exist then
      raise notice 'the role % stays: another database uses it', v_item.name;
    end;
  end loop;
end
$drop$;

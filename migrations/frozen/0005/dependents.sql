create or replace function modelpack.dependents(classes oid[], objects oid[], parts integer[] default '{}')
returns table (object oid, what text, owner name, temporary boolean, relation regclass, mend text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
set plan_cache_mode = force_generic_plan
as $modelpack$
#variable_conflict use_column
-- What DROP ... CASCADE would take along that is no part of what is dropped. A view stands for its rule. Dependents of
-- dependents too, since what is temporary can be called by what is not.
-- In PL/pgSQL, which keeps the plan: detaching asks for each thing that it drops.
begin
  return query
  with recursive named as (
    select u.class, u.object, coalesce(u.part, 0) as part from unnest(classes, objects, parts) as u (class, object, part)
  ), reached as (
    select n.class, n.object, n.part, true as is_part from named as n
    union
    select case when w.oid is null then d.classid else 'pg_class'::regclass::oid end, coalesce(w.ev_class, d.objid),
           case when w.oid is null then d.objsubid else 0 end, d.deptype in ('a', 'i')
      from reached as r
      join pg_depend as d on d.refclassid = r.class and d.refobjid = r.object and (r.part = 0 or d.refobjsubid = r.part)
      left join pg_rewrite as w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid and w.rulename = '_RETURN'
     where d.deptype in ('n', 'a', 'i')
  ), others as (
    select distinct r.class, r.object, r.part from reached as r
     where not r.is_part and not exists (select from named as n where n.class = r.class and n.object = r.object)
  )
  select o.object, pg_describe_object(o.class, o.object, o.part), pg_get_userbyid(coalesce(c.relowner, f.proowner, t.typowner)),
         -- nobody can make a schema of such a name
         coalesce(coalesce(c.relnamespace::regnamespace::text, i.schema) ~ '^pg_temp(_[0-9]+)?$', false), c.oid::regclass,
         case i.type when 'default value' then format('alter table %s alter column %I drop default', c.oid::regclass, a.attname)
                     when 'table constraint' then format('alter table %s drop constraint %I', c.oid::regclass, k.conname)
                     when 'table column' then format('alter table %s drop column %I', c.oid::regclass, a.attname)
                     else format('drop %s %s', i.type, i.identity) end
    from others as o
   cross join lateral pg_identify_object(o.class, o.object, o.part) as i
    left join pg_attrdef as e on o.class = 'pg_attrdef'::regclass and e.oid = o.object
    left join pg_constraint as k on o.class = 'pg_constraint'::regclass and k.oid = o.object
    left join pg_rewrite as w on o.class = 'pg_rewrite'::regclass and w.oid = o.object
    left join pg_trigger as g on o.class = 'pg_trigger'::regclass and g.oid = o.object
    left join pg_policy as p on o.class = 'pg_policy'::regclass and p.oid = o.object
    left join pg_proc as f on o.class = 'pg_proc'::regclass and f.oid = o.object
    left join pg_type as t on o.class = 'pg_type'::regclass and t.oid = o.object
    left join pg_class as c on c.oid = case when o.class = 'pg_class'::regclass then o.object
                                            else coalesce(e.adrelid, nullif(k.conrelid, 0), w.ev_class, g.tgrelid, p.polrelid) end
    left join pg_attribute as a on a.attrelid = c.oid and a.attnum = case when e.oid is null then o.part else e.adnum end
   order by o.object desc;
end
$modelpack$;
comment on function modelpack.dependents(oid[], oid[], integer[]) is
  'What depends on objects and would have to be dropped with them: a description, its owner, whether it is temporary, its relation, and the statement that drops it; the latest first. objects: rows of the catalogs that classes name; parts: numbers of columns.';

create or replace function modelpack.revoke_access() returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
declare
  v_item record;
  v_revoke text;
begin
  for v_item in
    delete from modelpack.lent as l
     where not exists (select from modelpack.needed_rights() as r
                         left join pg_namespace as n on n.oid = r.schema
                        where r.role = coalesce((select o.oid from pg_roles as o where o.rolname = l.role_name), l.role)
                          and r.relation is not distinct from l.relation
                          and n.nspname is not distinct from l.schema and r.routine::text is not distinct from l.routine
                          and r.privilege = l.privilege)
    returning (select o.rolname from pg_roles as o where o.oid = l.role or o.rolname = l.role_name order by o.rolname = l.role_name desc limit 1) as role,
              l.privilege, l.routine is not null or l.schema is not distinct from 'modelpack' as ours,
              coalesce((select format('table %s', l.relation) from pg_class as c where c.oid = l.relation),
                       (select format('schema %I', n.nspname) from pg_namespace as n where n.nspname = l.schema),
                       (select format('function %s', f.oid::regprocedure) from pg_proc as f where f.oid = to_regprocedure(l.routine))) as object,
              coalesce(l.relation::oid, (select n.oid from pg_namespace as n where n.nspname = l.schema), to_regprocedure(l.routine)::oid) as oid,
              case when l.relation is not null then 'pg_class' when l.schema is not null then 'pg_namespace' else 'pg_proc' end::regclass as class
  loop
    if v_item.object is not null and v_item.role is not null then
      v_revoke := format('revoke %s on %s from %I', v_item.privilege, v_item.object, v_item.role);
      perform modelpack.do_soon(case when v_item.ours then format('select modelpack.as_owner(%L)', v_revoke) else v_revoke end,
                                'the ' || v_item.object, v_item.class, v_item.oid);
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.revoke_access() is
  'Takes back what modelpack.grant_access() has granted and no declaration needs any more; a step of detaching.';

create or replace function modelpack.hides_rows(relation regclass, role regrole) returns boolean
language sql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select c.relrowsecurity and not r.rolsuper and not r.rolbypassrls and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'usage'))
  from pg_class as c, pg_roles as r
 where c.oid = relation and r.oid = hides_rows.role
$modelpack$;
comment on function modelpack.hides_rows(regclass, regrole) is
  'Whether row security may hide rows of a table from a role. Features are exact only over all rows.';

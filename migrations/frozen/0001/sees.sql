create or replace function modelpack.sees(caller name, relation regclass, columns text[] default null) returns boolean
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select pg_has_role(r.oid, c.relowner, 'usage') or pg_has_role(r.oid, 'modelpack_owner', 'member')
       or (has_table_privilege(r.oid, c.oid, 'select')
           or coalesce((select bool_and(has_column_privilege(r.oid, c.oid, n.name, 'select')) from unnest(sees.columns) as n (name)), false))
          and (not c.relrowsecurity or r.rolbypassrls)
  from pg_class as c, pg_roles as r
 where c.oid = sees.relation and r.rolname = sees.caller
$modelpack$;
comment on function modelpack.sees(name, regclass, text[]) is
  'Whether a role may read every row of a table, or of some of its columns, by itself: with its own rights, with no row-level security in between.';
revoke all on function modelpack.sees(name, regclass, text[]) from public;

create or replace function modelpack.plain(relation regclass, columns text[]) returns boolean
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A view is its owner's code, and so may be what compares or casts a type of his.
select exists (select from pg_class as c where c.oid = plain.relation and c.relkind in ('r', 'p'))
       and (select count(*) from pg_attribute as a cross join modelpack.column_type(plain.relation, a.attname) as k join pg_type as t on t.oid = k.type
             where a.attrelid = plain.relation and a.attname = any (plain.columns) and a.attnum > 0 and not a.attisdropped
               and (t.typnamespace = 'pg_catalog'::regnamespace or t.typtype = 'e')) = cardinality(plain.columns)
$modelpack$;
comment on function modelpack.plain(regclass, text[]) is
  'Whether a relation is a table whose columns of these names are of types of the server''s own, or enums: whoever compares them, a superuser too, runs nobody''s code.';
revoke all on function modelpack.plain(regclass, text[]) from public;
grant execute on function modelpack.plain(regclass, text[]) to modelpack_monitor;

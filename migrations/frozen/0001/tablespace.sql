create or replace function modelpack.tablespace(relation regclass) returns text
language sql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- As default_tablespace names it: empty stands for that of the database.
select coalesce((select t.spcname::text from pg_class as c join pg_tablespace as t on t.oid = c.reltablespace where c.oid = relation), '')
$modelpack$;
comment on function modelpack.tablespace(regclass) is
  'Where a table lies: an index of it, or a partition, is put there whatever default_tablespace the session has.';

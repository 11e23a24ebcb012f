create or replace function modelpack.column_type(
  relation regclass, column_name text, out type oid, out modifier integer, out collation_id oid, out shown text
)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  select a.atttypid, a.atttypmod, a.attcollation, format_type(a.atttypid, a.atttypmod)
    into type, modifier, collation_id, shown
    from pg_attribute as a
   where a.attrelid = column_type.relation and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
  if not found then
    raise exception using
      errcode = 'undefined_column',
      message = format('%s has no column %I, which the declaration names', relation, column_name),
      hint = 'Correct the declaration.';
  end if;
  -- a domain may be of a domain
  while exists (select from pg_type as t where t.oid = column_type.type and t.typtype = 'd') loop
    select t.typbasetype, coalesce(nullif(modifier, -1), t.typtypmod) into type, modifier from pg_type as t where t.oid = column_type.type;
  end loop;
end
$modelpack$;
comment on function modelpack.column_type(regclass, text) is
  'The type of a column below its domains, with its modifier, its collation, and how the column''s own type is written.';

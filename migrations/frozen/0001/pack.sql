create or replace function modelpack.pack(type oid, value text, out kind text, out packed text)
language plpgsql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- The one place that says what a model receives for a value: the triggers and the training set both ask here.
declare
  v_type pg_type;
begin
  select t.* into v_type from pg_type as t where t.oid = pack.type;
  while v_type.typtype = 'd' loop
    select t.* into v_type from pg_type as t where t.oid = v_type.typbasetype;
  end loop;
  if v_type.oid in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'real'::regtype, 'double precision'::regtype) then
    kind := 'number';
    packed := pack.value || '::double precision';
  elsif v_type.oid = 'numeric'::regtype then
    kind := 'number';
    packed := format('modelpack.to_double(%s)', pack.value);
  elsif v_type.oid = 'boolean'::regtype then
    kind := 'number';
    packed := pack.value || '::integer::double precision';
  elsif v_type.typcategory = 'S' and v_type.oid <> '"char"'::regtype or v_type.typtype = 'e' then
    kind := 'text';
    packed := pack.value || '::text';  -- of character(n): without the blanks that fill it up
  end if;
end
$modelpack$;
comment on function modelpack.pack(oid, text) is
  'SQL that makes a model''s input of a value (SQL, in parentheses where it is more than a column) of a type: a number as double precision, a text as text. NULL where a value of the type can be neither.';
revoke all on function modelpack.pack(oid, text) from public;
grant execute on function modelpack.pack(oid, text) to modelpack_publisher, modelpack_reader, modelpack_monitor;

create or replace function modelpack.sees_entity(relation regclass, key_columns text[], score text, entity_key text) returns boolean
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
-- a key is read as it was written
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set intervalstyle = postgres
set quote_all_identifiers = off
as $modelpack$
-- Called by a view, a function runs as whoever reads the view: so the profile's own grants and policies decide.
declare
  v_condition text;
  v_parts text[];
  v_sees boolean;
begin
  if not exists (select from pg_class as c where c.oid = sees_entity.relation and has_schema_privilege(c.relnamespace, 'usage')
                    and (select count(*) from pg_attribute as a
                          where a.attrelid = c.oid and a.attname = any (key_columns || score) and a.attnum > 0 and not a.attisdropped
                            and has_column_privilege(c.oid, a.attnum, 'select')) = cardinality(key_columns) + 1) then
    return false;
  end if;
  v_parts := case when cardinality(key_columns) = 1 then array[entity_key] else array(select jsonb_array_elements_text(entity_key::jsonb)) end;
  select string_agg(format('p.%I = %L::%s', c.name, c.part, format_type(t.type, -1)), ' and ' order by c.place)
    into v_condition
    from unnest(key_columns, v_parts) with ordinality as c (name, part, place) cross join modelpack.column_type(relation, c.name) as t;
  execute format('select exists (select from %s as p where %s)', relation, v_condition) into v_sees;
  return v_sees;
exception when invalid_text_representation or datetime_field_overflow or numeric_value_out_of_range then
  return false;  -- it was logged when the key had another type
end
$modelpack$;
comment on function modelpack.sees_entity(regclass, text[], text, text) is
  'Whether who asks may read a score of an entity on its profile: by rights on the columns of the key and of the score, and by the policies of the table.';
revoke all on function modelpack.sees_entity(regclass, text[], text, text) from public;
grant execute on function modelpack.sees_entity(regclass, text[], text, text) to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;

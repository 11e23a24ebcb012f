create or replace function modelpack.key_text(profile regclass, entity_key text, out key text, out condition text, out literals text, out hash text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- the text of a key, as it is logged
set timezone = 'UTC'
set extra_float_digits = 1
set datestyle = 'ISO, MDY'
set intervalstyle = postgres
set bytea_output = hex
set quote_all_identifiers = off
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_columns constant text[] := array(select jsonb_array_elements_text(v_profile.declaration -> 'key'));
  v_types text[];
  v_parts text[];
begin
  perform modelpack.check_keys(v_profile, array[entity_key]);
  v_parts := case when cardinality(v_columns) = 1 then array[entity_key] else array(select jsonb_array_elements_text(entity_key::jsonb)) end;
  if array_position(v_parts, null) is not null then
    raise exception using
      errcode = 'null_value_not_allowed',
      message = 'the key, or a part of it, is NULL, expected a value for each column of the key',
      detail = format('The columns of the key are: %s.', array_to_string(v_columns, ', '));
  end if;
  -- types of pg_catalog and enums alone: their input functions run nobody's code
  select array_agg(format_type(t.type, -1) order by c.place)
    into v_types
    from unnest(v_columns) with ordinality as c (name, place) cross join modelpack.column_type(profile, c.name) as t;
  -- equal keys are logged by one text, however they are written here
  execute (select format('select %s, hash_record_extended(row(%s), 0)::text',
                         format(case when cardinality(v_columns) = 1 then '%s::text' else 'jsonb_build_array(%s)::text' end,
                                string_agg(format('modelpack.key_value(%L::%s)', v.part, v.type), ', ' order by v.place)),
                         string_agg(format('%L::%s', v.part, v.type), ', ' order by v.place))
             from unnest(v_parts, v_types) with ordinality as v (part, type, place))
     into key, hash;
  v_parts := case when cardinality(v_columns) = 1 then array[key] else array(select jsonb_array_elements_text(key::jsonb)) end;
  literals := (select string_agg(format('%L::%s', v.part, v.type), ', ' order by v.place)
                 from unnest(v_parts, v_types) with ordinality as v (part, type, place));
  condition := (select string_agg(format('q.%I = %L::%s', v.name, v.part, v.type), ' and ' order by v.place)
                  from unnest(v_columns, v_parts, v_types) with ordinality as v (name, part, type, place));
end
$modelpack$;
comment on function modelpack.key_text(regclass, text) is
  'A key of a profile as the log writes it, however it is written here; SQL that finds its row, where the table is called q; the values alone; and the hash that modelpack.ignored knows it by. Where the key has several columns, entity_key is a JSON array.';
revoke all on function modelpack.key_text(regclass, text) from public;
grant execute on function modelpack.key_text(regclass, text) to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;

create or replace function modelpack.check_keys(profile modelpack.profile, keys text[]) returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A key of several columns is written as the log and verify write it. One column's is cast where it is used.
declare
  v_columns constant jsonb := check_keys.profile.declaration -> 'key';
  v_key text;
  v_found jsonb;
begin
  if jsonb_array_length(v_columns) = 1 then
    return;
  end if;
  foreach v_key in array coalesce(keys, '{}') loop
    begin
      v_found := v_key::jsonb;
    exception when invalid_text_representation then
      v_found := null;
    end;
    if v_found is null or jsonb_typeof(v_found) <> 'array' or jsonb_array_length(v_found) <> jsonb_array_length(v_columns) then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('found the key %s of %s, expected a JSON array of %s values', coalesce(v_key, 'NULL'),
                         check_keys.profile.name, jsonb_array_length(v_columns)),
        detail = format('The columns of the key are: %s.',
                        (select string_agg(c.name, ', ' order by c.place) from jsonb_array_elements_text(v_columns) with ordinality as c (name, place))),
        hint = 'Write it as the prediction log does, for example ["north", 3].';
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.check_keys(modelpack.profile, text[]) is
  'Refuses entity keys, written as text, that cannot be of a profile whose key has several columns.';

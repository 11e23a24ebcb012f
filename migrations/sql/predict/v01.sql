create or replace function modelpack.predict(me modelpack.me, model text, inputs jsonb, version integer) returns double precision
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_disabled text;
  v_version modelpack.version;
  v_input record;
  v_value jsonb;
  v_numbers double precision[] := '{}';
  v_texts text[];
  v_score double precision;
  v_taken constant text := 'the model takes: ';
  v_signature text;
begin
  perform modelpack.check_grant(modelpack.caller(me), predict.model, 'score with', 'predict');
  select m.disabled into v_disabled from modelpack.model as m where m.model = predict.model;
  if v_disabled is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the model %s is disabled: %s', predict.model, v_disabled),
      hint = format('select modelpack.enable(%L);', predict.model);
  end if;
  select v.* into v_version
    from modelpack.version as v
   where v.model = predict.model
     and v.version = coalesce(predict.version,
                              (select a.version from modelpack.alias as a where a.model = predict.model and a.alias = 'champion'));
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = case when predict.version is null then format('no version of the model %s has been promoted', predict.model)
                     else format('the model %s has no version %s', predict.model, predict.version) end,
      hint = 'select model, version, aliases from modelpack.versions lists what there is.';
  end if;
  select string_agg(format('%s (%s)', i.value ->> 'name', i.value ->> 'type'), ', ' order by i.ordinality)
    into v_signature from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i;
  if jsonb_typeof(predict.inputs) is distinct from 'object' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the inputs of %s are %s, expected a JSON object', predict.model, coalesce(jsonb_typeof(predict.inputs), 'NULL')),
      detail = v_taken || v_signature;
  end if;
  for v_input in
    select k.name as unknown from jsonb_object_keys(predict.inputs) as k (name)
     where k.name not in (select i.value ->> 'name' from jsonb_array_elements(v_version.signature -> 'inputs') as i)
  loop
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%s version %s has no input "%s"', predict.model, v_version.version, v_input.unknown),
      detail = v_taken || v_signature;
  end loop;
  for v_input in
    select i.value ->> 'name' as name, i.value ->> 'type' as type
      from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i order by i.ordinality
  loop
    v_value := predict.inputs -> v_input.name;
    if v_value is null then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('the input "%s" of %s version %s is missing', v_input.name, predict.model, v_version.version),
        detail = v_taken || v_signature,
        hint = 'A JSON null says that the value is not known.';
    end if;
    if v_input.type = 'text' then
      if jsonb_typeof(v_value) not in ('string', 'null') then
        raise exception using
          errcode = 'invalid_parameter_value',
          message = format('the input "%s" of %s is %s, expected text', v_input.name, predict.model, v_value);
      end if;
      v_texts := v_texts || array[v_value #>> '{}'];
    else
      if jsonb_typeof(v_value) not in ('number', 'boolean', 'null') then
        raise exception using
          errcode = 'invalid_parameter_value',
          message = format('the input "%s" of %s is %s, expected a number', v_input.name, predict.model, v_value);
      end if;
      v_numbers := v_numbers || array[case jsonb_typeof(v_value)
                                        when 'boolean' then (v_value::boolean)::integer::double precision
                                        when 'number' then modelpack.to_double(v_value::numeric) end];
    end if;
  end loop;
  v_score := modelpack.score(v_version.version_id, v_numbers, v_texts);
  if v_score is null then
    raise exception using
      errcode = 'data_exception',
      message = format('%s version %s gives no score', predict.model, v_version.version),
      detail = modelpack.failure();
  end if;
  return v_score;
end
$modelpack$;
comment on function modelpack.predict(modelpack.me, text, jsonb, integer) is 'modelpack.predict(model, inputs, version) for who calls it.';
revoke all on function modelpack.predict(modelpack.me, text, jsonb, integer) from public;
create or replace function modelpack.predict(model text, inputs jsonb, version integer default null) returns double precision
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.predict(m, predict.model, predict.inputs, predict.version) from modelpack.me as m
$modelpack$;
comment on function modelpack.predict(text, jsonb, integer) is
  'Scores named inputs ad hoc, for roles to which the model is granted, with the champion, or with the version given. A missing or unknown input is an error that lists the signature; JSON null is a missing value.';
revoke all on function modelpack.predict(text, jsonb, integer) from public;
grant execute on function modelpack.predict(text, jsonb, integer), modelpack.predict(modelpack.me, text, jsonb, integer) to modelpack_reader, modelpack_publisher;

create or replace function modelpack.predict(me modelpack.me, model text, inputs jsonb, version integer) returns double precision
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version modelpack.version := modelpack.scorable(modelpack.caller(me), predict.model, predict.version);
  v_given record;
begin
  if pg_column_size(predict.inputs) > 1048576 then
    raise exception using
      errcode = 'program_limit_exceeded',
      message = format('the inputs of %s have %s bytes', predict.model, pg_column_size(predict.inputs)),
      detail = 'Expected: at most 1048576.';
  end if;
  select n.* into v_given
    from modelpack.score_named(v_version.version_id, v_version.signature, jsonb_build_array(predict.inputs)) as n;
  if v_given.problem is not null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%s version %s cannot score that: %s', predict.model, v_version.version, v_given.problem),
      detail = (select 'the model takes: ' || string_agg(format('%s (%s)', i.value ->> 'name', i.value ->> 'type'), ', ' order by i.ordinality)
                  from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i);
  elsif v_given.score is null then
    raise exception using
      errcode = 'data_exception',
      message = format('%s version %s gives no score', predict.model, v_version.version),
      detail = v_given.failure;
  end if;
  return v_given.score;
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

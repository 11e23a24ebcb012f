create or replace function modelpack.reproduce(prediction_id bigint)
returns table (model text, version integer, scored_at timestamptz, entity_key text, prediction double precision, reproduced double precision, same boolean, failure text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_logged modelpack.prediction;
  v_version integer;
begin
  select * into v_logged from modelpack.prediction as l where l.prediction_id = reproduce.prediction_id;
  if v_logged.prediction_id is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('the log has no row %s', coalesce(prediction_id::text, 'NULL')),
      detail = format('It reaches back to %s.', coalesce((select min(l.scored_at)::text from modelpack.prediction as l), 'nothing')),
      hint = 'select prediction_id, scored_at from modelpack.history(PROFILE, KEY) lists the scores of a row.';
  end if;
  if v_logged.inputs = '{}' and v_logged.text_inputs is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the inputs of row %s of the log were erased', prediction_id),
      detail = 'Its score was kept as evidence (modelpack.erase with keep_scores), and cannot be computed again.';
  end if;
  v_version := modelpack.get_version(v_logged.model, v_logged.version);
  reproduced := modelpack.score(v_version, v_logged.inputs, v_logged.text_inputs);
  failure := case when reproduced is null then modelpack.failure() end;
  model := v_logged.model;
  version := v_logged.version;
  scored_at := v_logged.scored_at;
  entity_key := v_logged.entity_key;
  prediction := v_logged.prediction;
  -- bit by bit
  same := coalesce(float8send(reproduced) = float8send(prediction), false);
  return next;
end
$modelpack$;
comment on function modelpack.reproduce(bigint) is
  'A score of the log, computed again by its version from its logged inputs: the same to the last bit, unless the server''s onnxruntime has changed since.';
revoke all on function modelpack.reproduce(bigint) from public;
grant execute on function modelpack.reproduce(bigint) to modelpack_monitor;

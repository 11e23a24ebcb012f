create or replace function modelpack.publish(
  me modelpack.me, model text, onnx bytea, signature jsonb, golden jsonb, parity jsonb, metrics jsonb,
  libraries jsonb, note text, description text, lineage jsonb, engine text, formula json
) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'publish');
  v_version integer;
  v_version_id integer;
  v_sha256 constant text := encode(sha256(publish.onnx), 'hex');
begin
  if num_nulls(publish.model, publish.onnx, publish.signature, publish.golden, publish.note, publish.description) > 0 then
    raise exception using
      errcode = 'null_value_not_allowed',
      message = 'a version needs a model, its bytes, a signature and golden rows; one of them, or the note or the description, is NULL',
      hint = 'Publish with the package (modelpack publish).';
  end if;
  perform modelpack.check_text('the note', publish.note, 10000), modelpack.check_text('the description', publish.description, 10000),
          modelpack.check_facts('parity', publish.parity), modelpack.check_facts('metrics', publish.metrics),
          modelpack.check_facts('libraries', publish.libraries), modelpack.check_facts('lineage', publish.lineage);
  if publish.model !~ '^[a-z][a-z0-9_]{0,40}$' then
    raise exception using
      errcode = 'invalid_name',
      message = format('"%s" is no name for a model', modelpack.shown(publish.model, 63)),
      detail = 'Expected: a small letter, then at most 40 small letters, digits or _.';
  end if;
  if publish.engine is null or publish.engine not in ('onnx', 'python') or (publish.engine = 'python') <> (publish.formula is not null) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = case when publish.engine in ('onnx', 'python')
                     then format('the engine %s is given %s formula', publish.engine, case when publish.formula is null then 'no' else 'a' end)
                     else format('%s is no engine', coalesce(modelpack.shown(publish.engine, 63), 'NULL')) end,
      detail = 'Expected: onnx without a formula, or python with one.',
      hint = 'Publish with the package (modelpack publish --engine).';
  end if;
  if octet_length(publish.formula::text) > (select s.value::integer from modelpack.setting as s where s.name = 'formula_bytes') then
    raise exception using
      errcode = 'program_limit_exceeded',
      message = format('the formula has %s bytes', octet_length(publish.formula::text)),
      detail = format('Expected: at most %s.', (select s.value from modelpack.setting as s where s.name = 'formula_bytes')),
      hint = 'Publish with --engine onnx, or let a superuser raise formula_bytes in modelpack.setting.';
  end if;
  if length(publish.onnx) > (select pg_size_bytes(s.value) from modelpack.setting as s where s.name = 'model_bytes') then
    raise exception using
      errcode = 'program_limit_exceeded',
      message = format('the model has %s bytes', length(publish.onnx)),
      detail = format('Expected: at most %s.', (select s.value from modelpack.setting as s where s.name = 'model_bytes')),
      hint = 'Publish a smaller model, or let a superuser raise model_bytes in modelpack.setting.';
  end if;
  insert into modelpack.model (model, description, created_by) values (publish.model, publish.description, v_caller) on conflict do nothing;
  if found then  -- whoever begins a model may also promote it
    insert into modelpack.permission (model, role, granted_by) values (publish.model, v_caller, v_caller) on conflict do nothing;
  end if;
  perform modelpack.take_turn('publish ' || publish.model);  -- versions count without gaps; no lock that disable needs
  insert into modelpack.artifact (sha256, onnx) values (v_sha256, publish.onnx)
  on conflict (sha256) do update set onnx = excluded.onnx where artifact.onnx is null;  -- purged, and here again
  select coalesce(max(v.version), 0) + 1 into v_version from modelpack.version as v where v.model = publish.model;
  insert into modelpack.version (model, version, sha256, signature, golden, parity, metrics, libraries, note, lineage, created_by)
  values (publish.model, v_version, v_sha256, publish.signature, publish.golden, publish.parity, publish.metrics,
          publish.libraries, publish.note, publish.lineage, v_caller)
  returning version_id into v_version_id;
  if publish.formula is not null then
    insert into modelpack.formula (version_id, engine, sha256, formula)
    values (v_version_id, publish.engine, encode(sha256(convert_to(publish.formula::text, 'UTF8')), 'hex'), publish.formula);
  end if;
  perform modelpack.prove(v_version_id, v_caller);
  return v_version;
end
$modelpack$;
comment on function modelpack.publish(modelpack.me, text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json) is 'modelpack.publish(model, onnx, signature, golden, parity, metrics, libraries, note, description, lineage, engine, formula) for who calls it.';
revoke all on function modelpack.publish(modelpack.me, text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json) from public;
create or replace function modelpack.publish(
  model text, onnx bytea, signature jsonb, golden jsonb, parity jsonb default '{}', metrics jsonb default '{}',
  libraries jsonb default '{}', note text default '', description text default '', lineage jsonb default '{}',
  engine text default 'onnx', formula json default null
) returns integer
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.publish(m, publish.model, publish.onnx, publish.signature, publish.golden, publish.parity, publish.metrics,
                         publish.libraries, publish.note, publish.description, publish.lineage, publish.engine, publish.formula)
  from modelpack.me as m
$modelpack$;
comment on function modelpack.publish(text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json) is
  'Stores a model as the next version, after its golden rows gave the expected scores on this server. engine: onnx, or python with a formula (docs/formula.md), which scores instead of the ONNX model. Returns the number of the version.';
revoke all on function modelpack.publish(text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json) from public;
grant execute on function modelpack.publish(text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json), modelpack.publish(modelpack.me, text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json) to modelpack_publisher;

create or replace function modelpack.prove(version_id integer, caller name) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- Nothing of the model is loaded here: what hangs or crashes a backend takes the connection, or the server, along.
declare
  v_version record;
  v_report jsonb;
  v_row record;
begin
  select v.model, v.version, v.signature, v.golden, v.libraries, v.sha256, a.onnx, f.engine, f.formula,
         format('%s version %s', v.model, v.version) as name,
         date_part('epoch', coalesce(m.time_budget, (select s.value::interval from modelpack.setting as s where s.name = 'time_budget')))::numeric as budget
    into strict v_version
    from modelpack.version as v join modelpack.artifact as a using (sha256) join modelpack.model as m using (model)
    left join modelpack.formula as f using (version_id)
   where v.version_id = prove.version_id;
  if v_version.onnx is null or encode(sha256(v_version.onnx), 'hex') <> v_version.sha256 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = case when v_version.onnx is null then format('the bytes of %s were purged', v_version.name)
                     else format('%s: its bytes do not have the hash under which they were published', v_version.name) end,
      detail = format('Expected: bytes with the SHA-256 %s.', v_version.sha256),
      hint = 'Publish the model again.';
  end if;
  v_report := modelpack.inspect(v_version.onnx, v_version.signature, v_version.golden);
  v_report := case when v_version.engine is null then modelpack.trial(v_version.onnx, v_version.signature, v_version.golden, (v_report -> 'rows_apart')::boolean)
                   else modelpack.try_formula(v_version.formula, v_version.signature, v_version.golden) end;
  if v_report -> 'slowest_microseconds' > to_jsonb(v_version.budget * 1000000) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%s: a golden row takes %s ms of processor time on this server, expected less than its time budget of %s ms',
                       v_version.name, round((v_report ->> 'slowest_microseconds')::numeric / 1000), round(v_version.budget * 1000)),
      detail = case when v_version.engine is null then 'A running model is ended between two operators only, so one that needs longer would end with a reason instead of a score, late.'
                    else 'A formula that is being computed is not ended.' end,
      hint = format('Publish a smaller model, or as a superuser: update modelpack.model set time_budget = ... where model = %L.', v_version.model);
  end if;
  -- the same onnxruntime gives bit-equal scores; another release may differ in the last digits
  for v_row in
    select e.place, e.score as expected, (s.score #>> '{}')::double precision as found, s.reason
      from rows from (jsonb_array_elements_text(v_version.golden -> 'scores')) with ordinality as e (score, place)
      join rows from (jsonb_array_elements(v_report -> 'scores'), jsonb_array_elements_text(v_report -> 'reasons'))
           with ordinality as s (score, reason, place) using (place)
     order by e.place
  loop
    if (v_row.found is null) <> (v_row.expected is null)
       or abs(v_row.found - v_row.expected::double precision) > 1e-6 * greatest(1, abs(v_row.expected::double precision)) then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('%s: golden row %s gives %s on this server, expected %s', v_version.name, v_row.place,
                         coalesce(v_row.found::text, v_row.reason), coalesce(v_row.expected, 'no score')),
        -- its cells are those of somebody's row, and not everybody who puts a version through the gate may see them
        detail = case when v_version.engine is null then format('onnxruntime: %s on this server, %s where it was made.',
                                                                v_report ->> 'onnxruntime', coalesce(v_version.libraries ->> 'onnxruntime', 'unknown'))
                      else format('Python: %s on this server; the formula gave the expected score where it was made.', v_report ->> 'python') end,
        hint = case when v_version.engine is not null then 'Publish the model again.' else 'Give the server the libraries that made the version (docs/operations.md), or publish again with the server''s.' end;
    end if;
  end loop;
  insert into modelpack.inspection (version_id, checked_by, sha256, onnxruntime, numpy, python, memory, load_milliseconds, row_microseconds, batch_rows)
  values (prove.version_id, prove.caller, v_version.sha256, v_report ->> 'onnxruntime', v_report ->> 'numpy', v_report ->> 'python',
          (v_report ->> 'memory')::bigint, (v_report ->> 'load_milliseconds')::double precision,
          (v_report ->> 'row_microseconds')::double precision, coalesce((v_report ->> 'batch_rows')::integer, 1));
end
$modelpack$;
comment on function modelpack.prove(integer, name) is
  'The gate before a version may score: reads its bytes (modelpack.inspect), tries it in a process of its own (modelpack.trial; a formula in this one, modelpack.try_formula), and refuses it unless each golden row gives the expected score on this server within the time budget of the model. What passed is recorded in modelpack.inspection; modelpack.load loads nothing else.';

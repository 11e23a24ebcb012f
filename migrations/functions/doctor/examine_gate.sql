create or replace function modelpack.examine_gate() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The smallest model there is: score = number, in ONNX.
declare
  v_onnx constant bytea := decode('080912003a4d0a190a066e756d626572120573636f726522084964656e746974791201675a160a066e756d626572120c0a0a080112060a000a02080162150a0573636f7265120c0a0a080112060a000a02080142040a001011', 'hex');
  v_found text;
  v_hint text;
begin
  perform modelpack.trial(v_onnx, '{"format": 1, "inputs": [{"name": "x", "type": "number", "missing": true}], "output": {"kind": "value"}}',
                          '{"rows": [[1]], "scores": [1]}');
exception when others then
  get stacked diagnostics v_found = message_text, v_hint = pg_exception_hint;
  return query select case when modelpack.needs_wheels() then 'fail' else 'warn' end, 'process that tries models', regexp_replace(v_found, '^plpy[.]Error: ', ''),
                      'the server''s interpreter loads and scores a small model in a process of its own: else nothing can be published or promoted but versions of the engine python',
                      coalesce(nullif(v_hint, ''), 'read the server''s log');
end
$modelpack$;
comment on function modelpack.examine_gate() is
  'The process that models are tried in before they are published or promoted. No row: it works.';

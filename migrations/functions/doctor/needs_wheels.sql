create or replace function modelpack.needs_wheels() returns boolean
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- where nothing is published yet, onnxruntime is what a server is expected to have
select count(*) = 0 or bool_or(e.engine = 'onnx')
  from modelpack.version_engine as e
 where not exists (select from modelpack.version as v join modelpack.retirement as r using (version_id) where v.model = e.model and v.version = e.version)
$modelpack$;
comment on function modelpack.needs_wheels() is
  'Whether versions that may score need numpy and onnxruntime on the server: all do but those of the engine python.';
revoke all on function modelpack.needs_wheels() from public;

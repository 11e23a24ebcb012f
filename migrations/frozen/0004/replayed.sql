create or replace function modelpack.replayed(rival modelpack.version, predictions modelpack.prediction[])
returns table (place bigint, prediction double precision)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select n.place, n.prediction
  from modelpack.score_fed(rival, modelpack.fed(rival, predictions)) as n
$modelpack$;
comment on function modelpack.replayed(modelpack.version, modelpack.prediction[]) is 'What a version gives for the inputs of rows of the log, by their places; NULL where it gives none.';
revoke all on function modelpack.replayed(modelpack.version, modelpack.prediction[]) from public;

create or replace function modelpack.score_rows(me modelpack.me, model text, version integer, rows jsonb)
returns table (place bigint, score double precision, reason text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version modelpack.version := modelpack.scorable(modelpack.caller(me), score_rows.model, score_rows.version);
begin
  if jsonb_typeof(score_rows.rows) is distinct from 'array' or jsonb_array_length(score_rows.rows) > 10000
     or pg_column_size(score_rows.rows) > 67108864 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the rows are %s, expected a JSON array of at most 10000 objects in 64 MB',
                       case when jsonb_typeof(score_rows.rows) = 'array'
                            then format('%s in %s bytes', jsonb_array_length(score_rows.rows), pg_column_size(score_rows.rows))
                            else coalesce(jsonb_typeof(score_rows.rows), 'NULL') end);
  end if;
  return query
  select n.place, n.score, coalesce(n.problem, n.failure)
    from modelpack.score_named(v_version.version_id, v_version.signature, score_rows.rows) as n;
end
$modelpack$;
comment on function modelpack.score_rows(modelpack.me, text, integer, jsonb) is 'modelpack.score_rows(model, version, rows) for who calls it.';
revoke all on function modelpack.score_rows(modelpack.me, text, integer, jsonb) from public;
create or replace function modelpack.score_rows(model text, version integer, rows jsonb) returns table (place bigint, score double precision, reason text)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.score_rows(m, score_rows.model, score_rows.version, score_rows.rows) as f
$modelpack$;
comment on function modelpack.score_rows(text, integer, jsonb) is
  'Scores an array of named inputs with one version; a row without a score has the reason.';
revoke all on function modelpack.score_rows(text, integer, jsonb) from public;
grant execute on function modelpack.score_rows(text, integer, jsonb), modelpack.score_rows(modelpack.me, text, integer, jsonb) to modelpack_reader, modelpack_publisher;

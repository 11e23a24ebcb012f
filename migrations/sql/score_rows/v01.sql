create or replace function modelpack.score_rows(me modelpack.me, model text, version integer, rows jsonb)
returns table (place bigint, score double precision, reason text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_detail text;
  v_row jsonb;
begin
  perform modelpack.find_version(score_rows.model, score_rows.version);
  if jsonb_typeof(score_rows.rows) is distinct from 'array' or jsonb_array_length(score_rows.rows) > 10000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the rows are %s, expected a JSON array of at most 10000 objects',
                       case when jsonb_typeof(score_rows.rows) = 'array' then format('%s', jsonb_array_length(score_rows.rows))
                            else coalesce(jsonb_typeof(score_rows.rows), 'NULL') end);
  end if;
  for place, v_row in select r.ordinality, r.value from jsonb_array_elements(score_rows.rows) with ordinality as r loop
    begin
      score := modelpack.predict(me, score_rows.model, v_row, score_rows.version);
      reason := null;
    exception when data_exception then
      get stacked diagnostics v_detail = pg_exception_detail;
      score := null;
      reason := concat_ws(': ', sqlerrm, nullif(v_detail, ''));
    end;
    return next;
  end loop;
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

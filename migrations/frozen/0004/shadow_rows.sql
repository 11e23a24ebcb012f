create or replace function modelpack.shadow_rows(me modelpack.me, model text, version integer, since timestamptz)
returns table (score text, scored_by integer, prediction double precision, shadow_prediction double precision)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  perform modelpack.check_grant(modelpack.caller(me), shadow_rows.model, 'compare versions of', 'predict');
  return query
  select d.score, d.version, d.prediction, d.shadow_prediction
    from modelpack.shadow as s join modelpack.shadow_score as d using (shadow_id)
   where s.model = shadow_rows.model and s.version = shadow_rows.version and d.scored_at >= coalesce(shadow_rows.since, '-infinity')
   order by d.prediction_id;
end
$modelpack$;
comment on function modelpack.shadow_rows(modelpack.me, text, integer, timestamptz) is 'modelpack.shadow_rows(model, version, since) for who calls it.';
revoke all on function modelpack.shadow_rows(modelpack.me, text, integer, timestamptz) from public;
create or replace function modelpack.shadow_rows(model text, version integer, since timestamptz default null)
returns table (score text, scored_by integer, prediction double precision, shadow_prediction double precision)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.shadow_rows(m, shadow_rows.model, shadow_rows.version, shadow_rows.since) as f
$modelpack$;
comment on function modelpack.shadow_rows(text, integer, timestamptz) is
  'Scores beside those of a shadow, for modelpack shadow show. No key is shown: modelpack.shadow_score has them.';
revoke all on function modelpack.shadow_rows(text, integer, timestamptz) from public;
grant execute on function modelpack.shadow_rows(text, integer, timestamptz), modelpack.shadow_rows(modelpack.me, text, integer, timestamptz) to modelpack_publisher;

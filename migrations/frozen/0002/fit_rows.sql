create or replace function modelpack.fit_rows(profile regclass, score text, since timestamptz default null)
returns table (version integer, cut_off timestamptz, entity bigint, prediction double precision, outcome double precision, status text, final boolean, segments jsonb)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_outcome constant jsonb := modelpack.get_outcome(profile, score);
begin
  return query
  select j.version, j.cut_off, dense_rank() over (order by hashtextextended(j.entity_key, 0)), j.prediction, j.outcome, j.status, j.ripe_at <= now(), j.segments
    from modelpack.judgement as j
   where j.profile = v_outcome ->> 'profile' and j.score = fit_rows.score and j.cut_off >= coalesce(fit_rows.since, '-infinity');
end
$modelpack$;
comment on function modelpack.fit_rows(regclass, text, timestamptz) is
  'What modelpack fit computes with: scores beside their outcomes. Entities are numbers, that rows of one can be told to belong together; no key is shown.';
revoke all on function modelpack.fit_rows(regclass, text, timestamptz) from public;
grant execute on function modelpack.fit_rows(regclass, text, timestamptz) to modelpack_publisher, modelpack_monitor;

create or replace function modelpack.explain(profile regclass, entity_key text, score text default null, seconds double precision default 10)
returns table (input text, value text, contribution double precision, standard_error double precision, prediction_id bigint, scored_at timestamptz,
               model text, version integer, prediction double precision, base double precision, method text, background_rows integer, library text)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select p.input, p.value, p.contribution, p.standard_error, l.prediction_id, l.scored_at,
       l.model, l.version, l.prediction, p.base, p.method, p.background_rows, p.library
  from modelpack.last_logged(explain.profile, explain.entity_key, explain.score) as l
 cross join lateral modelpack.parts(l, 409600, explain.seconds) as p
$modelpack$;
comment on function modelpack.explain(regclass, text, text, double precision) is
  'What made the newest logged score of a profile row: for each of its inputs as it was logged, by how much it moves the score from the mean of the version''s background rows (base); base and contributions add up to the score. score: which one, where the profile has several. seconds: how long it may take.';
revoke all on function modelpack.explain(regclass, text, text, double precision) from public;
create or replace function modelpack.explain(logged bigint, seconds double precision default 10)
returns table (input text, value text, contribution double precision, standard_error double precision, prediction_id bigint, scored_at timestamptz,
               model text, version integer, prediction double precision, base double precision, method text, background_rows integer, library text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_logged modelpack.prediction;
begin
  select * into v_logged from modelpack.prediction as l where l.prediction_id = explain.logged;
  if v_logged.prediction_id is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('the log has no row %s', coalesce(logged::text, 'NULL')),
      detail = format('It reaches back to %s.', coalesce((select min(l.scored_at)::text from modelpack.prediction as l), 'nothing')),
      hint = 'select prediction_id, scored_at from modelpack.history(PROFILE, KEY) lists the scores of a row.';
  end if;
  return query
  select p.input, p.value, p.contribution, p.standard_error, l.prediction_id, l.scored_at,
       l.model, l.version, l.prediction, p.base, p.method, p.background_rows, p.library
    from (select (v_logged).*) as l
   cross join lateral modelpack.parts(v_logged, 409600, explain.seconds) as p;
end
$modelpack$;
comment on function modelpack.explain(bigint, double precision) is
  'What made a score of the log, by its prediction_id, as modelpack.explain(profile, key) says of the newest one of a row.';
revoke all on function modelpack.explain(bigint, double precision) from public;
grant execute on function modelpack.explain(regclass, text, text, double precision), modelpack.explain(bigint, double precision) to modelpack_monitor;

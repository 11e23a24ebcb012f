create or replace function modelpack.rival_rows(me modelpack.me, profile regclass, score text, rival integer, since timestamptz)
returns table (version integer, cut_off timestamptz, entity bigint, prediction double precision, rival_prediction double precision, outcome double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_outcome constant jsonb := modelpack.get_outcome(profile, score);
begin
  return query
  select j.*
    from modelpack.judged_beside(v_outcome ->> 'profile', rival_rows.score,
                                 modelpack.scorable(modelpack.caller(me), v_outcome ->> 'model', rival), rival_rows.since) as j;
end
$modelpack$;
comment on function modelpack.rival_rows(modelpack.me, regclass, text, integer, timestamptz) is 'modelpack.rival_rows(profile, score, rival, since) for who calls it.';
revoke all on function modelpack.rival_rows(modelpack.me, regclass, text, integer, timestamptz) from public;
create or replace function modelpack.rival_rows(profile regclass, score text, rival integer, since timestamptz default null)
returns table (version integer, cut_off timestamptz, entity bigint, prediction double precision, rival_prediction double precision, outcome double precision)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.rival_rows(m, rival_rows.profile, rival_rows.score, rival_rows.rival, rival_rows.since) as f
$modelpack$;
comment on function modelpack.rival_rows(regclass, text, integer, timestamptz) is
  'Settled scores of cohorts beside what another version gives for the same inputs, which the log holds: what modelpack fit --against compares. rival_prediction is NULL where it gives none. Rows whose log is gone, or whose inputs the version cannot be fed from, are left out.';
revoke all on function modelpack.rival_rows(regclass, text, integer, timestamptz) from public;
grant execute on function modelpack.rival_rows(regclass, text, integer, timestamptz), modelpack.rival_rows(modelpack.me, regclass, text, integer, timestamptz) to modelpack_publisher;

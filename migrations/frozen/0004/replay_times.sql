create or replace function modelpack.replay_times(me modelpack.me, profile regclass, score text, rival integer, since timestamptz)
returns table (version integer, rows bigint, median double precision, p99 double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_model constant text := modelpack.model_of(v_profile, replay_times.score);
  v_rival constant modelpack.version := modelpack.scorable(modelpack.caller(me), v_model, rival);
  v_scorers constant integer[] := modelpack.replayable(v_rival);
  v_sample modelpack.prediction[];
  v_scorer modelpack.version;
  v_times double precision[];
begin
  select array_agg(l) into v_sample
    from (select l
            from modelpack.prediction as l
           where l.profile = v_profile.name and l.score = replay_times.score and l.model = v_model and l.version <> v_rival.version
             and l.scored_at >= coalesce(replay_times.since, '-infinity') and l.version = any (v_scorers)
           order by l.prediction_id desc
           limit 200) as x;
  for v_scorer in
    select v.* from modelpack.version as v
     where v.model = v_model and (v.version = v_rival.version or v.version = (select l.version from unnest(v_sample) as l limit 1))
     order by v.version
  loop
    -- the rival has all rows; the other one its own, which the log holds in full
    v_times := modelpack.timed(v_scorer, modelpack.fed(v_scorer, array(
      select l::modelpack.prediction from unnest(v_sample) as l where v_scorer.version = v_rival.version or l.version = v_scorer.version)));
    version := v_scorer.version;
    rows := cardinality(v_times);
    median := (select percentile_cont(0.5) within group (order by t) from unnest(v_times) as t);
    p99 := (select percentile_cont(0.99) within group (order by t) from unnest(v_times) as t);
    return next;
  end loop;
end
$modelpack$;
comment on function modelpack.replay_times(modelpack.me, regclass, text, integer, timestamptz) is 'modelpack.replay_times(profile, score, rival, since) for who calls it.';
revoke all on function modelpack.replay_times(modelpack.me, regclass, text, integer, timestamptz) from public;
create or replace function modelpack.replay_times(profile regclass, score text, rival integer, since timestamptz default null)
returns table (version integer, rows bigint, median double precision, p99 double precision)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.replay_times(m, replay_times.profile, replay_times.score, replay_times.rival, replay_times.since) as f
$modelpack$;
comment on function modelpack.replay_times(regclass, text, integer, timestamptz) is
  'How many microseconds a version takes for a row, one at a time, beside the version that scored, on the last 200 rows of the log that both can be fed from.';
revoke all on function modelpack.replay_times(regclass, text, integer, timestamptz) from public;
grant execute on function modelpack.replay_times(regclass, text, integer, timestamptz), modelpack.replay_times(modelpack.me, regclass, text, integer, timestamptz) to modelpack_publisher;

create or replace function modelpack.replay_rows(me modelpack.me, profile regclass, score text, rival integer, since timestamptz, until timestamptz)
returns table (version integer, scored_at timestamptz, prediction double precision, rival_prediction double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_model constant text := modelpack.model_of(v_profile, replay_rows.score);
  v_rival constant modelpack.version := modelpack.scorable(modelpack.caller(me), v_model, rival);
  v_scorers constant integer[] := modelpack.replayable(v_rival);
  v_part record;
begin
  -- by the thousand, since a model takes many at once
  for v_part in
    select array_agg(x.l order by x.place) as predictions
      from (select l, row_number() over (order by l.prediction_id) as place
              from modelpack.prediction as l
             where l.profile = v_profile.name and l.score = replay_rows.score and l.model = v_model
               and l.scored_at >= coalesce(replay_rows.since, '-infinity') and l.scored_at < coalesce(replay_rows.until, 'infinity')
               and l.version = any (v_scorers) and (l.inputs <> '{}' or l.text_inputs is not null)) as x
     group by (x.place - 1) / 1000
  loop
    return query
    select l.version, l.scored_at, l.prediction, r.prediction
      from unnest(v_part.predictions) with ordinality as l
      join modelpack.replayed(v_rival, v_part.predictions) as r on r.place = l.ordinality;
  end loop;
end
$modelpack$;
comment on function modelpack.replay_rows(modelpack.me, regclass, text, integer, timestamptz, timestamptz) is 'modelpack.replay_rows(profile, score, rival, since, until) for who calls it.';
revoke all on function modelpack.replay_rows(modelpack.me, regclass, text, integer, timestamptz, timestamptz) from public;
create or replace function modelpack.replay_rows(profile regclass, score text, rival integer, since timestamptz default null, until timestamptz default null)
returns table (version integer, scored_at timestamptz, prediction double precision, rival_prediction double precision)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m
 cross join lateral modelpack.replay_rows(m, replay_rows.profile, replay_rows.score, replay_rows.rival, replay_rows.since, replay_rows.until) as f
$modelpack$;
comment on function modelpack.replay_rows(regclass, text, integer, timestamptz, timestamptz) is
  'Scores of the log beside what another version gives for the same inputs, for modelpack replay. Rows that it cannot be fed from, or whose inputs were erased, are left out; rival_prediction is NULL where it gives none.';
revoke all on function modelpack.replay_rows(regclass, text, integer, timestamptz, timestamptz) from public;
grant execute on function modelpack.replay_rows(regclass, text, integer, timestamptz, timestamptz),
      modelpack.replay_rows(modelpack.me, regclass, text, integer, timestamptz, timestamptz) to modelpack_publisher;

create or replace function modelpack.judged_beside(profile text, score text, rival modelpack.version, since timestamptz)
returns table (version integer, cut_off timestamptz, entity bigint, prediction double precision, rival_prediction double precision, outcome double precision)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $modelpack$
-- enable_nestloop: off, since cohorts may have been written a moment ago, and nobody has counted their rows yet. jit: off, since what is
-- forbidden costs so much that all that is called below would be compiled, for seconds.
#variable_conflict use_column
declare
  v_model constant text := (rival).model;
  v_scorers constant integer[] := modelpack.replayable(judged_beside.rival);
  v_part record;
begin
  for v_part in
    with judged as materialized (
      select j.*, dense_rank() over (order by hashtextextended(j.entity_key, 0)) as entity
        from modelpack.judgement as j
       where j.model = v_model and j.version = any (v_scorers) and j.profile = judged_beside.profile and j.score = judged_beside.score and j.status = 'settled' and j.ripe_at <= now()
         and j.cut_off >= coalesce(judged_beside.since, '-infinity')
    ), logged as (
      -- joined, not looked up row by row: where the log is written to it has no index by customer yet
      select distinct on (j.cut_off, j.entity_key) j.version, j.cut_off, j.entity, j.prediction, j.outcome, l as row
        from judged as j
        join modelpack.prediction as l
          on (l.profile, l.score, l.model, l.entity_key, l.version, l.scored_at, l.prediction)
             = (j.profile, j.score, j.model, j.entity_key, j.version, j.scored_at, j.prediction)
       where l.scored_at between (select min(o.scored_at) from judged as o) and (select max(o.scored_at) from judged as o)
         -- not what was erased
         and (l.inputs <> '{}' or l.text_inputs is not null)
       order by j.cut_off, j.entity_key, l.prediction_id desc
    ), placed as (
      select g.*, row_number() over () as place from logged as g
    )
    -- by the thousand: each row becomes JSON, and a model takes many at once
    select array_agg(p.row order by p.place) as rows, array_agg(p.version order by p.place) as versions, array_agg(p.cut_off order by p.place) as cut_offs,
           array_agg(p.entity order by p.place) as entities, array_agg(p.prediction order by p.place) as predictions, array_agg(p.outcome order by p.place) as outcomes
      from placed as p
     group by (p.place - 1) / 1000
  loop
    return query
    select v_part.versions[n.place], v_part.cut_offs[n.place], v_part.entities[n.place], v_part.predictions[n.place], n.prediction, v_part.outcomes[n.place]
      from modelpack.replayed(judged_beside.rival, v_part.rows) as n;
  end loop;
end
$modelpack$;
comment on function modelpack.judged_beside(text, text, modelpack.version, timestamptz) is
  'Settled scores of cohorts beside what another version gives for the same inputs, which the log holds; rival_prediction is NULL where it gives none.';
revoke all on function modelpack.judged_beside(text, text, modelpack.version, timestamptz) from public;

create or replace function modelpack.rival_rows(me modelpack.me, profile regclass, score text, rival integer, since timestamptz)
returns table (version integer, cut_off timestamptz, entity bigint, prediction double precision, rival_prediction double precision, outcome double precision)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $modelpack$
-- enable_nestloop: off, since cohorts may have been written a moment ago, and nobody has counted their rows yet.
#variable_conflict use_column
declare
  v_outcome constant jsonb := modelpack.get_outcome(profile, score);
  v_rival constant modelpack.version := modelpack.scorable(modelpack.caller(me), v_outcome ->> 'model', rival);
  v_part record;
begin
  for v_part in
    with judged as materialized (
      select j.*, dense_rank() over (order by hashtextextended(j.entity_key, 0)) as entity
        from modelpack.judgement as j
       where j.profile = v_outcome ->> 'profile' and j.score = rival_rows.score and j.status = 'settled' and j.ripe_at <= now()
         and j.cut_off >= coalesce(rival_rows.since, '-infinity')
    ), logged as (
      -- joined, not looked up row by row: where the log is written to it has no index by customer yet
      select distinct on (j.cut_off, j.entity_key) j.version, j.cut_off, j.entity, j.prediction, j.outcome, j.model, l.inputs, l.text_inputs
        from judged as j
        join modelpack.prediction as l
          on (l.profile, l.score, l.model, l.entity_key, l.version, l.scored_at, l.prediction)
             = (j.profile, j.score, j.model, j.entity_key, j.version, j.scored_at, j.prediction)
       where l.scored_at between (select min(o.scored_at) from judged as o) and (select max(o.scored_at) from judged as o)
       order by j.cut_off, j.entity_key, l.prediction_id desc
    ), taken as (
      select v.model, v.version, s.value ->> 'name' as name, s.value ->> 'type' as type,
             row_number() over (partition by v.model, v.version, s.value ->> 'type' order by s.ordinality) as place
        from modelpack.version as v cross join jsonb_array_elements(v.signature -> 'inputs') with ordinality as s
    ), given as (
      select r.version, r.cut_off, r.entity, r.prediction, r.outcome, i.named, row_number() over () as place
        from logged as r
       cross join lateral (
               select jsonb_object_agg(n.name, case n.type when 'number' then to_jsonb(r.inputs[n.place]) else to_jsonb(r.text_inputs[n.place]) end) as named
                 from taken as n where n.model = r.model and n.version = r.version) as i
    )
    -- by the thousand: each row becomes JSON, and a model takes many at once
    select jsonb_agg(g.named order by g.place) as inputs, array_agg(g.version order by g.place) as versions, array_agg(g.cut_off order by g.place) as cut_offs,
           array_agg(g.entity order by g.place) as entities, array_agg(g.prediction order by g.place) as predictions, array_agg(g.outcome order by g.place) as outcomes
      from given as g
     group by (g.place - 1) / 1000
  loop
    return query
    select v_part.versions[n.place], v_part.cut_offs[n.place], v_part.entities[n.place], v_part.predictions[n.place], n.score, v_part.outcomes[n.place]
      from modelpack.score_named(v_rival.version_id, v_rival.signature, v_part.inputs, strict => false) as n
     where n.score is not null;
  end loop;
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
  'Settled scores of cohorts beside what another version gives for the same inputs, which the log holds: what modelpack fit --against compares. Rows whose log is gone, or whose inputs the version cannot be fed from, are left out.';
revoke all on function modelpack.rival_rows(regclass, text, integer, timestamptz) from public;
grant execute on function modelpack.rival_rows(regclass, text, integer, timestamptz), modelpack.rival_rows(modelpack.me, regclass, text, integer, timestamptz) to modelpack_publisher;

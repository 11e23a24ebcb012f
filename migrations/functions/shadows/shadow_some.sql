create or replace function modelpack.shadow_some(shadow_id integer, batch integer, slack interval) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- One transaction of modelpack.score_shadows. Rows of the log are seen at the commit of who wrote them, so what is missing is
-- looked for in all that lies no longer back than the slack before the last row that was scored.
#variable_conflict use_column
declare
  v_shadow modelpack.shadow;
  v_version modelpack.version;
  v_predictions modelpack.prediction[];
begin
  select * into v_shadow from modelpack.shadow as s where s.shadow_id = shadow_some.shadow_id for update skip locked;
  if v_shadow.shadow_id is null then
    return 0;  -- another session scores it
  end if;
  select * into v_version from modelpack.version as v where v.model = v_shadow.model and v.version = v_shadow.version;
  select array_agg(x.l order by (x.l).prediction_id) into v_predictions
    from (select l
            from modelpack.prediction as l
           where l.model = v_shadow.model and l.version <> v_shadow.version
             and l.scored_at >= greatest(v_shadow.started_at, (select max(d.scored_at) from modelpack.shadow_score as d where d.shadow_id = v_shadow.shadow_id) - slack)
             and l.scored_at < coalesce(v_shadow.ended_at, 'infinity')
             and abs(hashtextextended(l.entity_key, 0) % 10000) < v_shadow.share
             and not exists (select from modelpack.shadow_score as d where d.shadow_id = v_shadow.shadow_id and d.prediction_id = l.prediction_id)
           order by l.scored_at
           limit batch) as x;
  if v_predictions is null then
    return 0;
  end if;
  insert into modelpack.shadow_score (shadow_id, prediction_id, scored_at, profile, score, entity_key, version, prediction, shadow_prediction)
  select v_shadow.shadow_id, l.prediction_id, l.scored_at, l.profile, l.score, l.entity_key, l.version, l.prediction, r.prediction
    from unnest(v_predictions) with ordinality as l
    left join modelpack.replayed(v_version, v_predictions) as r on r.place = l.ordinality;
  return cardinality(v_predictions);
end
$modelpack$;
comment on function modelpack.shadow_some(integer, integer, interval) is 'One transaction of modelpack.score_shadows: how many rows of the log a shadow has scored.';
revoke all on function modelpack.shadow_some(integer, integer, interval) from public;
grant execute on function modelpack.shadow_some(integer, integer, interval) to modelpack_publisher;

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
  v_inputs modelpack.shadow_input[];
  v_fed bigint[];
  v_others modelpack.prediction[];
  v_rest bigint[];
  v_over boolean;
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
    -- all is scored that can be: what is left is of rows that the log does not have, or of transactions that are open
    v_over := v_shadow.ended_at < now() - greatest(slack, '1 day');
    delete from modelpack.shadow_input as i
     where i.shadow_id = v_shadow.shadow_id and (v_over or i.scored_at < now() - greatest(slack, '1 day'));
    update modelpack.shadow as s
       set input_limit = case when v_over is not true then modelpack.room_for(s) end
     where s.shadow_id = v_shadow.shadow_id and s.input_limit is not null;
    return 0;
  end if;
  -- by what its event has written for it, or else by what the log holds
  select coalesce(array_agg(i.i order by l.ordinality) filter (where i.found), '{}'),
         coalesce(array_agg(l.ordinality order by l.ordinality) filter (where i.found), '{}')
    into v_inputs, v_fed
    from unnest(v_predictions) with ordinality as l
    left join lateral (
           select i, true as found from modelpack.shadow_input as i
            where v_shadow.input_limit is not null and i.shadow_id = v_shadow.shadow_id and i.scored_at = l.scored_at
              and i.entity_key = l.entity_key and i.profile = l.profile and i.score = l.score and i.version = l.version
            limit 1) as i on true;
  select coalesce(array_agg(v_predictions[l.place] order by l.place), '{}'), coalesce(array_agg(l.place order by l.place), '{}')
    into v_others, v_rest
    from generate_series(1, cardinality(v_predictions)) as l (place)
   where l.place <> all (v_fed);
  insert into modelpack.shadow_score (shadow_id, prediction_id, scored_at, profile, score, entity_key, version, prediction, shadow_prediction)
  select v_shadow.shadow_id, l.prediction_id, l.scored_at, l.profile, l.score, l.entity_key, l.version, l.prediction, r.prediction
    from unnest(v_predictions) with ordinality as l
    left join (select v_fed[n.place] as place, n.prediction from modelpack.score_inputs(v_version, v_inputs) as n
                union all
               select v_rest[n.place], n.prediction from modelpack.replayed(v_version, v_others) as n) as r on r.place = l.ordinality;
  delete from modelpack.shadow_input as i
   using unnest(v_inputs) as u
   where i.shadow_id = u.shadow_id and i.scored_at = u.scored_at and i.entity_key = u.entity_key and i.profile = u.profile and i.score = u.score;
  update modelpack.shadow as s set input_limit = modelpack.room_for(s) where s.shadow_id = v_shadow.shadow_id and s.input_limit is not null;
  return cardinality(v_predictions);
end
$modelpack$;
comment on function modelpack.shadow_some(integer, integer, interval) is 'One transaction of modelpack.score_shadows: how many rows of the log a shadow has scored.';
revoke all on function modelpack.shadow_some(integer, integer, interval) from public;
grant execute on function modelpack.shadow_some(integer, integer, interval) to modelpack_publisher;

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
  v_fed modelpack.scored[];
  v_used bigint[];
  v_over boolean;
begin
  if coalesce(batch < 1 or batch > 100000 or slack < interval '0', true) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the batch is %s and the slack %s, expected 1 to 100000 rows, and a time of 0 or more', coalesce(batch::text, 'NULL'), coalesce(slack::text, 'NULL')),
      hint = 'call modelpack.score_shadows(batch => 1000, slack => ''1 hour'');';
  end if;
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
             -- not what was erased
             and (l.inputs <> '{}' or l.text_inputs is not null)
             and abs(hashtextextended(l.entity_key, 0) % 10000) < v_shadow.share
             and not exists (select from modelpack.shadow_score as d where d.shadow_id = v_shadow.shadow_id and d.prediction_id = l.prediction_id)
           order by l.scored_at, l.prediction_id
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
  -- by what its event has written for it, or else by what the log holds; of two scores of one entity at one moment nothing says which is whose
  select coalesce(array_agg(i.input_id) filter (where i.input_id is not null), '{}'),
         array_agg(row(l.entity_key, l.prediction, coalesce(i.inputs, h.inputs), case when i.input_id is null then h.text_inputs else i.text_inputs end)::modelpack.scored
                   order by l.ordinality)
    into v_used, v_fed
    from (select p.*, count(*) over (partition by p.scored_at, p.entity_key, p.profile, p.score, p.version) as alike
            from unnest(v_predictions) with ordinality as p) as l
    join unnest(modelpack.fed(v_version, v_predictions)) with ordinality as h using (ordinality)
    left join lateral (
           select w.input_id, w.inputs, w.text_inputs, count(*) over () as alike from modelpack.shadow_input as w
            where v_shadow.input_limit is not null and l.alike = 1 and w.shadow_id = v_shadow.shadow_id and w.scored_at = l.scored_at
              and w.entity_key = l.entity_key and w.profile = l.profile and w.score = l.score and w.version = l.version) as i on i.alike = 1;
  insert into modelpack.shadow_score (shadow_id, prediction_id, scored_at, profile, score, entity_key, version, prediction, shadow_prediction)
  select v_shadow.shadow_id, l.prediction_id, l.scored_at, l.profile, l.score, l.entity_key, l.version, l.prediction, r.prediction
    from unnest(v_predictions) with ordinality as l
    left join modelpack.score_fed(v_version, v_fed) as r on r.place = l.ordinality;
  delete from modelpack.shadow_input as i
   using unnest(v_predictions) as l
   where i.shadow_id = v_shadow.shadow_id and i.scored_at = l.scored_at and i.input_id = any (v_used);
  update modelpack.shadow as s set input_limit = modelpack.room_for(s) where s.shadow_id = v_shadow.shadow_id and s.input_limit is not null;
  return cardinality(v_predictions);
end
$modelpack$;
comment on function modelpack.shadow_some(integer, integer, interval) is 'One transaction of modelpack.score_shadows: how many rows of the log a shadow has scored.';
revoke all on function modelpack.shadow_some(integer, integer, interval) from public;
grant execute on function modelpack.shadow_some(integer, integer, interval) to modelpack_publisher;

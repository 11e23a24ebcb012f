create or replace function modelpack.judge_requirement(model text, version integer, champion integer, requirement text)
returns table (profile text, score text, condition text, met boolean, words text, figures jsonb)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version modelpack.version;
  v_since timestamptz;
  v_score record;
  v_condition record;
  v_rows record;
  v_low double precision;
  v_high double precision;
begin
  perform from modelpack.read_requirement(requirement);  -- says what is wrong before anything is computed
  select * into v_version from modelpack.version as v where v.model = judge_requirement.model and v.version = judge_requirement.version;
  v_since := modelpack.known_until(model, version);
  if v_since is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('nothing says until when version %s of %s was trained, and on its training data it would look better than it is', version, model),
      hint = format('Publish it with its training data, which training_set dates, or say when they ended: select modelpack.set_tag(%L, %s, ''trained_until'', ''2026-01-31'');', model, version);
  end if;
  for v_score in
    select p.name as profile, s.score, d.value -> 'outcome' ->> 'kind' as kind
      from modelpack.score as s
      join modelpack.profile as p using (profile_id)
     cross join jsonb_array_elements(p.declaration -> 'scores') as d
     where s.model = judge_requirement.model and d.value ->> 'name' = s.score and d.value ? 'outcome'
     order by p.name, s.position
  loop
    select array_agg(j.prediction) filter (where j.scored) as first, array_agg(j.rival_prediction) filter (where j.scored) as second,
           array_agg(j.outcome) filter (where j.scored) as outcomes, array_agg(j.entity) filter (where j.scored) as entities,
           count(*) as rows, count(*) filter (where j.scored) as scored
      into v_rows
      from (select b.*, b.rival_prediction is not null as scored
              from modelpack.judged_beside(v_score.profile, v_score.score, v_version, v_since) as b
             where b.version = judge_requirement.champion) as j;
    for v_condition in select * from modelpack.read_requirement(requirement) loop
      profile := v_score.profile;
      score := v_score.score;
      condition := v_condition.condition;
      figures := case when v_rows.scored > 0 and (v_score.kind = 'number') = (v_condition.figure = 'MAE')
                      then modelpack.compare_versions(v_condition.figure, v_rows.first, v_rows.second, v_rows.outcomes, v_rows.entities, v_condition.confidence) end
                 || jsonb_build_object('since', v_since, 'champion', champion, 'confidence', v_condition.confidence, 'bound', v_condition.bound,
                                       'unscored', v_rows.rows - v_rows.scored);
      v_low := (figures ->> case when v_condition.against_champion then 'low' else 'second_low' end)::double precision;
      v_high := (figures ->> case when v_condition.against_champion then 'high' else 'second_high' end)::double precision;
      -- who leaves out what he would get wrong looks better than he is
      met := v_rows.scored = v_rows.rows and coalesce(case when v_condition.side = 'above' and v_condition.strictly then v_low > v_condition.bound
                           when v_condition.side = 'above' then v_low >= v_condition.bound
                           when v_condition.strictly then v_high < v_condition.bound
                           else v_high <= v_condition.bound end, false);
      words := format('%s of %s: ', score, profile) || case
        when v_rows.rows = 0 then format('no settled score of version %s since %s, the end of the training data, whose inputs the log holds and version %s takes', champion, v_since, version)
        when (v_score.kind = 'number') <> (v_condition.figure = 'MAE') then format('its outcome is %s, which has no %s', case v_score.kind when 'number' then 'a number' else '0 or 1' end, v_condition.figure)
        when v_rows.scored = 0 then format('version %s gives no score for any of %s rows that version %s scored', version, v_rows.rows, champion)
        when figures is null then format('%s rows have no %s: their outcomes are all the same, or scores are no probabilities', v_rows.rows, v_condition.figure)
        else format('%s %s of version %s against %s of version %s, difference %s, %s',
                    v_condition.figure, round((figures ->> 'second')::numeric, 4), version, round((figures ->> 'first')::numeric, 4), champion,
                    to_char((figures ->> 'difference')::numeric, 'FMSG999999999990.0000'),
                    case when figures ->> 'too_few' is not null then 'too few rows for an interval: ' || (figures ->> 'too_few')
                         when v_low is null then 'which do not vary, so that there is no interval'
                         else format('%s%% interval of the %s %s to %s', (v_condition.confidence * 100)::numeric(7, 4)::double precision,
                                     case when v_condition.against_champion then 'difference' else 'figure' end,
                                     to_char(v_low, 'FMSG999999999990.0000'), to_char(v_high, 'FMSG999999999990.0000')) end)
             || format(', on %s rows of %s entities since %s; expected it to lie %s %s', figures ->> 'rows', figures ->> 'entities', v_since, v_condition.side,
                       to_char(v_condition.bound, 'FMSG999999990.0099999999'))
             || case when v_rows.scored < v_rows.rows
                     then format('. But version %s gives no score for %s of %s rows that version %s scored, and a version that leaves rows out is held against none',
                                 version, v_rows.rows - v_rows.scored, v_rows.rows, champion) else '' end
        end;
      return next;
    end loop;
  end loop;
  if profile is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('no score by the model %s declares an outcome, so nothing shows how right a version is', model),
      hint = 'Declare one: Score(..., outcome=Outcome(...)), and run modelpack apply.';
  end if;
end
$modelpack$;
comment on function modelpack.judge_requirement(text, integer, integer, text) is
  'Holds a version against the champion on settled scores that the champion gave after the training data of the version ended: for each score and condition whether it is met, in words, and the figures.';
revoke all on function modelpack.judge_requirement(text, integer, integer, text) from public;

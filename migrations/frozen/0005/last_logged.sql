create or replace function modelpack.last_logged(profile regclass, entity_key text, score text) returns modelpack.prediction
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_scores constant text[] := array(select s.score from modelpack.score as s where s.profile_id = v_profile.profile_id order by s.position);
  v_score constant text := coalesce(last_logged.score, case cardinality(v_scores) when 1 then v_scores[1] end);
  v_logged modelpack.prediction;
begin
  if v_score is null or v_score <> all (v_scores) then
    raise exception using
      errcode = 'undefined_object',
      message = case when last_logged.score is null then format('%s has %s scores, and none is named', v_profile.name, cardinality(v_scores))
                     else format('%s has no score %s', v_profile.name, modelpack.shown(last_logged.score, 63)) end,
      detail = format('It has: %s.', coalesce(nullif(array_to_string(v_scores, ', '), ''), 'none')),
      hint = 'Name one: modelpack.explain(PROFILE, KEY, SCORE).';
  end if;
  select h.* into v_logged from modelpack.history(profile, last_logged.entity_key) as h where h.score = v_score order by h.prediction_id desc limit 1;
  if v_logged.prediction_id is null then
    raise exception using
      errcode = 'no_data_found',
      message = format('the log has no score %s of the row %s of %s', v_score, coalesce(modelpack.shown(last_logged.entity_key, 63), 'NULL'), v_profile.name),
      detail = 'A row that was never scored, or whose scores are older than the log, cannot be explained; what a model gives no score for is not logged.',
      hint = format('Whether and why the row has none, %I_stale says; call modelpack.rescore(%L) scores it.', v_score, v_profile.name);
  end if;
  return v_logged;
end
$modelpack$;
comment on function modelpack.last_logged(regclass, text, text) is 'The newest row of the log for a score (NULL: the only one) of a profile row; an error where there is none.';
revoke all on function modelpack.last_logged(regclass, text, text) from public;
grant execute on function modelpack.last_logged(regclass, text, text) to modelpack_monitor;

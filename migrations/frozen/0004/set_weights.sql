create or replace function modelpack.set_weights(me modelpack.me, experiment text, weights jsonb, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'set_weights');
  v_experiment constant modelpack.experiment := modelpack.get_experiment(experiment);
  v_profile modelpack.profile;
  v_weights jsonb;
begin
  perform modelpack.check_grant(v_caller, v_experiment.model, 'change an experiment with');
  perform modelpack.check_text('the reason', reason);
  v_weights := modelpack.check_weights(experiment, array(select a.arm from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id order by a.position), weights);
  v_profile := modelpack.hold_profile(to_regclass(v_experiment.profile));
  if not exists (select from modelpack.score as s where s.profile_id = v_profile.profile_id and s.score = v_experiment.score and s.choice is not null) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the experiment %s gives no arms any more', v_experiment.experiment),
      detail = format('Since it began, the score %s was taken off %s, or was given another model.', v_experiment.score, v_experiment.profile),
      hint = format('End it: select modelpack.stop_experiment(%L)', v_experiment.experiment);
  end if;
  insert into modelpack.weighting (experiment_id, weights, set_by, reason) values (v_experiment.experiment_id, v_weights, v_caller, reason);
  perform modelpack.arrange(v_profile.profile_id, v_experiment.score);
end
$modelpack$;
comment on function modelpack.set_weights(modelpack.me, text, jsonb, text) is 'modelpack.set_weights(experiment, weights, reason) for who calls it.';
revoke all on function modelpack.set_weights(modelpack.me, text, jsonb, text) from public;
create or replace function modelpack.set_weights(experiment text, weights jsonb, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_weights(m, set_weights.experiment, set_weights.weights, set_weights.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_weights(text, jsonb, text) is
  'Changes with which probability entities are given the arms of an experiment, from this commit on; who has an arm keeps it. weights: {"champion": 50, "challenger": 50}.';
revoke all on function modelpack.set_weights(text, jsonb, text) from public;
grant execute on function modelpack.set_weights(text, jsonb, text), modelpack.set_weights(modelpack.me, text, jsonb, text) to modelpack_publisher;

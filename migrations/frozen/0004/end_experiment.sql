create or replace function modelpack.end_experiment(experiment modelpack.experiment, caller name, reason text, winner text default null) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.hold_profile(to_regclass(experiment.profile));
begin
  update modelpack.experiment as e
     set ended_at = clock_timestamp(), ended_by = end_experiment.caller, ended_why = end_experiment.reason, winner = end_experiment.winner
   where e.experiment_id = experiment.experiment_id;
  if exists (select from modelpack.score as s where s.profile_id = v_profile.profile_id and s.score = experiment.score) then
    update modelpack.score as s set choice = null, versions = '{}' where s.profile_id = v_profile.profile_id and s.score = experiment.score;
    perform modelpack.do_soon(format('select modelpack.arm_table(%s, %L)', v_profile.profile_id, experiment.score), format('the table %s', v_profile.relation),
                              'pg_class', v_profile.relation, array[v_profile.relation]);
    perform modelpack.bind(v_profile.relation);
  end if;
end
$modelpack$;
comment on function modelpack.end_experiment(modelpack.experiment, name, text, text) is 'Ends an experiment: the champion scores all rows from the commit on. Assignments, log and arms stay.';
revoke all on function modelpack.end_experiment(modelpack.experiment, name, text, text) from public;

create or replace function modelpack.conclude_experiment(me modelpack.me, experiment text, winner text, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'conclude_experiment');
  v_experiment constant modelpack.experiment := modelpack.get_experiment(conclude_experiment.experiment);
  v_version constant integer := (select a.version from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id and a.arm = conclude_experiment.winner);
begin
  perform modelpack.check_grant(v_caller, v_experiment.model, 'conclude an experiment with');
  perform modelpack.take_turn(v_experiment.model);
  perform modelpack.check_text('the reason', reason);
  if v_version is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('the experiment %s has no arm %s', v_experiment.experiment, modelpack.shown(winner, 63)),
      detail = format('It has: %s.', (select string_agg(a.arm, ', ' order by a.position) from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id)),
      hint = 'Name one of these, or end it without a winner: modelpack.stop_experiment.';
  end if;
  perform modelpack.check_not_retired(v_experiment.model, v_version);
  perform modelpack.end_experiment(v_experiment, v_caller, coalesce(nullif(reason, ''), format('concluded: %s won', winner)), winner);
  if not exists (select from modelpack.alias as a where a.model = v_experiment.model and a.alias = 'champion' and a.version = v_version) then
    if (select m.requires_approval from modelpack.model as m where m.model = v_experiment.model)
       and not exists (select from modelpack.approval as p where p.version_id = modelpack.get_version(v_experiment.model, v_version)) then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s version %s is not approved', v_experiment.model, v_version),
        hint = format('As a member of modelpack_approver: select modelpack.approve(%L, %s).', v_experiment.model, v_version);
    end if;
    perform modelpack.set_champion(v_caller, v_experiment.model, v_version, 'promote', coalesce(nullif(reason, ''), format('won the experiment %s', v_experiment.experiment)));
  end if;
end
$modelpack$;
comment on function modelpack.conclude_experiment(modelpack.me, text, text, text) is 'modelpack.conclude_experiment(experiment, winner, reason) for who calls it.';
revoke all on function modelpack.conclude_experiment(modelpack.me, text, text, text) from public;
create or replace function modelpack.conclude_experiment(experiment text, winner text, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.conclude_experiment(m, conclude_experiment.experiment, conclude_experiment.winner, conclude_experiment.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.conclude_experiment(text, text, text) is
  'Ends an experiment and promotes the version of the arm that won, in one transaction.';
revoke all on function modelpack.conclude_experiment(text, text, text) from public;
grant execute on function modelpack.conclude_experiment(text, text, text), modelpack.conclude_experiment(modelpack.me, text, text, text) to modelpack_publisher;

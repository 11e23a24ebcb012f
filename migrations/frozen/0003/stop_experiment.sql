create or replace function modelpack.stop_experiment(me modelpack.me, experiment text, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_caller constant name := modelpack.caller(me, 'stop_experiment');
  v_experiment constant modelpack.experiment := modelpack.get_experiment(stop_experiment.experiment);
begin
  perform modelpack.check_grant(v_caller, v_experiment.model, 'stop an experiment with');
  perform modelpack.check_text('the reason', reason);
  perform modelpack.end_experiment(v_experiment, v_caller, coalesce(nullif(reason, ''), 'stopped'));
end
$modelpack$;
comment on function modelpack.stop_experiment(modelpack.me, text, text) is 'modelpack.stop_experiment(experiment, reason) for who calls it.';
revoke all on function modelpack.stop_experiment(modelpack.me, text, text) from public;
create or replace function modelpack.stop_experiment(experiment text, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.stop_experiment(m, stop_experiment.experiment, stop_experiment.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.stop_experiment(text, text) is
  'Ends an experiment without a winner: the champion scores all rows from the commit on, as they come by.';
revoke all on function modelpack.stop_experiment(text, text) from public;
grant execute on function modelpack.stop_experiment(text, text), modelpack.stop_experiment(modelpack.me, text, text) to modelpack_publisher;

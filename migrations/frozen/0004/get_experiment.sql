create or replace function modelpack.get_experiment(experiment text, running boolean default true) returns modelpack.experiment
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_found modelpack.experiment;
begin
  -- not for update: an event that gives an arm holds the key of the experiment's row, and neither may wait for the other
  select * into v_found from modelpack.experiment as e where e.experiment = get_experiment.experiment for no key update;
  if v_found.experiment_id is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no experiment %s', modelpack.shown(get_experiment.experiment, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(e.experiment, ', ' order by e.experiment) from modelpack.experiment as e), 'none')),
      hint = 'select * from modelpack.experiments';
  end if;
  if running and v_found.ended_at is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the experiment %s ended at %s', v_found.experiment, v_found.ended_at),
      detail = format('Why: %s.', v_found.ended_why),
      hint = 'Begin another one, under another name.';
  end if;
  return v_found;
end
$modelpack$;
comment on function modelpack.get_experiment(text, boolean) is 'An experiment by its name, held for this transaction; running: refuses one that has ended.';
revoke all on function modelpack.get_experiment(text, boolean) from public;

create or replace function modelpack.expose(experiment text, entity_key text, what text default '', at timestamptz default clock_timestamp()) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_assigned constant timestamptz := (select s.assigned_at from modelpack.assignment as s join modelpack.experiment as e using (experiment_id)
                                       where e.experiment = expose.experiment and s.entity_key = expose.entity_key);
begin
  perform modelpack.check_text('what was done', what);
  if v_assigned is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('the entity has no arm of an experiment %s', modelpack.shown(experiment, 63)),
      detail = 'Expected a key of the profile as the log writes it, of a row that was scored since the experiment began.',
      hint = 'select * from modelpack.experiments lists the experiments.';
  elsif at is null or at < v_assigned or at > clock_timestamp() then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('nobody can have acted at %s on an arm that was given at %s', coalesce(at::text, 'NULL'), v_assigned),
      detail = 'Expected a time from then on, and not in the future.',
      hint = 'Leave it out for now.';
  end if;
  insert into modelpack.exposure (experiment_id, entity_key, exposed_at, what)
  select s.experiment_id, s.entity_key, expose.at, expose.what
    from modelpack.assignment as s
   where s.experiment_id = (select e.experiment_id from modelpack.experiment as e where e.experiment = expose.experiment)
     and s.entity_key = expose.entity_key
  on conflict do nothing;
end
$modelpack$;
comment on function modelpack.expose(text, text, text, timestamptz) is
  'Notes that an application acted on the score of an entity in an experiment. The same again is passed over.';
revoke all on function modelpack.expose(text, text, text, timestamptz) from public;
grant execute on function modelpack.expose(text, text, text, timestamptz) to modelpack_publisher, modelpack_reader;

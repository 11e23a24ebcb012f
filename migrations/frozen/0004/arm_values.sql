create or replace function modelpack.arm_values(experiment text, metric text default 'outcome', exposed boolean default false)
returns table (arm text, weight double precision, weighting bigint, assigned_at timestamptz, ripe boolean, value double precision, before double precision)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
declare
  v_experiment modelpack.experiment;
  v_outcome jsonb;
  v_metric record;
begin
  select * into v_experiment from modelpack.experiment as e where e.experiment = arm_values.experiment;
  if v_experiment.experiment_id is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no experiment %s', modelpack.shown(experiment, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(e.experiment, ', ' order by e.experiment) from modelpack.experiment as e), 'none')),
      hint = 'select * from modelpack.experiments';
  end if;
  if metric is null then  -- only who has which arm
    return query
    select s.arm, s.weight, s.weighting_id, s.assigned_at, true, null::double precision, null::double precision
      from modelpack.assignment as s where s.experiment_id = v_experiment.experiment_id order by s.assigned_at, s.entity_key;
    return;
  end if;
  if to_regclass(v_experiment.profile) is null then
    raise exception using
      errcode = 'undefined_table',
      message = format('the table %s, whose rows the experiment %s was about, is gone', v_experiment.profile, v_experiment.experiment),
      hint = 'What is left of it: modelpack.experiments and modelpack.assignment.';
  end if;
  v_outcome := modelpack.get_outcome(v_experiment.profile::regclass, v_experiment.score);
  select * into v_metric from modelpack.outcome_metrics(v_outcome) as m where m.metric = arm_values.metric and m.sql is not null;
  if v_metric.metric is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('the score %s declares no metric %s', v_experiment.score, modelpack.shown(metric, 63)),
      detail = format('It declares: %s.', coalesce((select string_agg(m.metric, ', ' order by m.place) from modelpack.outcome_metrics(v_outcome) as m where m.sql is not null), 'none')),
      hint = 'Declare it: Score(..., outcome=Outcome(..., metrics={...})), and run modelpack apply.';
  end if;
  return query execute format($values$
    with entity as (
      select s.arm, s.weight, s.weighting_id, s.entity_key, f.at, f.at + $2 + $3 <= now() as ripe, s.assigned_at
        from modelpack.assignment as s
       cross join lateral (select case when $4 then (select min(x.exposed_at) from modelpack.exposure as x
                                                      where (x.experiment_id, x.entity_key) = (s.experiment_id, s.entity_key))
                                       else s.assigned_at end as at) as f
       where s.experiment_id = $1 and f.at is not null
    ), placed as (
      select e.*, row_number() over (order by e.at, e.entity_key) as place from entity as e where e.ripe
    ), spans as (
      select array_agg(p.entity_key order by p.place) as keys, array_agg(p.at order by p.place) as at,
             array_agg(p.at + $2 order by p.place) as upto, array_agg(p.at - $2 order by p.place) as since
        from placed as p
    ), after as (
      select m.place, m.value from spans as s cross join lateral modelpack.%1$I(s.keys, s.at, s.upto) as m
    ), earlier as (
      select m.place, m.value from spans as s cross join lateral modelpack.%1$I(s.keys, s.since, s.at) as m
    )
    select p.arm, p.weight, p.weighting_id, p.assigned_at, true, a.value, b.value
      from placed as p left join after as a using (place) left join earlier as b using (place)
    union all
    select e.arm, e.weight, e.weighting_id, e.assigned_at, false, null, null from entity as e where not e.ripe
    order by 4 $values$, v_outcome ->> 'stem' || '_metric_' || v_metric.place)
    using v_experiment.experiment_id, v_metric.horizon, v_metric.grace, exposed;
end
$modelpack$;
comment on function modelpack.arm_values(text, text, boolean) is
  'What modelpack experiment show computes with: each entity of an experiment with its arm, and the metric over its horizon from the assignment on (exposed: from the first exposure on) and over as long before; not ripe while the horizon has not passed. No key is shown. metric NULL: only the arms.';
revoke all on function modelpack.arm_values(text, text, boolean) from public;
grant execute on function modelpack.arm_values(text, text, boolean) to modelpack_publisher, modelpack_monitor;

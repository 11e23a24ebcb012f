create or replace function modelpack.outcome_metrics(outcome jsonb) returns table (metric text, place integer, sql text, horizon interval, grace interval)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The outcome itself is the first one.
select 'outcome', 0, outcome ->> 'sql', (outcome ->> 'horizon')::interval, coalesce(outcome ->> 'grace', '0')::interval where outcome is not null
union all
select m.key, (row_number() over (order by m.key))::integer, m.value ->> 'sql', (m.value ->> 'horizon')::interval, coalesce(m.value ->> 'grace', '0')::interval
  from jsonb_each(coalesce(outcome -> 'metrics', '{}')) as m
$modelpack$;
comment on function modelpack.outcome_metrics(jsonb) is 'The metrics that the outcome of a score declares, each with its number, expression, horizon and grace; the outcome itself is number 0.';
revoke all on function modelpack.outcome_metrics(jsonb) from public;

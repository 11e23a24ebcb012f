create or replace function modelpack.set_metric(me modelpack.me, model text, version integer, metric text, value double precision) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.annotate(modelpack.caller(me, 'set_metric'), set_metric.model, set_metric.version, 'metric', set_metric.metric, to_jsonb(set_metric.value))
$modelpack$;
comment on function modelpack.set_metric(modelpack.me, text, integer, text, double precision) is 'modelpack.set_metric(model, version, metric, value) for who calls it.';
revoke all on function modelpack.set_metric(modelpack.me, text, integer, text, double precision) from public;
create or replace function modelpack.set_metric(model text, version integer, metric text, value double precision) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_metric(m, set_metric.model, set_metric.version, set_metric.metric, set_metric.value) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_metric(text, integer, text, double precision) is
  'Gives a version a figure that was found later, such as its AUC on last month; it stands above one of the same name that was published.';
revoke all on function modelpack.set_metric(text, integer, text, double precision) from public;
grant execute on function modelpack.set_metric(text, integer, text, double precision), modelpack.set_metric(modelpack.me, text, integer, text, double precision) to modelpack_publisher;

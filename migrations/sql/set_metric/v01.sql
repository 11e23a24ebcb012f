create or replace function modelpack.set_metric(model text, version integer, metric text, value double precision) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.annotate(set_metric.model, set_metric.version, 'metric', set_metric.metric, to_jsonb(set_metric.value))
$modelpack$;
comment on function modelpack.set_metric(text, integer, text, double precision) is
  'Gives a version a figure that was found later, such as its AUC on last month; it stands above one of the same name that was published.';
revoke all on function modelpack.set_metric(text, integer, text, double precision) from public;
grant execute on function modelpack.set_metric(text, integer, text, double precision) to modelpack_publisher;

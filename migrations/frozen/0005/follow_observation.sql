create or replace function modelpack.follow_observation() returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  if to_regprocedure('modelpack.raise_alerts()') is not null then
    perform modelpack.raise_alerts();
  end if;
end
$modelpack$;
comment on function modelpack.follow_observation() is 'What follows a run of modelpack.observe: alerts.';
revoke all on function modelpack.follow_observation() from public;
grant execute on function modelpack.follow_observation() to modelpack_publisher, modelpack_monitor;

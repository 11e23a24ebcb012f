create or replace function modelpack.in_digits(number double precision, scale double precision) returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select round(number::numeric, case when scale > 0 then greatest(0, least(12, 2 - floor(log(scale))::integer - (scale < 1)::integer)) else 2 end)::text
$modelpack$;
comment on function modelpack.in_digits(double precision, double precision) is
  'A number in as many digits as two (below 1) or three (above) significant ones of a scale take.';
revoke all on function modelpack.in_digits(double precision, double precision) from public;
grant execute on function modelpack.in_digits(double precision, double precision) to modelpack_monitor;

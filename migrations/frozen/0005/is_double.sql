create or replace function modelpack.is_double(value jsonb, most numeric) returns boolean
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select case jsonb_typeof(value) when 'number' then abs((value)::numeric) = 0 or abs((value)::numeric) between 1e-300 and most else false end
$modelpack$;
comment on function modelpack.is_double(jsonb, numeric) is
  'Whether a JSON value is a number that double precision holds, not beyond a bound.';
revoke all on function modelpack.is_double(jsonb, numeric) from public;

create or replace function modelpack.log_gamma(x double precision) returns double precision
language plpgsql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_x double precision := x;
  v_below double precision := 0;
begin
  if x <= 0 then
    raise exception using errcode = 'numeric_value_out_of_range', message = format('log_gamma(%s), expected a number above 0', x);
  end if;
  -- Stirling's series, where it is exact to a double; gamma(x + 1) = x gamma(x) leads there
  while v_x < 15 loop
    v_below := v_below + ln(v_x);
    v_x := v_x + 1;
  end loop;
  return (v_x - 0.5) * ln(v_x) - v_x + 0.91893853320467274178
         + (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / (1680 * v_x * v_x)) / (v_x * v_x)) / (v_x * v_x)) / v_x - v_below;
end
$modelpack$;
comment on function modelpack.log_gamma(double precision) is 'The logarithm of the gamma function, for numbers above 0; PostgreSQL has one from version 18 on.';
revoke all on function modelpack.log_gamma(double precision) from public;

create or replace function modelpack.coarse(part bigint, whole bigint, exact boolean) returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Rounded, so that a few rows more or less make no step at 0 or 100 %. Of few rows one would.
select case when whole = 0 or exact is not true and whole < 50 then null
            when exact then format('%s %%', round(100.0 * part / whole))
            when round(10.0 * part / whole) < 1 then 'less than 10 %'
            else format('about %s %%', 10 * round(10.0 * part / whole)) end
$modelpack$;
comment on function modelpack.coarse(bigint, bigint, boolean) is
  'A share of rows in words: in whole tens of per cent, and NULL of fewer than 50 rows, for who may not read them; NULL of no rows.';
revoke all on function modelpack.coarse(bigint, bigint, boolean) from public;

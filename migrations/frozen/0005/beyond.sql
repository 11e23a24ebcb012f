create or replace function modelpack.beyond(value double precision, bound double precision, below boolean) returns double precision
language sql immutable parallel safe security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select case when value is null or bound is null then 0
            when below then case when value > 0 then bound / value when bound > 0 then 'infinity' else 0 end
            when bound > 0 then value / bound
            when value > bound then 'infinity'
            else 0 end::double precision
$modelpack$;
comment on function modelpack.beyond(double precision, double precision, boolean) is
  'How far a figure is beyond its bound: above 1 it is beyond, whether the bound must not be passed upwards or downwards.';
revoke all on function modelpack.beyond(double precision, double precision, boolean) from public;

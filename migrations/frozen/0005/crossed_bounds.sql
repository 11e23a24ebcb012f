create or replace function modelpack.crossed_bounds(from_score double precision, to_score double precision, bounds double precision[])
returns double precision[]
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- From nothing every bound that is reached is crossed.
select array(select b.bound from unnest(bounds) as b (bound)
              where (b.bound <= to_score) is distinct from coalesce(b.bound <= from_score, false)
              order by case when from_score is null or from_score < to_score then b.bound else - b.bound end)
$modelpack$;
comment on function modelpack.crossed_bounds(double precision, double precision, double precision[]) is
  'The bounds between two scores, in the order in which they are crossed: a score is on the upper side of a bound that it equals.';
revoke all on function modelpack.crossed_bounds(double precision, double precision, double precision[]) from public;

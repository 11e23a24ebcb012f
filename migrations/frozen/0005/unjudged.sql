create or replace function modelpack.unjudged() returns table (span text, at timestamptz)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
-- A day needs to know of the days before whether they have drifted. What is looked at often finds something by chance: so it is
-- looked at when its rows have doubled, and once it is over.
select r.span, r.at
  from modelpack.rollup as r
 where r.predictions > r.judged and isfinite(r.at)
   and (r.predictions >= 2 * r.judged or r.at + case r.span when 'hour' then interval '1 hour' else interval '1 day' end <= now())
 group by r.span, r.at
 order by r.at, r.span
$modelpack$;
comment on function modelpack.unjudged() is 'Hours and days whose drift is to be computed, in order.';
revoke all on function modelpack.unjudged() from public;
grant execute on function modelpack.unjudged() to modelpack_publisher, modelpack_monitor;

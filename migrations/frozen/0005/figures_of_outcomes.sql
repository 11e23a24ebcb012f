create or replace function modelpack.figures_of_outcomes() returns table (model text, kind text, subject text, value double precision, bound double precision, words text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $modelpack$
#variable_conflict use_column
declare
  v_newest record;
begin
  -- the two newest cut-offs that could be settled a day ago: where nobody settles any more it shows there, and older ones are not counted at every look
  return query
  select k.model, 'pending', concat(k.score, ' of ', k.profile), sum(k.rows - o.settled)::double precision / nullif(sum(k.rows), 0), b.bound,
         format('%s of %s outcomes of %s of %s could have been settled a day ago and are pending: call modelpack.settle(%L), or record them',
                sum(k.rows - o.settled), sum(k.rows), k.score, k.profile, k.profile)
    from (select c.*, row_number() over (partition by c.profile, c.score order by c.cut_off desc) as place
            from modelpack.cut_off as c
           where c.complete and c.ripe_at between now() - interval '90 days' and now() - interval '1 day') as k
    join modelpack.alert_bounds as b on b.model = k.model and b.kind = 'pending'
   cross join lateral (select count(*) as settled from modelpack.outcome as o where (o.profile, o.score, o.cut_off) = (k.profile, k.score, k.cut_off)) as o
   where b.bound is not null and k.place <= 2
   group by k.model, k.score, k.profile, b.bound
  having sum(k.rows) > 0;

  -- only where somebody has set a bound; one cohort at a time, so that the view reads no other
  for v_newest in
    select distinct on (k.profile, k.score, r.version) k.profile, k.score, k.cut_off, r.version
      from modelpack.cut_off as k
      join modelpack.running_version as r on r.model = k.model
     where k.ripe_at <= now() and k.complete
       and exists (select from modelpack.alert_bounds as b
                    where b.model = k.model and b.kind in ('auc', 'brier', 'mae', 'rmse') and b.bound is not null)
       and exists (select from modelpack.cohort as c
                    where (c.profile, c.score, c.cut_off, c.version) = (k.profile, k.score, k.cut_off, r.version))
     order by k.profile, k.score, r.version, k.cut_off desc
  loop
    return query
    select f.model, g.kind, concat(f.score, ' of ', f.profile, ' version ', f.version), g.value, b.bound,
           format('%s of %s version %s for the scores of %s is %s, by %s settled outcomes', b.unit, f.score, f.version, f.cut_off::date,
                  to_char(g.value, 'FM999990.0000'), f.settled)
      from modelpack.fit as f
     cross join lateral (values ('auc', f.auc), ('brier', f.brier), ('mae', f.mae), ('rmse', f.rmse)) as g (kind, value)
      join modelpack.alert_bounds as b on b.model = f.model and b.kind = g.kind
     where f.profile = v_newest.profile and f.score = v_newest.score and f.version = v_newest.version and f.cut_off = v_newest.cut_off
       and f.final and b.bound is not null and g.value is not null;
  end loop;
end
$modelpack$;
comment on function modelpack.figures_of_outcomes() is 'What modelpack.raise_alerts() holds against bounds: pending outcomes, and the fit where a bound is set.';
revoke all on function modelpack.figures_of_outcomes() from public;

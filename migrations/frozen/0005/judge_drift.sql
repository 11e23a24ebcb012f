create or replace function modelpack.judge_drift(span text, at timestamptz) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set jit = off
as $modelpack$
#variable_conflict use_column
-- PSI without a change is about chi-square with k - 1 degrees of freedom times (1/n + 1/m) (Yurdakul 2018): n and m are the rows that both
-- sides are worth, k the bins. That holds where each bin has enough rows: so bins are joined until the smaller side has about
-- 20 in each, those that would have less than 10 are taken together, and both sides get 20 more rows that are as all rows are.
-- Rows of one entity are taken to be alike: n rows, m_i of entity i, are worth n / (sum of m_i^2 / sum of m_i) independent ones.
-- The level is shared among all that is compared in a period, and among four looks at it (it is looked at when its rows have
-- doubled); that of a day among its hours.
declare
  v_level constant double precision := (select s.value::double precision from modelpack.setting as s where s.name = 'drift_level') / 10000;
  v_effect constant double precision := (select s.value::double precision from modelpack.setting as s where s.name = 'drift_effect') / 100;
begin
  if span not in ('hour', 'day') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the span is %s, expected hour or day', span);
  end if;
  -- two runs may be at it
  perform from modelpack.observed as o for update;
  delete from modelpack.drift_figure as f where f.span = judge_drift.span and f.at = judge_drift.at;
  insert into modelpack.drift_figure (profile, score, model, version, segment, span, at, position, input, against, rows, rows_before, effective_rows,
                                      psi, jensen_shannon, wasserstein, missing, missing_before, unseen, unseen_before, critical, drifted)
  with target as (
    select w.watched_id, dense_rank() over (order by w.profile, w.score, w.model, w.version, w.segment) as target, w.profile, w.score, w.model, w.version, w.version_id, w.segment
      from modelpack.watched as w
     where exists (select from modelpack.rollup as r where r.span = judge_drift.span and r.at = judge_drift.at
                      and r.watched_id in (select x.watched_id from modelpack.watched as x
                                            where (x.profile, x.score, x.model, x.version, x.segment) = (w.profile, w.score, w.model, w.version, w.segment)))
  ), period as (
    -- the period itself, and good ones before it
    select t.target, t.watched_id, r.at, r.at = judge_drift.at as now, r.entity_hashes, r.entity_rows
      from target as t
      join modelpack.rollup as r on r.watched_id = t.watched_id and r.span = judge_drift.span
                                and r.at in (select judge_drift.at - d * interval '1 day' from generate_series(0, 7) as d)
     where r.at = judge_drift.at
        or not exists (select from modelpack.drift_figure as f
                        where f.drifted and f.against = 'last week' and (f.profile, f.score, f.model, f.version, f.segment) = (t.profile, t.score, t.model, t.version, t.segment)
                          and (f.span, f.at) in ((judge_drift.span, r.at), ('day', date_trunc('day', r.at))))
  ), alike as (
    -- how many rows are worth one
    select x.target, x.now, sum(x.rows ^ 2) / sum(x.rows) as effect
      from (select p.target, p.now, h.hash, sum(h.rows)::double precision as rows
              from period as p cross join lateral unnest(p.entity_hashes, p.entity_rows) as h (hash, rows)
             group by 1, 2, 3) as x
     group by 1, 2
  ), side as (
    select p.target, p.now, i.position, sum(i.rows)::double precision as rows, sum(i.missing)::double precision as missing, sum(i.unseen)::double precision as unseen,
           modelpack.summable(min(i.minimum)) as minimum, modelpack.summable(max(i.maximum)) as maximum,
           sum(i.total) / nullif(sum(i.rows - i.missing), 0)::double precision as mean, max(a.effect) as effect
      from period as p
      join modelpack.rollup_input as i on i.watched_id = p.watched_id and i.span = judge_drift.span and i.at = p.at
      join alike as a on a.target = p.target and a.now = p.now
     group by 1, 2, 3
  ), side_cell as (
    select p.target, p.now, i.position, c.bin, sum(c.count)::double precision as count
      from period as p
      join modelpack.rollup_input as i on i.watched_id = p.watched_id and i.span = judge_drift.span and i.at = p.at
     cross join lateral (select u.bin::integer as bin, u.count from unnest(i.counts) with ordinality as u (count, bin)
                         union all values (-1, i.missing), (-2, i.unseen)) as c
     group by 1, 2, 3, 4
  ), pair as (
    select t.target, count(*) over (partition by t.profile, t.score, t.model, t.version) as comparisons, n.position, y.input, y.kind,
           -- what a publisher or a column says may be infinite, or would be in a sum
           array(select modelpack.summable(e.edge) from unnest(y.edges) with ordinality as e (edge, place) order by e.place) as edges, g.against, n.rows, b.rows as rows_before, n.missing, b.missing as missing_before, n.unseen, b.unseen as unseen_before,
           least(n.minimum, b.minimum) as minimum, greatest(n.maximum, b.maximum) as maximum, n.rows / n.effect as worth, b.rows / b.effect as worth_before, n.mean - b.mean as mean_apart
      from (select distinct x.target, x.profile, x.score, x.model, x.version, x.version_id, x.segment from target as x) as t
      join side as n on n.target = t.target and n.now
      join modelpack.yardstick as y on y.version_id = t.version_id and y.position = n.position
     cross join (values ('reference'), ('last week')) as g (against)
     cross join lateral (
       select s.rows, s.missing, s.unseen, s.minimum, s.maximum, s.mean, s.effect from side as s
        where g.against = 'last week' and s.target = t.target and not s.now and s.position = n.position
       union all
       select y.rows, coalesce(y.missing, 0), coalesce(y.unseen, 0), modelpack.summable(y.minimum),
              modelpack.summable(y.maximum), modelpack.summable(y.mean), 1
        where g.against = 'reference' and t.segment = '' and y.source = 'reference' and y.rows > 0) as b
  ), cell as (
    select p.target, p.position, p.against, x.bin, sum(x.now) as now, sum(x.before) as before
      from pair as p
     cross join lateral (
       select s.bin, s.count as now, 0 as before from side_cell as s where s.target = p.target and s.position = p.position and s.now
       union all
       select s.bin, 0, s.count from side_cell as s where p.against = 'last week' and s.target = p.target and s.position = p.position and not s.now
       union all
       select c.bin, 0, c.count
         from (select distinct z.version_id from target as z where z.target = p.target) as v
         join modelpack.yardstick as y on y.version_id = v.version_id and y.position = p.position
        cross join lateral (select u.bin::integer as bin, u.count from unnest(y.counts) with ordinality as u (count, bin)
                            union all values (-1, coalesce(y.missing, 0)), (-2, coalesce(y.unseen, 0))) as c
        where p.against = 'reference') as x
     group by 1, 2, 3, 4
  ), whole as (
    -- of all bins as they are
    select c.target, c.position, c.against,
           sum(case when c.now > 0 then c.now / p.rows * ln(2 * (c.now / p.rows) / (c.now / p.rows + c.before / p.rows_before)) else 0 end
               + case when c.before > 0 then c.before / p.rows_before * ln(2 * (c.before / p.rows_before) / (c.now / p.rows + c.before / p.rows_before)) else 0 end)
             / (2 * ln(2::double precision)) as jensen_shannon,
           count(*) filter (where c.now + c.before > 0) as bins
      from cell as c join pair as p using (target, position, against)
     group by 1, 2, 3
  ), scaled as (
    select c.target, c.position, c.against, least(p.worth, p.worth_before) as small, p.worth, p.worth_before,
           -- neighbours of a number are joined
           case when c.bin > 0 and p.kind = 'number' then (c.bin - 1) / greatest(1, ceil(20 * w.bins / least(p.worth, p.worth_before)))::integer else c.bin end as bin,
           sum(c.now * (p.worth / p.rows)) as now, sum(c.before * (p.worth_before / p.rows_before)) as before
      from cell as c join pair as p using (target, position, against) join whole as w using (target, position, against)
     group by 1, 2, 3, 4, 5, 6, 7
  ), joined as (
    select s.target, s.position, s.against, s.worth, s.worth_before,
           case when (s.now + s.before) / (s.worth + s.worth_before) * s.small < 10 then -3 else s.bin end as bin, sum(s.now) as now, sum(s.before) as before
      from scaled as s
     group by 1, 2, 3, 4, 5, 6
  ), index as (
    select x.target, x.position, x.against, sum((x.now - x.before) * ln(x.now / x.before)) as psi, count(*) as bins
      from (select j.target, j.position, j.against,
                   (j.now + 20 * (j.now + j.before) / (j.worth + j.worth_before)) / (j.worth + 20) as now,
                   (j.before + 20 * (j.now + j.before) / (j.worth + j.worth_before)) / (j.worth_before + 20) as before
              from joined as j where j.now + j.before > 0) as x
     group by 1, 2, 3
  ), further as (
    -- between two edges both sides are taken to be even; where every value has an edge of its own, they are steps. How far the outer
    -- bins reach is chance: they are taken for two and a half times as wide as their neighbours (normal 2.3, exponential 2.9), which makes it
    -- too small where much lies far out. It is never less than the means are apart.
    select x.target, x.position, x.against,
           sum(x.width * case when x.steps then abs(x.apart)
                              when x.apart * x.apart_next < 0 then (x.apart ^ 2 + x.apart_next ^ 2) / (2 * (abs(x.apart) + abs(x.apart_next)))
                              else abs(x.apart + x.apart_next) / 2 end) as wasserstein
      from (select d.target, d.position, d.against, d.apart, lead(d.apart, 1, 0::double precision) over places as apart_next, d.steps,
                   greatest(0, lead(d.edge, 1, d.maximum) over places - d.edge) as width
              from (select p.target, p.position, p.against, e.place, e.edge,
                           least(greatest(p.maximum, p.edges[cardinality(p.edges)]),
                                 3.5 * p.edges[cardinality(p.edges)] - 2.5 * p.edges[cardinality(p.edges) - 1]) as maximum,
                           p.minimum = p.edges[1] and p.maximum = p.edges[cardinality(p.edges)] as steps,
                           coalesce(sum(c.now / nullif(p.rows - p.missing, 0) - c.before / nullif(p.rows_before - p.missing_before, 0))
                                      over (partition by p.target, p.position, p.against order by e.place), 0) as apart
                      from pair as p
                     cross join lateral (select 0 as place, greatest(least(p.minimum, p.edges[1]), 3.5 * p.edges[1] - 2.5 * p.edges[2]) as edge
                                         union all select u.place, u.edge from unnest(p.edges) with ordinality as u (edge, place)) as e
                      left join cell as c on c.target = p.target and c.position = p.position and c.against = p.against and c.bin = e.place and e.place > 0
                     where p.kind = 'number' and p.rows > p.missing and p.rows_before > p.missing_before and cardinality(p.edges) > 0) as d
            window places as (partition by d.target, d.position, d.against order by d.place)) as x
     group by 1, 2, 3
  ), judged as (
    select p.*, i.psi, w.jensen_shannon, greatest(f.wasserstein, abs(p.mean_apart)) as wasserstein,
           case when i.bins > 1 and least(p.worth, p.worth_before) >= 20
                then (1 / p.worth + 1 / p.worth_before) * (i.bins - 1)
                     * (1 - 2 / (9.0 * (i.bins - 1)) + z.z * sqrt(2 / (9.0 * (i.bins - 1)))) ^ 3 end as critical
      from pair as p
      join whole as w using (target, position, against)
      join index as i using (target, position, against)
      left join further as f using (target, position, against)
     -- the normal quantile, to 4.5e-4 (Abramowitz and Stegun 26.2.23)
     cross join lateral (select sqrt(-2 * ln(greatest(v_level, 1e-9) / (4 * case judge_drift.span when 'hour' then 24 else 1 end * p.comparisons))) as t) as q
     cross join lateral (select q.t - (2.515517 + 0.802853 * q.t + 0.010328 * q.t ^ 2) / (1 + 1.432788 * q.t + 0.189269 * q.t ^ 2 + 0.001308 * q.t ^ 3) as z) as z
  )
  select t.profile, t.score, t.model, t.version, t.segment, judge_drift.span, judge_drift.at, j.position, case when j.position > 0 then j.input end, j.against,
         j.rows, j.rows_before, j.worth, j.psi, j.jensen_shannon, j.wasserstein, j.missing / j.rows, j.missing_before / j.rows_before,
         case when j.kind <> 'number' then j.unseen / j.rows end, case when j.kind <> 'number' then j.unseen_before / j.rows_before end,
         j.critical, coalesce(j.psi > j.critical and j.psi > v_effect, false)
    from judged as j
    join (select distinct x.target, x.profile, x.score, x.model, x.version, x.segment from target as x) as t using (target);
  update modelpack.rollup as r set judged = r.predictions where r.span = judge_drift.span and r.at = judge_drift.at and r.judged < r.predictions;
end
$modelpack$;
comment on function modelpack.judge_drift(text, timestamptz) is
  'Computes the figures of modelpack.drift for an hour or a day; a step of modelpack.observe.';
revoke all on function modelpack.judge_drift(text, timestamptz) from public;
grant execute on function modelpack.judge_drift(text, timestamptz) to modelpack_publisher, modelpack_monitor;

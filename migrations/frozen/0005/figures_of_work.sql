create or replace function modelpack.figures_of_work() returns table (model text, kind text, subject text, value double precision, bound double precision, words text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
-- Words are read by who reads no profile: a reason may tell what a row has (see modelpack.failures), so none is quoted.
begin
  return query
  select n.model, 'stale', concat(n.score, ' of ', n.profile), n.stale::double precision / nullif(n.rows, 0), b.bound,
         format('%s of %s rows of %s have no fresh %s: modelpack.staleness says why', n.stale, n.rows, n.profile, n.score)
    from (select distinct on (s.profile, s.score) s.* from modelpack.staleness as s
           where s.hour > now() - interval '1 day' and s.hour <= now() and s.stale is not null order by s.profile, s.score, s.hour desc) as n
    join modelpack.alert_bounds as b on b.model = n.model and b.kind = 'stale'
   where b.bound is not null and n.rows > 0;

  return query
  select v.model, 'failures', concat('version ', v.version), sum(f.failures)::double precision, b.bound,
         format('version %s gave no score %s times within an hour (%s): modelpack.failures says why', v.version, sum(f.failures),
                string_agg(distinct f.kind, ', ' order by f.kind))
    from modelpack.failure_log as f
    join modelpack.version as v using (version_id)
    join modelpack.alert_bounds as b on b.model = v.model and b.kind = 'failures'
   where f.at > now() - interval '1 hour' and b.bound is not null
   group by v.model, v.version, b.bound;

  return query
  select n.model, 'latency', concat(n.score, ' of ', n.profile, ' version ', n.version), n.p99 / 1e6 / n.budget, b.bound,
         format('one of a hundred scores of %s of %s version %s takes %s ms or longer, of a time budget of %s ms', n.score, n.profile, n.version,
                to_char(n.p99 / 1000.0, 'FM999990.0'), to_char(n.budget * 1000, 'FM999999990'))
    from (select distinct on (l.profile, l.score, l.version) l.model, l.profile, l.score, l.version, l.p99,
                 extract(epoch from coalesce(m.time_budget, (select s.value::interval from modelpack.setting as s where s.name = 'time_budget')))::double precision as budget
            from modelpack.latency as l
            join modelpack.running_version as v on v.model = l.model and v.version = l.version
            join modelpack.model as m on m.model = l.model
           where l.hour > now() - interval '3 hours' and l.hour <= now() and l.measured >= 100
           order by l.profile, l.score, l.version, l.hour desc) as n
    join modelpack.alert_bounds as b on b.model = n.model and b.kind = 'latency'
   where b.bound is not null and n.budget > 0;
end
$modelpack$;
comment on function modelpack.figures_of_work() is 'What modelpack.raise_alerts() holds against bounds: rows without a fresh score, failures, latency.';
revoke all on function modelpack.figures_of_work() from public;

create or replace function modelpack.end_observation(job_id bigint, ripe bigint) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
declare
  v_days constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'rollup_days');
  v_years constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'rollup_years');
  v_observed modelpack.observed;
  v_found int8multirange;
  v_rows bigint;
  v_ripe bigint;
begin
  select o.* into v_observed from modelpack.observed as o for update;
  if v_observed.job_id is distinct from end_observation.job_id then
    return null;
  end if;
  -- whoever calls it does not say what is over: as in modelpack.begin_observation
  if ripe = v_observed.next_low and pg_snapshot_xmin(pg_current_snapshot()) >= pg_snapshot_xmax(v_observed.next_snapshot)
     and v_observed.next_at < clock_timestamp() - interval '10 minutes' then
    v_ripe := ripe;
  end if;
  with new as (
    select f.* from modelpack.failure_log as f where f.failure_id > v_observed.failures_low and not v_observed.failures_seen @> f.failure_id
  ), kept as (
    insert into modelpack.failure_count as c (profile, version_id, kind, hour, failures)
    select n.profile, n.version_id, n.kind, date_trunc('hour', n.at), sum(n.failures) from new as n group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (hour, profile, version_id, kind) do update set failures = c.failures + excluded.failures
  )
  select range_agg(int8range(n.failure_id, n.failure_id, '[]')) into v_found from new as n;
  update modelpack.observed as o
     set low = greatest(o.low, coalesce(v_ripe, 0)),
         seen = o.seen * int8multirange(int8range(greatest(o.low, coalesce(v_ripe, 0)), null, '()')),
         -- what is to be ripe next
         next_low = case when v_ripe is null then o.next_low end,
         next_at = case when v_ripe is null then o.next_at end,
         next_snapshot = case when v_ripe is null then o.next_snapshot end,
         failures_seen = o.failures_seen + coalesce(v_found, '{}'),
         job_id = null, pid = null, written_by = pg_current_xact_id(),
         at = (select j.started_at from modelpack.job as j where j.job_id = end_observation.job_id);
  -- whoever notes a failure commits within a day
  update modelpack.observed as o
     set failures_low = f.low, failures_seen = o.failures_seen * int8multirange(int8range(f.low, null, '()'))
    from (select max(l.failure_id) as low from modelpack.failure_log as l where l.at < now() - interval '1 day') as f
   where f.low > o.failures_low;
  perform modelpack.count_stale();
  delete from modelpack.rollup as r where r.span = 'hour' and r.at < now() - v_days * interval '1 day';
  delete from modelpack.drift_figure as f where f.span = 'hour' and f.at < now() - v_days * interval '1 day';
  delete from modelpack.rollup as r where r.span = 'day' and r.at < now() - v_years * interval '1 year';
  delete from modelpack.drift_figure as f where f.span = 'day' and f.at < now() - v_years * interval '1 year';
  delete from modelpack.stale_count as c where c.hour < now() - v_years * interval '1 year'
     -- of each day the last
     or c.hour < now() - v_days * interval '1 day'
        and exists (select from modelpack.stale_count as d where (d.profile, d.score) = (c.profile, c.score) and d.hour > c.hour and d.hour < date_trunc('day', c.hour) + interval '1 day');
  delete from modelpack.failure_count as c where c.hour < now() - v_years * interval '1 year';
  delete from modelpack.observed_part as d where to_regclass(format('modelpack.%I', d.partition)) is null;
  update modelpack.job as j set ended_at = clock_timestamp(), progress_at = clock_timestamp()
   where j.job_id = end_observation.job_id
  returning j.rows into v_rows;
  return v_rows;
end
$modelpack$;
comment on function modelpack.end_observation(bigint, bigint) is
  'The end of a run of modelpack.observe, which calls it: failures, stale rows, the watermark, and what is old goes; how many rows it counted.';
revoke all on function modelpack.end_observation(bigint, bigint) from public;
grant execute on function modelpack.end_observation(bigint, bigint) to modelpack_publisher, modelpack_monitor;

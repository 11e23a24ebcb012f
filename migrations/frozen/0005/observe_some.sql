create or replace function modelpack.observe_some(job_id bigint, partition text, indexed boolean, first_block bigint, batch integer) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set work_mem = '64MB'
set jit = off
set max_parallel_workers_per_gather = 0
set enable_sort = off
set enable_nestloop = off
set enable_mergejoin = off
as $modelpack$
#variable_conflict use_column
-- One transaction of modelpack.observe. Which rows are counted is known by their numbers, whatever transaction wrote them, and
-- wherever they have been moved to since. What it counts and that it is counted is one transaction, with one snapshot, which the
-- procedure sees to. The planner takes what has been picked for one row: hence enable_sort, enable_nestloop and enable_mergejoin.
declare
  v_observed modelpack.observed;
  v_size constant bigint := pg_relation_size(to_regclass(format('modelpack.%I', partition))) / current_setting('block_size')::bigint;
  v_inserted constant bigint := pg_stat_get_tuples_inserted(to_regclass(format('modelpack.%I', partition)));
  -- about as many rows as a batch has
  v_next bigint := first_block + greatest(1, (batch * (select greatest(1, c.relpages) / greatest(c.reltuples, 40.0 * greatest(1, c.relpages))
                                                          from pg_class as c where c.oid = to_regclass(format('modelpack.%I', partition))))::bigint);
  v_read text;
  v_version record;
  v_rows bigint;
  v_found int8multirange;
begin
  if coalesce(batch < 1 or batch > 1000000, true) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the batch is %s, expected 1 to 1000000 rows', coalesce(batch::text, 'NULL')),
      hint = 'call modelpack.observe(batch => 50000);';
  end if;
  if partition <> all (array(select c.relname from pg_inherits as i join pg_class as c on c.oid = i.inhrelid where i.inhparent = 'modelpack.prediction'::regclass)) then
    return null;  -- dropped or detached meanwhile
  end if;
  select o.* into v_observed from modelpack.observed as o for update;
  if v_observed.job_id is distinct from observe_some.job_id then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('run %s of modelpack.observe has been taken for dead, and run %s goes on', observe_some.job_id, v_observed.job_id),
      hint = 'call modelpack.observe();';
  end if;
  v_read := format('from modelpack.%I as l where l.prediction_id > $1 and not $2 @> l.prediction_id', partition)
            || case when indexed then ' limit $5' else ' and l.ctid >= $3 and l.ctid < $4' end;
  if indexed then
    -- a limit and no order would have it read from end to end
    perform set_config('enable_seqscan', 'off', true);
  end if;
  if not indexed and first_block = 0 then
    -- as it is before it is read; below zero until it has been read to its end
    insert into modelpack.observed_part as d (partition, blocks, inserted, at) values (observe_some.partition, - 1 - v_size, v_inserted, clock_timestamp())
    on conflict (partition) do update set blocks = excluded.blocks, inserted = excluded.inserted, at = excluded.at;
  end if;
  -- bins for versions that come up for the first time
  for v_version in
    execute format($versions$
      select v.version_id, r.model, r.version
        from (select distinct x.model, x.version from (select l.model, l.version %s) as x) as r
        join modelpack.version as v using (model, version)
       where not exists (select from modelpack.yardstick as y where y.version_id = v.version_id) $versions$, v_read)
      using v_observed.low, v_observed.seen, format('(%s,0)', first_block)::tid, format('(%s,0)', v_next)::tid, batch
  loop
    perform modelpack.make_yardsticks(v_version.version_id, partition);
  end loop;
  v_read := format($read$
    select l.prediction_id, l.profile, l.score, l.model, l.version, date_trunc('hour', l.scored_at) as hour, %1$s as arm,
           hashtextextended(l.entity_key, 0) as entity, l.prediction, l.inputs, l.text_inputs, l.microseconds %2$s $read$,
    case when exists (select from modelpack.experiment) then $arm$coalesce((
             select e.experiment || '/' || s.arm
               from modelpack.experiment as e
               join modelpack.assignment as s on s.experiment_id = e.experiment_id and s.entity_key = l.entity_key and s.assigned_at <= l.scored_at
              where e.profile = l.profile and e.score = l.score and l.scored_at >= e.started_at and l.scored_at < coalesce(e.ended_at, 'infinity')
              order by e.experiment_id desc limit 1), '')$arm$ else $$''$$ end, v_read);
  if exists (select from modelpack.segment) then
    v_read := format($segments$
    select x.*, g.segment
      from (%s) as x
     cross join lateral (
       select '' as segment
       union all
       select s.input || '=' || case when x.text_inputs[y.place] is null or x.text_inputs[y.place] = y.token then 'missing'
                                     when t.bin < y.bins - 1 then t.text else 'other' end
         from modelpack.segment as s
         join modelpack.version as v on v.model = x.model and v.version = x.version
         join modelpack.yardstick as y on y.version_id = v.version_id and y.input = s.input and y.kind = 'text'
         left join modelpack.yardstick_text as t on t.version_id = y.version_id and t.position = y.position and t.text = modelpack.text_key(x.text_inputs[y.place]) collate "C"
        where s.profile = x.profile) as g $segments$, v_read);
  else
    v_read := format($$select x.*, '' as segment from (%s) as x$$, v_read);
  end if;
  execute format($watched$
    insert into modelpack.watched (profile, score, model, version, version_id, arm, segment)
    select r.profile, r.score, r.model, r.version, coalesce(v.version_id, 0), r.arm, r.segment
      from (select distinct x.profile, x.score, x.model, x.version, x.arm, x.segment from (%s) as x) as r
      left join modelpack.version as v using (model, version)
     where not exists (select from modelpack.watched as w where (w.profile, w.score, w.model, w.version, w.arm, w.segment)
                                                                = (r.profile, r.score, r.model, r.version, r.arm, r.segment)) $watched$, v_read)
    using v_observed.low, v_observed.seen, format('(%s,0)', first_block)::tid, format('(%s,0)', v_next)::tid, batch;
  execute format($count$
    with picked as materialized (
      select w.watched_id, w.version_id, w.segment = '' as base, r.prediction_id, r.hour, r.entity,
             modelpack.summable(r.prediction) as prediction, r.inputs, r.text_inputs, r.microseconds
        from (%s) as r
        join modelpack.watched as w using (profile, score, model, version, arm, segment)
    ), sums as (
      select p.watched_id, case when grouping(p.hour) = 0 then 'hour' else 'day' end as span, coalesce(p.hour, date_trunc('day', p.hour)) as at,
             count(*) as predictions, sum(p.prediction) as total, var_pop(p.prediction) * count(*) as squares, min(p.prediction) as minimum, max(p.prediction) as maximum,
             count(p.microseconds) as measured
        from picked as p
       group by grouping sets ((p.watched_id, p.hour), (p.watched_id, date_trunc('day', p.hour)))
    ), score_hours as (
      select p.watched_id, p.hour,
             case when abs(p.prediction) < 1e-9 then 0
                  else sign(p.prediction) * (ceil(ln(least(abs(p.prediction), 1e300)) / 0.00995033085316808) + 2083) end::integer as bin, count(*) as count
        from picked as p
       group by 1, 2, 3
    ), time_hours as (
      select p.watched_id, p.hour, case when p.microseconds < 1 then -1 else ceil(ln(p.microseconds::double precision) / 0.04879016416943205) end::integer as bin, count(*) as count
        from picked as p
       where p.microseconds is not null
       group by 1, 2, 3
    ), entity_hours as (
      select p.watched_id, p.hour, p.entity, count(*) as count from picked as p group by 1, 2, 3
    ), scores as (
      select x.watched_id, x.span, x.at, array_agg(x.bin order by x.bin) as bins, array_agg(x.count order by x.bin) as counts
        from (select h.watched_id, s.span, date_trunc(s.span, h.hour) as at, h.bin, sum(h.count)::bigint as count
                from score_hours as h cross join (values ('hour'), ('day')) as s (span) group by 1, 2, 3, 4) as x
       group by 1, 2, 3
    ), times as (
      select x.watched_id, x.span, x.at, array_agg(x.bin order by x.bin) as bins, array_agg(x.count order by x.bin) as counts
        from (select h.watched_id, s.span, date_trunc(s.span, h.hour) as at, h.bin, sum(h.count)::bigint as count
                from time_hours as h cross join (values ('hour'), ('day')) as s (span) group by 1, 2, 3, 4) as x
       group by 1, 2, 3
    ), entities as (
      select x.watched_id, x.span, x.at, array_agg(x.entity order by x.entity) as hashes, array_agg(x.count order by x.entity) as rows
        from (select y.*, row_number() over (partition by y.watched_id, y.span, y.at order by y.entity) as place
                from (select h.watched_id, s.span, date_trunc(s.span, h.hour) as at, h.entity, sum(h.count)::bigint as count
                        from entity_hours as h cross join (values ('hour'), ('day')) as s (span) group by 1, 2, 3, 4) as y) as x
       where x.place <= 512
       group by 1, 2, 3
    ), kept as (
      insert into modelpack.rollup as r (watched_id, span, at, predictions, total, squares, minimum, maximum, bins, counts, measured, time_bins, time_counts, entity_hashes, entity_rows)
      select s.watched_id, s.span, s.at, s.predictions, s.total, s.squares, s.minimum, s.maximum, c.bins, c.counts,
             s.measured, coalesce(t.bins, '{}'), coalesce(t.counts, '{}'), e.hashes, e.rows
        from sums as s
        join scores as c using (watched_id, span, at)
        join entities as e using (watched_id, span, at)
        left join times as t using (watched_id, span, at)
       order by s.watched_id, s.span, s.at
      on conflict (watched_id, span, at) do update
        set predictions = r.predictions + excluded.predictions,
            total = r.total + excluded.total,
            squares = r.squares + excluded.squares
                      + (excluded.total / excluded.predictions - r.total / r.predictions) ^ 2 * (excluded.predictions * (r.predictions::double precision / (excluded.predictions + r.predictions))),
            minimum = least(r.minimum, excluded.minimum),
            maximum = greatest(r.maximum, excluded.maximum),
            measured = r.measured + excluded.measured,
            (bins, counts) = (select array_agg(x.bin order by x.bin), array_agg(x.count order by x.bin)
                                from (select h.bin, sum(h.count)::bigint as count
                                        from (select * from unnest(r.bins, r.counts) union all select * from unnest(excluded.bins, excluded.counts)) as h (bin, count)
                                       group by h.bin) as x),
            (time_bins, time_counts) = (select coalesce(array_agg(x.bin order by x.bin), '{}'), coalesce(array_agg(x.count order by x.bin), '{}')
                                from (select h.bin, sum(h.count)::bigint as count
                                        from (select * from unnest(r.time_bins, r.time_counts) union all select * from unnest(excluded.time_bins, excluded.time_counts)) as h (bin, count)
                                       group by h.bin) as x),
            (entity_hashes, entity_rows) = (select array_agg(x.hash order by x.hash), array_agg(x.rows order by x.hash)
                                from (select h.hash, sum(h.rows)::bigint as rows
                                        from (select * from unnest(r.entity_hashes, r.entity_rows)
                                              union all select * from unnest(excluded.entity_hashes, excluded.entity_rows)) as h (hash, rows)
                                       group by h.hash order by h.hash limit 512) as x)
    ), cells as (
      select p.watched_id, p.hour, p.version_id, y.position,
             case when v.x is null then -1 else y.bins - 1 - width_bucket(- v.x, y.turned) end as bin,  -- -1: missing
             count(*) as count, sum(modelpack.summable(v.x)) as total, min(v.x) as minimum, max(v.x) as maximum
        from picked as p
        join modelpack.yardstick as y using (version_id)
       cross join lateral (select nullif(case when y.position = 0 then p.prediction else p.inputs[y.place] end, 'NaN') as x) as v
       where y.kind = 'number' and (y.position = 0 or p.inputs <> '{}' or p.text_inputs is not null)  -- what was erased is not missing
       group by 1, 2, 3, 4, 5
      union all
      select c.watched_id, c.hour, c.version_id, c.position,
             case when c.t is null then -1 when c.kind = 'free' then 0 else coalesce(k.bin, -2) end,  -- -2: unseen
             sum(c.count)::bigint, null, null, null
        from (select p.watched_id, p.hour, p.version_id, y.position, y.kind,
                     case when y.kind = 'text' or p.text_inputs[y.place] = y.token then nullif(p.text_inputs[y.place], y.token) else left(p.text_inputs[y.place], 0) end as t,
                     count(*) as count
                from picked as p
                join modelpack.yardstick as y using (version_id)
               where y.kind <> 'number' and (p.inputs <> '{}' or p.text_inputs is not null)
               group by 1, 2, 3, 4, 5, 6) as c
        left join modelpack.yardstick_text as k on k.version_id = c.version_id and k.position = c.position and k.text = modelpack.text_key(c.t) collate "C"
       group by 1, 2, 3, 4, 5
    ), spread as (
      select c.watched_id, s.span, date_trunc(s.span, c.hour) as at, c.version_id, c.position, c.bin, sum(c.count)::bigint as count,
             sum(c.total) as total, min(c.minimum) as minimum, max(c.maximum) as maximum
        from cells as c cross join (values ('hour'), ('day')) as s (span)
       group by 1, 2, 3, 4, 5, 6
    ), inputs as (
      select s.watched_id, s.span, s.at, s.version_id, s.position, sum(s.count)::bigint as rows, coalesce(sum(s.count) filter (where s.bin = -1), 0)::bigint as missing,
             coalesce(sum(s.count) filter (where s.bin = -2), 0)::bigint as unseen, sum(s.total) as total, min(s.minimum) as minimum, max(s.maximum) as maximum
        from spread as s
       group by 1, 2, 3, 4, 5
    ), dense as (
      select i.watched_id, i.span, i.at, i.position, array_agg(coalesce(s.count, 0) order by b.bin) as counts
        from inputs as i
        join modelpack.yardstick as y on y.version_id = i.version_id and y.position = i.position
       cross join lateral generate_series(0, y.bins - 1) as b (bin)
        left join spread as s on s.watched_id = i.watched_id and s.span = i.span and s.at = i.at and s.position = i.position and s.bin = b.bin
       group by 1, 2, 3, 4
    ), kept_inputs as (
      insert into modelpack.rollup_input as r (watched_id, span, at, position, rows, missing, unseen, total, minimum, maximum, counts)
      select i.watched_id, i.span, i.at, i.position, i.rows, i.missing, i.unseen, i.total, i.minimum, i.maximum, d.counts
        from inputs as i join dense as d using (watched_id, span, at, position)
       order by 1, 2, 3, 4
      on conflict (watched_id, span, at, position) do update
        set rows = r.rows + excluded.rows,
            missing = r.missing + excluded.missing,
            unseen = r.unseen + excluded.unseen,
            total = coalesce(r.total + excluded.total, r.total, excluded.total),
            minimum = least(r.minimum, excluded.minimum),
            maximum = greatest(r.maximum, excluded.maximum),
            counts = array(select coalesce(x.a, 0) + coalesce(x.b, 0) from unnest(r.counts, excluded.counts) with ordinality as x (a, b, place) order by x.place)
    )
    select count(*), range_agg(int8range(p.prediction_id, p.prediction_id, '[]')) from picked as p where p.base $count$, v_read)
    into v_rows, v_found
    using v_observed.low, v_observed.seen, format('(%s,0)', first_block)::tid, format('(%s,0)', v_next)::tid, batch;
  update modelpack.observed as o
     set seen = o.seen + coalesce(v_found, '{}'), written_by = pg_current_xact_id();
  update modelpack.job as j set rows = j.rows + v_rows, looked_at = j.looked_at + v_rows, progress_at = clock_timestamp() where j.job_id = observe_some.job_id;
  if indexed then
    -- as many as were asked for: there may be more
    return case when v_rows >= batch then 0 end;
  end if;
  if v_next < v_size then
    return v_next;
  end if;
  update modelpack.observed_part as d set blocks = - 1 - d.blocks where d.partition = observe_some.partition and d.blocks < 0;
  return null;
end
$modelpack$;
comment on function modelpack.observe_some(bigint, text, boolean, bigint, integer) is
  'One transaction of modelpack.observe: counts rows of a partition, by its index or some of its blocks; the next block to read, NULL where it is done.';
revoke all on function modelpack.observe_some(bigint, text, boolean, bigint, integer) from public;
grant execute on function modelpack.observe_some(bigint, text, boolean, bigint, integer) to modelpack_publisher, modelpack_monitor;

-- Roll-ups of the prediction log, drift and response. A room around the core: events know nothing of it.

-- No foreign keys to tables of the core: to drop one locks the table that it refers to, which events read.
create table modelpack.observed (
  one boolean primary key default true,
  low bigint not null default 0,
  seen int8multirange not null default '{}',
  next_low bigint,
  next_at timestamptz,
  next_snapshot pg_snapshot,
  failures_low bigint not null default 0,
  failures_seen int8multirange not null default '{}',
  written_by xid8,
  job_id bigint,
  pid integer,
  at timestamptz,
  -- there is one log
  constraint observed_one check (one)
);
insert into modelpack.observed default values;
comment on table modelpack.observed is 'which rows of the log modelpack.observe() has counted: one row, written in the transaction that counts them';
comment on column modelpack.observed.one is 'true';
comment on column modelpack.observed.low is 'rows of the log up to this prediction_id are counted, or will never come';
comment on column modelpack.observed.seen is 'rows above it that are counted';
comment on column modelpack.observed.next_low is 'what low becomes, once no transaction is left that had taken a number up to there; all rows that it wrote have been looked for by then';
comment on column modelpack.observed.next_at is 'when it was noted';
comment on column modelpack.observed.next_snapshot is 'transactions that ran then';
comment on column modelpack.observed.failures_low is 'as low, of modelpack.failure_log';
comment on column modelpack.observed.failures_seen is 'as seen, of modelpack.failure_log';
comment on column modelpack.observed.written_by is 'the transaction that wrote this row: another one has where the database was restored, and the transactions of before are all over';
comment on column modelpack.observed.job_id is 'the run that is at work';
comment on column modelpack.observed.pid is 'its process';
comment on column modelpack.observed.at is 'until when the log was counted: the beginning of the last run that came to its end';

create table modelpack.observed_part (
  partition text primary key,
  blocks bigint not null,
  inserted bigint not null,
  at timestamptz not null
);
comment on table modelpack.observed_part is 'partitions of the log without an index by prediction_id, as modelpack.observe() has read them: read again only where rows came';
comment on column modelpack.observed_part.partition is 'the partition';
comment on column modelpack.observed_part.blocks is 'blocks that it had';
comment on column modelpack.observed_part.inserted is 'rows that the server''s statistics said had been inserted';
comment on column modelpack.observed_part.at is 'when';

create table modelpack.segment (
  profile text not null,
  input text not null,
  set_at timestamptz not null default now(),
  set_by name not null,
  primary key (profile, input)
);
comment on table modelpack.segment is 'text inputs by whose texts roll-ups are kept, too: modelpack.observe_by()';
comment on column modelpack.segment.profile is 'the profile table';
comment on column modelpack.segment.input is 'the input';
comment on column modelpack.segment.set_at is 'since when';
comment on column modelpack.segment.set_by is 'who set it';

create table modelpack.watched (
  watched_id integer generated always as identity primary key,
  profile text not null,
  score text not null,
  model text not null,
  version integer not null,
  version_id integer not null,
  arm text not null default '',
  segment text not null default '',
  unique (profile, score, model, version, arm, segment)
);
comment on table modelpack.watched is 'what roll-ups are kept of';
comment on column modelpack.watched.watched_id is 'its number';
comment on column modelpack.watched.profile is 'the profile table';
comment on column modelpack.watched.score is 'name of the score';
comment on column modelpack.watched.model is 'the model';
comment on column modelpack.watched.version is 'version that gave the score';
comment on column modelpack.watched.version_id is 'number of the version in modelpack.version';
comment on column modelpack.watched.arm is 'arm of the experiment that ran, as experiment/arm; empty where none did';
comment on column modelpack.watched.segment is 'a segment, as input=text; empty: all rows';

create table modelpack.yardstick (
  version_id integer not null,
  position integer not null,
  input text not null,
  kind text not null,
  place integer not null,
  token text,
  edges double precision[],
  turned double precision[],
  bins integer not null,
  source text not null,
  rows bigint not null default 0,
  counts bigint[],
  missing bigint,
  unseen bigint,
  minimum double precision,
  maximum double precision,
  mean double precision,
  primary key (version_id, position),
  constraint yardstick_kind check (kind in ('number', 'text', 'free')),
  constraint yardstick_source check (source in ('reference', 'log'))
);
comment on table modelpack.yardstick is 'the bins in which the inputs and the score of a version are counted, with the counts of its reference';
comment on column modelpack.yardstick.version_id is 'the version';
comment on column modelpack.yardstick.position is 'place of the input in the signature; 0: the score';
comment on column modelpack.yardstick.input is 'name of the input';
comment on column modelpack.yardstick.kind is 'number, text, or free: a text that a vectoriser reads, whose content is not counted';
comment on column modelpack.yardstick.place is 'its place among the numbers or the texts of a row of the log';
comment on column modelpack.yardstick.token is 'the text that stands for a missing one';
comment on column modelpack.yardstick.edges is 'bin i, from 0, holds edges[i] < x <= edges[i + 1], the first and the last are open';
comment on column modelpack.yardstick.turned is 'the edges with the sign turned, from the last to the first: width_bucket() has its bins closed at the lower end';
comment on column modelpack.yardstick.bins is 'how many bins there are: of a text its categories, and one for other texts that the version was fitted on';
comment on column modelpack.yardstick.source is 'reference: the sample of the version; log: quantiles of the first rows, where it has no reference';
comment on column modelpack.yardstick.rows is 'rows of the reference';
comment on column modelpack.yardstick.counts is 'its rows in each bin';
comment on column modelpack.yardstick.missing is 'its rows in which the input is missing';
comment on column modelpack.yardstick.unseen is 'its rows with a text that the version was not fitted on';
comment on column modelpack.yardstick.minimum is 'its least value';
comment on column modelpack.yardstick.maximum is 'its greatest value';
comment on column modelpack.yardstick.mean is 'its mean';

create table modelpack.yardstick_text (
  version_id integer not null,
  position integer not null,
  text text collate "C" not null,
  bin integer not null,
  primary key (version_id, position, text)
);
comment on table modelpack.yardstick_text is 'texts that a version was fitted on, with their bins; only modelpack_owner reads it';
comment on column modelpack.yardstick_text.version_id is 'the version';
comment on column modelpack.yardstick_text.position is 'place of the input in the signature';
comment on column modelpack.yardstick_text.text is 'the text; of one with more than 200 characters # and a hash';
comment on column modelpack.yardstick_text.bin is 'its bin, from 0; those that are not among the most frequent share the last';

create table modelpack.rollup (
  watched_id integer not null references modelpack.watched on delete cascade,
  span text not null,
  at timestamptz not null,
  predictions bigint not null,
  total double precision not null,
  squares double precision not null,
  minimum double precision not null,
  maximum double precision not null,
  bins integer[] not null,
  counts bigint[] not null,
  measured bigint not null,
  time_bins integer[] not null,
  time_counts bigint[] not null,
  entity_hashes bigint[] not null,
  entity_rows bigint[] not null,
  judged bigint not null default 0,
  primary key (watched_id, span, at),
  constraint rollup_span check (span in ('hour', 'day'))
);
create index rollup_at_idx on modelpack.rollup (span, at);
create index rollup_unjudged_idx on modelpack.rollup (span, at) where predictions > judged;
comment on table modelpack.rollup is 'roll-ups of the log by hour and by day (UTC); those by hour are kept for the days that the setting rollup_days says';
comment on column modelpack.rollup.watched_id is 'what was scored by what';
comment on column modelpack.rollup.span is 'hour or day';
comment on column modelpack.rollup.at is 'its beginning';
comment on column modelpack.rollup.predictions is 'rows of the log';
comment on column modelpack.rollup.total is 'sum of the scores';
comment on column modelpack.rollup.squares is 'sum of the squared distances of the scores from their mean';
comment on column modelpack.rollup.minimum is 'least score';
comment on column modelpack.rollup.maximum is 'greatest score';
comment on column modelpack.rollup.bins is 'histogram of the scores: numbers of bins that are 1 % wide (see docs/monitoring.md)';
comment on column modelpack.rollup.counts is 'scores in each of these';
comment on column modelpack.rollup.measured is 'rows whose time was measured';
comment on column modelpack.rollup.time_bins is 'histogram of the microseconds: numbers of bins that are 5 % wide';
comment on column modelpack.rollup.time_counts is 'rows in each of these';
comment on column modelpack.rollup.entity_hashes is 'at most 512 entities, those with the least hashes of their keys: a sample in which every entity is as likely';
comment on column modelpack.rollup.entity_rows is 'rows of each of these';
comment on column modelpack.rollup.judged is 'rows that there were when drift was last computed';

create table modelpack.rollup_input (
  watched_id integer not null,
  span text not null,
  at timestamptz not null,
  position integer not null,
  rows bigint not null,
  missing bigint not null,
  unseen bigint not null,
  total double precision,
  minimum double precision,
  maximum double precision,
  counts bigint[] not null,
  primary key (watched_id, span, at, position),
  foreign key (watched_id, span, at) references modelpack.rollup on delete cascade
);
comment on table modelpack.rollup_input is 'roll-ups of each input, and of the score (position 0), in the bins of modelpack.yardstick';
comment on column modelpack.rollup_input.watched_id is 'what was scored by what';
comment on column modelpack.rollup_input.span is 'hour or day';
comment on column modelpack.rollup_input.at is 'its beginning';
comment on column modelpack.rollup_input.position is 'place of the input in the signature; 0: the score';
comment on column modelpack.rollup_input.rows is 'rows of the log';
comment on column modelpack.rollup_input.missing is 'rows in which the input is missing';
comment on column modelpack.rollup_input.unseen is 'rows with a text that the version was not fitted on';
comment on column modelpack.rollup_input.total is 'sum of the numbers; NULL of texts';
comment on column modelpack.rollup_input.minimum is 'least number';
comment on column modelpack.rollup_input.maximum is 'greatest number';
comment on column modelpack.rollup_input.counts is 'rows in each bin';

create table modelpack.drift_figure (
  profile text not null,
  score text not null,
  model text not null,
  version integer not null,
  segment text not null,
  span text not null,
  at timestamptz not null,
  position integer not null,
  input text,
  against text not null,
  rows bigint not null,
  rows_before bigint not null,
  effective_rows double precision not null,
  psi double precision,
  jensen_shannon double precision,
  wasserstein double precision,
  missing double precision,
  missing_before double precision,
  unseen double precision,
  unseen_before double precision,
  critical double precision,
  drifted boolean not null,
  primary key (span, at, profile, score, model, version, segment, position, against)
);
comment on table modelpack.drift_figure is 'figures of drift, as modelpack.observe() computes them when the rows of an hour or a day have doubled, and when it is over';
comment on column modelpack.drift_figure.profile is 'the profile table';
comment on column modelpack.drift_figure.score is 'name of the score';
comment on column modelpack.drift_figure.model is 'the model';
comment on column modelpack.drift_figure.version is 'version that gave the score';
comment on column modelpack.drift_figure.segment is 'the segment; empty: all rows';
comment on column modelpack.drift_figure.span is 'hour or day';
comment on column modelpack.drift_figure.at is 'its beginning';
comment on column modelpack.drift_figure.position is 'place of the input; 0: the score itself';
comment on column modelpack.drift_figure.input is 'name of the input; NULL: the score itself';
comment on column modelpack.drift_figure.against is 'reference: the sample of the version; last week: the seven days before without those that have drifted (of an hour the same hour of these days)';
comment on column modelpack.drift_figure.rows is 'rows that were compared';
comment on column modelpack.drift_figure.rows_before is 'rows that they were compared with';
comment on column modelpack.drift_figure.effective_rows is 'independent rows that the rows are worth, since rows of one entity are alike';
comment on column modelpack.drift_figure.psi is 'population stability index';
comment on column modelpack.drift_figure.jensen_shannon is 'Jensen-Shannon divergence in bits, from 0 to 1';
comment on column modelpack.drift_figure.wasserstein is 'Wasserstein distance, in units of the input; NULL of texts';
comment on column modelpack.drift_figure.missing is 'share of rows in which the input is missing';
comment on column modelpack.drift_figure.missing_before is 'the same of the rows before';
comment on column modelpack.drift_figure.unseen is 'share of rows with a text that the version was not fitted on';
comment on column modelpack.drift_figure.unseen_before is 'the same of the rows before';
comment on column modelpack.drift_figure.critical is 'what the psi exceeds by chance, without any change, as often as the setting drift_level says for all inputs together';
comment on column modelpack.drift_figure.drifted is 'whether the psi is above the critical value, and above the setting drift_effect';

create table modelpack.stale_count (
  profile text not null,
  score text not null,
  hour timestamptz not null,
  model text not null,
  rows bigint,
  stale bigint,
  reasons jsonb,
  counted_at timestamptz not null,
  primary key (profile, score, hour)
);
comment on table modelpack.stale_count is 'rows of profiles without a fresh score, as last counted in each hour';
comment on column modelpack.stale_count.profile is 'the profile table';
comment on column modelpack.stale_count.score is 'name of the score';
comment on column modelpack.stale_count.hour is 'the hour';
comment on column modelpack.stale_count.model is 'the model';
comment on column modelpack.stale_count.rows is 'rows of the profile, as the server''s statistics estimate them';
comment on column modelpack.stale_count.stale is 'those without a fresh score; NULL where nobody can count them until the declaration is applied again';
comment on column modelpack.stale_count.reasons is 'these by reason, the 20 most frequent';
comment on column modelpack.stale_count.counted_at is 'when they were counted';

create table modelpack.failure_count (
  profile text not null,
  version_id integer not null,
  kind text not null,
  hour timestamptz not null,
  failures bigint not null,
  primary key (hour, profile, version_id, kind)
);
comment on table modelpack.failure_count is 'failures of scoring by hour, from modelpack.failure_log';
comment on column modelpack.failure_count.profile is 'the profile table';
comment on column modelpack.failure_count.version_id is 'the version that gave no score';
comment on column modelpack.failure_count.kind is 'input, model, output, time, breaker, wheels or load';
comment on column modelpack.failure_count.hour is 'the hour';
comment on column modelpack.failure_count.failures is 'failures that the sampled rows tell of; other sessions may have had more';

create table modelpack.happening (
  happening_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  profile text,
  model text,
  what text not null
);
comment on table modelpack.happening is 'what happened and no other table keeps: declarations that were applied or taken off, models that were disabled or enabled';
comment on column modelpack.happening.happening_id is 'its number';
comment on column modelpack.happening.at is 'when';
comment on column modelpack.happening.kind is 'declaration, disable or enable';
comment on column modelpack.happening.profile is 'the profile table';
comment on column modelpack.happening.model is 'the model; NULL where it is about all of the profile';
comment on column modelpack.happening.what is 'in words';

insert into modelpack.setting (name, value, explanation) values
  ('rollup_days', '35', 'days for which modelpack.observe() keeps roll-ups by hour; those by day stay'),
  ('rollup_years', '5', 'years for which roll-ups by day stay'),
  ('drift_level', '10', 'in ten-thousandths: how likely a day on which nothing changed is called drifted, for a version and all its inputs together'),
  ('drift_effect', '10', 'in hundredths: a population stability index below that is no drift, however many rows there are');

-- New rows are found by their numbers. Partitions that are empty, as those for the days to come, get an index for it that an event
-- hardly pays; one that is written into is read from end to end until its day is over.
do $index$
declare
  v_setting constant text := pg_catalog.current_setting('lock_timeout');
  v_partition text;
begin
  perform pg_catalog.set_config('lock_timeout', '500ms', true);
  for v_partition in
    select c.relname from pg_catalog.pg_inherits as i join pg_catalog.pg_class as c on c.oid = i.inhrelid
     where i.inhparent = 'modelpack.prediction'::pg_catalog.regclass and c.relkind = 'r' and pg_catalog.pg_relation_size(c.oid) < 1000000
       -- a downgrade leaves them where they are: to drop one keeps events waiting
       and pg_catalog.to_regclass(format('modelpack.%I', c.relname || '_by_number')) is null
     order by c.relname
  loop
    begin
      execute format('create index %I on modelpack.%I using brin (prediction_id) with (pages_per_range = 32)', v_partition || '_by_number', v_partition);
      execute format('alter index modelpack.%I owner to modelpack_owner', v_partition || '_by_number');
      -- see schema/tables.sql
      perform pg_catalog.brin_desummarize_range(format('modelpack.%I', v_partition || '_by_number')::pg_catalog.regclass, 0);
    exception when lock_not_available then
      null;
    end;
  end loop;
  perform pg_catalog.set_config('lock_timeout', v_setting, true);
end
$index$;

create view modelpack.response as
select w.profile, w.score, w.model, w.version, nullif(w.arm, '') as arm, (r.at at time zone 'UTC')::date as day, r.predictions,
       case when cardinality(r.entity_hashes) < 512 then cardinality(r.entity_hashes)
            else round(511 / ((r.entity_hashes[512]::double precision + 2 ^ 63) / 2 ^ 64))::bigint end as entities,
       r.total / r.predictions as mean, case when r.predictions > 1 then sqrt(r.squares / (r.predictions - 1)) end as deviation,
       r.minimum, q.p05, q.p25, q.p50, q.p75, q.p95, r.maximum,
       case when r.minimum >= 0 and r.maximum <= 1 then q.uncertain::double precision / r.predictions end as uncertain_share,
       case when r.minimum >= 0 and r.maximum <= 1 then q.entropy / r.predictions end as entropy,
       least(q.largest, b.largest)::double precision / r.predictions as largest_share, greatest(cardinality(r.bins), b.different)::bigint as distinct_scores
  from modelpack.watched as w
  join modelpack.rollup as r using (watched_id)
 cross join lateral (
   select min(c.value) filter (where c.below >= 0.05 * r.predictions) as p05,
          min(c.value) filter (where c.below >= 0.25 * r.predictions) as p25,
          min(c.value) filter (where c.below >= 0.5 * r.predictions) as p50,
          min(c.value) filter (where c.below >= 0.75 * r.predictions) as p75,
          min(c.value) filter (where c.below >= 0.95 * r.predictions) as p95,
          coalesce(sum(c.count) filter (where c.value between 0.4 and 0.6), 0)::double precision as uncertain,
          sum(case when c.value > 0 and c.value < 1 then - c.count * (c.value * ln(c.value) + (1 - c.value) * ln(1 - c.value)) / ln(2::double precision) else 0 end) as entropy,
          max(c.count) as largest
     from (select v.value, v.count, sum(v.count) over (order by v.value rows unbounded preceding) as below
             from (select case when h.bin = 0 then 0 else greatest(r.minimum, least(r.maximum, sign(h.bin) * exp((abs(h.bin) - 2083.5)::double precision * 0.00995033085316808::double precision))) end as value, h.count
                     from unnest(r.bins, r.counts) as h (bin, count)) as v) as c) as q
 -- bins that are 1 % wide know little of numbers such as years: those of the version's reference may tell them apart
  left join lateral (
    select max(u.count) as largest, count(*) filter (where u.count > 0) as different
      from modelpack.rollup_input as i cross join lateral unnest(i.counts) as u (count)
     where i.watched_id = r.watched_id and i.span = r.span and i.at = r.at and i.position = 0 and i.rows = r.predictions) as b on true
 where r.span = 'day' and w.segment = '';
comment on view modelpack.response is 'the scores of each version and day: their distribution, how many say little, and whether they differ at all. Quantiles are exact to half a per cent of their value';
comment on column modelpack.response.profile is 'the profile table';
comment on column modelpack.response.score is 'name of the score';
comment on column modelpack.response.model is 'the model';
comment on column modelpack.response.version is 'version that gave the score';
comment on column modelpack.response.arm is 'arm of an experiment; NULL without one';
comment on column modelpack.response.day is 'the day (UTC)';
comment on column modelpack.response.predictions is 'rows of the log';
comment on column modelpack.response.entities is 'different entities; above 511 an estimate, good to 9 % in two of three cases';
comment on column modelpack.response.mean is 'mean score';
comment on column modelpack.response.deviation is 'standard deviation of the scores';
comment on column modelpack.response.minimum is 'least score';
comment on column modelpack.response.p05 is 'a twentieth of the scores is not above it';
comment on column modelpack.response.p25 is 'a quarter';
comment on column modelpack.response.p50 is 'half';
comment on column modelpack.response.p75 is 'three quarters';
comment on column modelpack.response.p95 is 'all but a twentieth';
comment on column modelpack.response.maximum is 'greatest score';
comment on column modelpack.response.uncertain_share is 'share of the scores between 0.4 and 0.6; NULL where scores are no probabilities';
comment on column modelpack.response.entropy is 'mean entropy of the scores in bits: 1 where every score is 0.5, 0 where all are 0 or 1; NULL where scores are no probabilities';
comment on column modelpack.response.largest_share is 'share of the most frequent score; scores within 1 % of each other count as one, unless an edge of the bins of the version lies between them';
comment on column modelpack.response.distinct_scores is 'different scores, at least; counted as in largest_share';

create view modelpack.drift as
select f.profile, f.score, f.model, f.version, (f.at at time zone 'UTC')::date as day, nullif(f.segment, '') as segment, f.input, f.against, f.rows, f.rows_before,
       f.effective_rows, f.psi, f.jensen_shannon, f.wasserstein, f.missing, f.missing_before, f.unseen, f.unseen_before, f.critical, f.drifted
  from modelpack.drift_figure as f
 where f.span = 'day';
comment on view modelpack.drift is 'inputs and scores of each version and day, against the version''s reference and against the last good week; the columns are those of modelpack.drift_figure';
-- the same for each hour: what began today
create view modelpack.drift_by_hour as
select f.profile, f.score, f.model, f.version, f.at as hour, nullif(f.segment, '') as segment, f.input, f.against, f.rows, f.rows_before,
       f.effective_rows, f.psi, f.jensen_shannon, f.wasserstein, f.missing, f.missing_before, f.unseen, f.unseen_before, f.critical, f.drifted
  from modelpack.drift_figure as f
 where f.span = 'hour';
comment on view modelpack.drift_by_hour is 'modelpack.drift by hour; the last week is the same hour of the seven days before';

create view modelpack.latency as
select w.profile, w.score, w.model, w.version, r.at as hour, sum(r.measured)::bigint as measured, q.p50, q.p95, q.p99
  from modelpack.rollup as r
  join modelpack.watched as w using (watched_id)
 cross join lateral (
   select min(c.value) filter (where c.below >= 0.5 * c.all) as p50, min(c.value) filter (where c.below >= 0.95 * c.all) as p95,
          min(c.value) filter (where c.below >= 0.99 * c.all) as p99
     from (select v.value, sum(v.count) over (order by v.value rows unbounded preceding) as below, sum(v.count) over () as all
             from (select case when h.bin < 0 then 0::double precision else exp((h.bin - 0.5)::double precision * 0.04879016416943205::double precision) end as value, sum(h.count) as count
                     from modelpack.watched as x join modelpack.rollup as s using (watched_id) cross join lateral unnest(s.time_bins, s.time_counts) as h (bin, count)
                    where x.profile = w.profile and x.score = w.score and x.model = w.model and x.version = w.version and x.segment = '' and s.span = 'hour' and s.at = r.at
                    group by 1) as v) as c) as q
 where r.span = 'hour' and w.segment = '' and r.measured > 0
 group by w.profile, w.score, w.model, w.version, r.at, q.p50, q.p95, q.p99;
comment on view modelpack.latency is 'how long the versions took for a score, by hour, where it was measured; exact to 2.5 %';
comment on column modelpack.latency.profile is 'the profile table';
comment on column modelpack.latency.score is 'name of the score';
comment on column modelpack.latency.model is 'the model';
comment on column modelpack.latency.version is 'version that gave the score';
comment on column modelpack.latency.hour is 'the hour';
comment on column modelpack.latency.measured is 'scores whose time was measured';
comment on column modelpack.latency.p50 is 'median, in microseconds';
comment on column modelpack.latency.p95 is 'all but a twentieth take no longer';
comment on column modelpack.latency.p99 is 'all but a hundredth take no longer';

create view modelpack.staleness as
select c.profile, c.score, c.model, c.hour, c.rows, c.stale, c.reasons from modelpack.stale_count as c;
comment on view modelpack.staleness is 'rows of profiles without a fresh score, as last counted in each hour; the columns are those of modelpack.stale_count';

create view modelpack.failures_by_hour as
select c.profile, v.model, v.version, c.hour, c.kind, c.failures from modelpack.failure_count as c join modelpack.version as v using (version_id);
comment on view modelpack.failures_by_hour is 'failures of scoring by hour, version and kind; the columns are those of modelpack.failure_count';

create view modelpack.timeline as
select p.at, p.action as kind, p.model,
       case p.action
         when 'promote' then format('version %s is the champion%s', p.version, case when p.previous is not null then ', before it was ' || p.previous else '' end)
         when 'rollback' then case when p.version is null then format('no champion any more, it was version %s', p.previous)
                                   else format('back to version %s from version %s', p.version, p.previous) end
         when 'alias' then format('%s is version %s', p.alias, p.version)
         when 'unalias' then format('no version is %s any more', p.alias)
         when 'approve' then format('version %s is approved', p.version)
         when 'withdraw' then format('the approval of version %s is withdrawn', p.version)
         else format('version %s is retired', p.version) end
       || format(', by %s', p.by) || case when p.reason <> '' then ': ' || p.reason else '' end as what
  from modelpack.promotion as p
union all
select h.at, h.kind, h.model, case when h.profile is not null then h.profile || ': ' else '' end || h.what from modelpack.happening as h
union all
select e.started_at, 'experiment', e.model,
       format('%s of %s begins on %s: %s', e.experiment, e.started_by, e.score,
              (select string_agg(format('%s is version %s', a.arm, a.version), ', ' order by a.position) from modelpack.arm as a where a.experiment_id = e.experiment_id))
  from modelpack.experiment as e
union all
select e.ended_at, 'experiment', e.model, format('%s ends: %s', e.experiment, e.ended_why) from modelpack.experiment as e where e.ended_at is not null
union all
select j.started_at, 'job', null, format('%s of %s: %s rows%s', j.task, j.profile, j.rows, case when j.ended_at is null then ', not ended' else '' end)
  from modelpack.job as j where j.task in ('rebuild', 'rescore', 'backfill')
union all
select i.checked_at, 'libraries', null, i.what
  from (select n.checked_at,
               concat_ws(', ', case when n.onnxruntime <> lag(n.onnxruntime) over places then format('onnxruntime %s, before %s', n.onnxruntime, lag(n.onnxruntime) over places) end,
                         case when n.numpy <> lag(n.numpy) over places then format('numpy %s, before %s', n.numpy, lag(n.numpy) over places) end,
                         case when n.python <> lag(n.python) over places then format('Python %s, before %s', n.python, lag(n.python) over places) end) as what
          from modelpack.inspection as n window places as (order by n.inspection_id)) as i
 where i.what <> '';
comment on view modelpack.timeline is 'what may be the cause of a change: promotions, rollbacks, disabling, declarations, experiments, jobs that compute features or scores anew, other versions of libraries';
comment on column modelpack.timeline.at is 'when';
comment on column modelpack.timeline.kind is 'promote, rollback, alias, unalias, approve, withdraw, retire, disable, enable, declaration, experiment, job or libraries (as first seen when a version was proven)';
comment on column modelpack.timeline.model is 'the model; NULL where it is about all of a profile or of the server';
comment on column modelpack.timeline.what is 'in words';

create view modelpack.features as
with declared as (
  select p.profile_id, p.name as profile, p.relation, f.value ->> 'name' as feature, e.value ->> 'table' as source, f.value as f, 1 as part, e.place as place, f.place as position,
         concat_ws(' and ', e.value ->> 'where', f.value ->> 'where') as condition
    from modelpack.profile as p
   cross join lateral jsonb_array_elements(p.declaration -> 'events') with ordinality as e (value, place)
   cross join lateral jsonb_array_elements(e.value -> 'features') with ordinality as f (value, place)
), taken as (
  select s.profile_id, i.value ->> 'name' as input, s.inputs -> (i.value ->> 'name') as mapped, v.model, v.version, v.version_id, i.place as position
    from modelpack.score as s
    join modelpack.version as v using (model)
   cross join lateral jsonb_array_elements(v.signature -> 'inputs') with ordinality as i (value, place)
   where not exists (select from modelpack.retirement as r where r.version_id = v.version_id)
), reads as (
  select t.profile_id, t.input as feature, t.model, t.version from taken as t where t.mapped is null
  union
  select t.profile_id, c.name, t.model, t.version from taken as t cross join lateral jsonb_array_elements_text(t.mapped -> 'columns') as c (name) where t.mapped is not null
), listed as (
  select d.profile_id, d.profile, d.relation, d.feature, d.source, d.part, d.place, d.position,
         case d.f ->> 'kind'
           when 'count' then 'number of rows'
           when 'total' then format('sum of %s', d.f ->> 'column')
           when 'mean' then format('mean of %s', d.f ->> 'column')
           when 'deviation' then format('standard deviation of %s', d.f ->> 'column')
           when 'minimum' then format('smallest %s', d.f ->> 'column')
           when 'maximum' then format('largest %s', d.f ->> 'column')
           when 'first' then format('first %s', d.f ->> 'column')
           when 'last' then format('last %s', d.f ->> 'column')
           when 'distinct' then format('number of different values of %s', d.f ->> 'column')
           when 'decayed' then format('%s, each counting half as much every %s', coalesce('sum of ' || (d.f ->> 'column'), 'number of rows'), d.f ->> 'half_life')
           else d.f ->> 'kind'
         end || format(' of %s', d.source) || case when d.condition <> '' then ' where ' || d.condition else '' end
         || coalesce(' in the last ' || (d.f ->> 'window'), '') as meaning,
         case when d.f ? 'window' then 'with every event; as time goes by with the next event or modelpack.refresh()'
              when d.f ->> 'kind' = 'decayed' then 'with every event, as of then'
              else 'with every event' end as fresh
    from declared as d
  union all
  select p.profile_id, p.name, p.relation, t.input, p.name, 2, 0, min(t.position),
         coalesce('computed: ' || min(t.mapped ->> 'sql'), 'a column of the profile, as the application keeps it'),
         case when min(t.mapped ->> 'sql') is null then 'as it is written' else 'at the moment of scoring' end
    from taken as t join modelpack.profile as p using (profile_id)
   where not exists (select from declared as d where d.profile_id = t.profile_id and d.feature = t.input)
   group by p.profile_id, p.name, p.relation, t.input
)
select l.profile, l.feature, l.meaning, l.source,
       coalesce((select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute as a where a.attrelid = l.relation and a.attname = l.feature and not a.attisdropped),
                'an input') as type,
       l.fresh, k.missing, k.minimum, k.maximum,
       (select coalesce(array_agg(distinct format('%s %s', r.model, r.version)), '{}')
          from (select x.model, x.version from reads as x where x.profile_id = l.profile_id and x.feature = l.feature
                union all select t.model, t.version from taken as t where t.profile_id = l.profile_id and t.input = l.feature) as r) as versions
  from listed as l
  left join lateral (
    select sum(i.missing)::double precision / sum(i.rows) as missing, min(i.minimum) as minimum, max(i.maximum) as maximum
      from modelpack.watched as w
      join modelpack.yardstick as y using (version_id)
      join modelpack.rollup_input as i on i.watched_id = w.watched_id and i.span = 'day' and i.position = y.position
     where w.profile = l.profile and w.segment = '' and y.position > 0 and y.input = l.feature
       and i.at > now() - interval '7 days') as k on true
 order by l.profile, l.part, l.place, l.position;
comment on view modelpack.features is 'the catalogue: every feature and input with its meaning, where it comes from, how fresh it is, and who uses it; missing values and range of the last seven days, as they were logged';
comment on column modelpack.features.profile is 'the profile table';
comment on column modelpack.features.feature is 'the feature, or the input';
comment on column modelpack.features.meaning is 'in words';
comment on column modelpack.features.source is 'the table that it comes from';
comment on column modelpack.features.type is 'type of its column; an input: it is computed, and has none';
comment on column modelpack.features.fresh is 'when it is brought up to date';
comment on column modelpack.features.missing is 'share of logged rows of the last seven days in which it was missing; NULL where nothing was logged';
comment on column modelpack.features.minimum is 'least value of these; NULL of texts';
comment on column modelpack.features.maximum is 'greatest value of these';
comment on column modelpack.features.versions is 'versions that use it and are not retired, as model and number';

grant select on modelpack.response, modelpack.latency, modelpack.timeline to modelpack_publisher, modelpack_approver, modelpack_monitor;
-- aggregates tell of rows where there are few: who may read the log may read them
grant select on modelpack.drift, modelpack.drift_by_hour, modelpack.staleness, modelpack.failures_by_hour, modelpack.features,
      modelpack.observed, modelpack.segment, modelpack.watched, modelpack.yardstick, modelpack.rollup, modelpack.rollup_input, modelpack.drift_figure,
      modelpack.stale_count, modelpack.failure_count, modelpack.happening
   to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.observed, modelpack.observed_part, modelpack.segment, modelpack.watched, modelpack.yardstick, modelpack.yardstick_text,
      modelpack.rollup, modelpack.rollup_input, modelpack.drift_figure, modelpack.stale_count, modelpack.failure_count, modelpack.happening,
      modelpack.response, modelpack.drift, modelpack.drift_by_hour, modelpack.latency, modelpack.staleness, modelpack.failures_by_hour, modelpack.timeline, modelpack.features
   to modelpack_owner;

-- Cohorts: the scores that stood at a moment; outcomes: what came of them. A room around the core: nothing else reads these.

create table modelpack.cut_off (
  profile text not null,
  score text not null,
  cut_off timestamptz not null,
  model text not null,
  kind text not null,
  until timestamptz not null,
  ripe_at timestamptz not null,
  early double precision,
  low double precision,
  high double precision,
  share integer not null,
  taken_at timestamptz not null default now(),
  complete boolean not null default false,
  rows bigint not null default 0,
  missed bigint not null default 0,
  primary key (profile, score, cut_off),
  constraint cut_off_kind check (kind in ('binary', 'number')),
  -- a sample in ten-thousandths
  constraint cut_off_share check (share between 1 and 10000),
  -- what is judged lies behind the cut-off, and is looked at once it is over
  constraint cut_off_order check (cut_off < until and until <= ripe_at)
);
comment on table modelpack.cut_off is 'moments at which the scores of a profile were written down to be judged, with what was declared then';
comment on column modelpack.cut_off.profile is 'the profile table';
comment on column modelpack.cut_off.score is 'name of the score';
comment on column modelpack.cut_off.cut_off is 'the moment';
comment on column modelpack.cut_off.model is 'the model of the score';
comment on column modelpack.cut_off.kind is 'binary: outcomes are 0 or 1; number';
comment on column modelpack.cut_off.until is 'end of the horizon: what comes later is no outcome of these scores';
comment on column modelpack.cut_off.ripe_at is 'end of the grace: from then on all outcomes can be settled';
comment on column modelpack.cut_off.early is 'the outcome that was settled as soon as its event was there, by the expression declared then; NULL where none could be';
comment on column modelpack.cut_off.low is 'least outcome that is possible; NULL: any';
comment on column modelpack.cut_off.high is 'greatest outcome that is possible; NULL: any';
comment on column modelpack.cut_off.share is 'entities that were written down, in ten-thousandths, chosen by a hash of the key: the same in every cohort';
comment on column modelpack.cut_off.taken_at is 'when writing them down began';
comment on column modelpack.cut_off.complete is 'whether all of the profile was looked at';
comment on column modelpack.cut_off.rows is 'entities that were written down';
comment on column modelpack.cut_off.missed is 'entities that had been scored again since, whose score at the cut-off the log does not hold any more, or that had none';

create table modelpack.cohort (
  profile text not null,
  score text not null,
  cut_off timestamptz not null,
  entity_key text not null,
  version integer not null,
  prediction double precision not null,
  scored_at timestamptz not null,
  stale boolean not null default false,
  from_log boolean not null default false,
  segments jsonb not null default '{}',
  primary key (profile, score, cut_off, entity_key),
  foreign key (profile, score, cut_off) references modelpack.cut_off on delete cascade,
  -- a score that came later knew more
  constraint cohort_scored_before check (scored_at <= cut_off)
);
comment on table modelpack.cohort is 'the score that stood for each entity at a cut-off; rows do not change';
comment on column modelpack.cohort.profile is 'the profile table';
comment on column modelpack.cohort.score is 'name of the score';
comment on column modelpack.cohort.cut_off is 'the moment';
comment on column modelpack.cohort.entity_key is 'key of the profile row, as the log writes it';
comment on column modelpack.cohort.version is 'version that gave the score';
comment on column modelpack.cohort.prediction is 'the score';
comment on column modelpack.cohort.scored_at is 'when it was given: never after the cut-off';
comment on column modelpack.cohort.stale is 'whether the profile row said that it was stale when it was written down';
comment on column modelpack.cohort.from_log is 'whether the prediction log gave it, since the profile had another score by then';
comment on column modelpack.cohort.segments is 'the declared columns, by name, as they were when the row was written down';

create table modelpack.outcome (
  profile text not null,
  score text not null,
  cut_off timestamptz not null,
  entity_key text not null,
  value double precision,
  at timestamptz,
  how text not null default 'recorded',
  settled_at timestamptz not null default now(),
  settled_by name not null default current_user,
  primary key (profile, score, cut_off, entity_key),
  foreign key (profile, score, cut_off, entity_key) references modelpack.cohort on delete cascade,
  constraint outcome_how check (how in ('recorded', 'event', 'horizon', 'lost')),
  -- only what was lost has no value, and only what was recorded a time of its own
  constraint outcome_value check ((value is null) = (how = 'lost') and (how <> 'recorded' or at is not null))
);
comment on table modelpack.outcome is 'what came of the scores of a cohort: one row for each that is settled, which does not change. Truth from outside is a plain INSERT, or modelpack.record_outcome()';
comment on column modelpack.outcome.profile is 'the profile table';
comment on column modelpack.outcome.score is 'name of the score';
comment on column modelpack.outcome.cut_off is 'the moment of the score';
comment on column modelpack.outcome.entity_key is 'key of the profile row, as the log writes it';
comment on column modelpack.outcome.value is 'the outcome: 0 or 1, or a number; NULL where it is lost';
comment on column modelpack.outcome.at is 'when it happened, where it came from outside';
comment on column modelpack.outcome.how is 'recorded: from outside; event: settled by an event before the horizon; horizon: settled after horizon and grace; lost: the profile row is gone, or the expression gave NULL';
comment on column modelpack.outcome.settled_at is 'when it was settled';
comment on column modelpack.outcome.settled_by is 'who did it';

create view modelpack.judgement as
select c.profile, c.score, k.model, c.version, c.cut_off, c.entity_key, c.prediction, c.scored_at, c.stale, c.segments,
       case when o.how is null then 'pending' when o.how = 'lost' then 'lost' else 'settled' end as status,
       o.value as outcome, o.how, o.at, o.settled_at, k.kind, k.until, k.ripe_at
  from modelpack.cohort as c
  join modelpack.cut_off as k using (profile, score, cut_off)
  left join modelpack.outcome as o using (profile, score, cut_off, entity_key);
comment on view modelpack.judgement is 'every score of a cohort beside its outcome: settled, pending, or lost';

create view modelpack.fit as
with placed as (
  select j.*, rank() over same_kind + (count(*) over (partition by j.profile, j.score, j.version, j.cut_off, j.status, j.prediction) - 1) / 2.0 as place
    from modelpack.judgement as j
  window same_kind as (partition by j.profile, j.score, j.version, j.cut_off, j.status order by j.prediction)
), counted as (
  select p.profile, p.score, p.model, p.version, p.cut_off, p.kind, p.ripe_at,
         count(*) as rows,
         count(*) filter (where p.status = 'settled') as settled,
         count(*) filter (where p.status = 'pending') as pending,
         count(*) filter (where p.status = 'lost') as lost,
         avg(p.prediction) filter (where p.status = 'settled') as mean_score,
         avg(p.outcome) as mean_outcome,
         avg((p.prediction - p.outcome) ^ 2) as mean_square,
         avg(abs(p.prediction - p.outcome)) as mean_absolute,
         sum(p.place) filter (where p.outcome = 1)::double precision as places,
         count(*) filter (where p.outcome = 1)::double precision as ones,
         count(*) filter (where p.outcome = 0)::double precision as zeros
    from placed as p
   group by p.profile, p.score, p.model, p.version, p.cut_off, p.kind, p.ripe_at
)
select c.profile, c.score, c.model, c.version, c.cut_off, c.rows, c.settled, c.pending, c.lost,
       c.pending::double precision / c.rows as pending_share,
       c.ripe_at <= now() and c.pending = 0 as final,
       c.mean_score, c.mean_outcome,
       case when c.kind = 'binary' then (c.places - c.ones * (c.ones + 1) / 2) / nullif(c.ones * c.zeros, 0) end as auc,
       case when c.kind = 'binary' then c.mean_square end as brier,
       case when c.kind = 'number' then c.mean_absolute end as mae,
       case when c.kind = 'number' then sqrt(c.mean_square) end as rmse
  from counted as c;
comment on view modelpack.fit is 'simple figures of each version and cut-off, of what is settled; while "final" is false, what is settled early is not like the rest, and the figures are not yet those of the cohort';

grant select on modelpack.cut_off, modelpack.fit to modelpack_publisher, modelpack_approver, modelpack_monitor;
grant select on modelpack.cohort, modelpack.outcome, modelpack.judgement to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.cut_off, modelpack.cohort, modelpack.outcome,
      modelpack.judgement, modelpack.fit
   to modelpack_owner;
-- who may say what is true: not how it came to be known
grant insert (profile, score, cut_off, entity_key, value, at) on modelpack.outcome to modelpack_publisher;

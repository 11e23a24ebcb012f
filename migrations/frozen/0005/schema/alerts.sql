-- Alerts: what is looked at, by which bounds, and what is open. A room around the core: nothing else reads these.

create table modelpack.alert_kind (
  kind text primary key,
  position integer not null,
  bound double precision,
  below boolean not null default false,
  severe double precision not null,
  opens_after integer not null,
  closes_after integer not null,
  unit text not null,
  meaning text not null,
  -- looks in a row
  constraint alert_kind_looks check (opens_after > 0 and closes_after > 0),
  -- what is severe lies beyond the bound
  constraint alert_kind_severe check (severe > 1)
);
comment on table modelpack.alert_kind is 'what modelpack.raise_alerts() looks at, and the bounds that hold where nobody has set others: modelpack.set_alert()';
comment on column modelpack.alert_kind.kind is 'name of the kind';
comment on column modelpack.alert_kind.position is 'order in lists';
comment on column modelpack.alert_kind.bound is 'the bound; NULL: looked at only where one is set';
comment on column modelpack.alert_kind.below is 'whether it is bad to be below the bound; else above';
comment on column modelpack.alert_kind.severe is 'so many times the bound open an alert at the first look';
comment on column modelpack.alert_kind.opens_after is 'so many looks in a row beyond the bound open an alert';
comment on column modelpack.alert_kind.closes_after is 'so many looks in a row well on the right side of the bound, by a fifth of it, close an alert';
comment on column modelpack.alert_kind.unit is 'what bound and value are: a share, a count, seconds, or the name of a figure';
comment on column modelpack.alert_kind.meaning is 'what it says, in words';

insert into modelpack.alert_kind (kind, position, bound, below, severe, opens_after, closes_after, unit, meaning) values
  ('drift', 1, 0.1, false, 5, 3, 10, 'PSI', 'an input or the score is distributed otherwise than in the reference or the last good week, by more than chance'),
  ('one_value', 2, 0.9, false, 1.1, 3, 10, 'share', 'so large a share of the scores of a day is one and the same value'),
  ('uncertain', 3, 0.9, false, 1.1, 3, 10, 'share', 'so large a share of the scores of a day lies in the uncertain band'),
  ('few_scores', 4, 3, true, 3, 3, 10, 'count', 'the scores of a day take no more than a few values'),
  ('stale', 5, 0.05, false, 5, 3, 5, 'share', 'so large a share of the rows of a profile has no fresh score'),
  ('failures', 6, 10, false, 100, 3, 5, 'count', 'so often within an hour a version gave no score'),
  ('latency', 7, 0.5, false, 2, 3, 5, 'share', 'the slowest of a hundred scores of an hour takes so much of the time budget'),
  ('pending', 8, 0.05, false, 10, 3, 3, 'share', 'so large a share of outcomes that could be settled a day ago is pending'),
  ('auc', 9, null, true, 1.2, 1, 1, 'AUC', 'the newest final cohort has a lower AUC'),
  ('brier', 10, null, false, 1.5, 1, 1, 'Brier score', 'the newest final cohort has a higher Brier score'),
  ('mae', 11, null, false, 1.5, 1, 1, 'MAE', 'the newest final cohort has a higher mean absolute error'),
  ('rmse', 12, null, false, 1.5, 1, 1, 'RMSE', 'the newest final cohort has a higher root mean square error'),
  ('split', 13, 0.001, true, 10, 1, 10, 'p-value', 'entities of an experiment were not given to its arms as the weights say'),
  ('guardrail', 14, 0, false, 2, 1, 1, 'count', 'a guardrail ended an experiment within the last day'),
  ('interrupted', 15, 3600, false, 24, 1, 2, 'seconds', 'a job was interrupted, and nobody has called it again'),
  ('backlog', 16, 86400, false, 7, 3, 3, 'seconds', 'a shadow has not scored what the log has held for so long'),
  ('observe', 17, 7200, false, 2, 1, 1, 'seconds', 'modelpack.observe() was last at its end so long ago, so nothing else can be trusted; whoever reads alerts finds it out');

create table modelpack.alert_rule (
  model text not null default '',
  kind text not null references modelpack.alert_kind,
  bound double precision,
  set_at timestamptz not null default now(),
  set_by name not null,
  primary key (model, kind)
);
comment on table modelpack.alert_rule is 'bounds that somebody has set: modelpack.set_alert()';
comment on column modelpack.alert_rule.model is 'the model; empty: all that have no bound of their own';
comment on column modelpack.alert_rule.kind is 'what is looked at';
comment on column modelpack.alert_rule.bound is 'the bound; NULL: it is not looked at';
comment on column modelpack.alert_rule.set_at is 'since when';
comment on column modelpack.alert_rule.set_by is 'who set it';

create table modelpack.alert (
  alert_id bigint generated always as identity primary key,
  model text not null default '',
  kind text not null,
  subject text not null,
  opened_at timestamptz not null default clock_timestamp(),
  closed_at timestamptz,
  value double precision,
  bound double precision not null,
  words text not null,
  closed_because text,
  -- it is closed, and something says why
  constraint alert_closed check ((closed_at is null) = (closed_because is null))
);
-- one of a kind and subject is open at a time
create unique index alert_open on modelpack.alert (model, kind, subject) where closed_at is null;
create index alert_opened_at_idx on modelpack.alert (opened_at);
comment on table modelpack.alert is 'alerts: open while closed_at is NULL';
comment on column modelpack.alert.alert_id is 'its number';
comment on column modelpack.alert.model is 'the model; empty: it is no single model''s';
comment on column modelpack.alert.kind is 'what is wrong: modelpack.alert_kind says what it means';
comment on column modelpack.alert.subject is 'what of the model: score and version, profile, experiment, job';
comment on column modelpack.alert.opened_at is 'since when';
comment on column modelpack.alert.closed_at is 'until when';
comment on column modelpack.alert.value is 'the figure, as it was last seen beyond the bound; NULL: infinite';
comment on column modelpack.alert.bound is 'the bound then';
comment on column modelpack.alert.words is 'what is wrong, in words';
comment on column modelpack.alert.closed_because is 'why it was closed';

create table modelpack.alert_watch (
  model text not null,
  kind text not null,
  subject text not null,
  beyond integer not null default 0,
  well integer not null default 0,
  value double precision,
  bound double precision,
  looked_at timestamptz not null default clock_timestamp(),
  primary key (model, kind, subject)
);
comment on table modelpack.alert_watch is 'what modelpack.raise_alerts() saw at its last look, and for how many looks in a row; a row that is beyond no bound and not open goes';
comment on column modelpack.alert_watch.model is 'the model';
comment on column modelpack.alert_watch.kind is 'what is looked at';
comment on column modelpack.alert_watch.subject is 'what of the model';
comment on column modelpack.alert_watch.beyond is 'looks in a row at which it was beyond its bound';
comment on column modelpack.alert_watch.well is 'looks in a row at which it was well on the right side, or could not be measured';
comment on column modelpack.alert_watch.value is 'the figure';
comment on column modelpack.alert_watch.bound is 'its bound';
comment on column modelpack.alert_watch.looked_at is 'when';

create table modelpack.alert_look (
  one boolean primary key default true,
  looked_at timestamptz,
  constraint alert_look_one check (one)
);
insert into modelpack.alert_look default values;
comment on table modelpack.alert_look is 'one row: when modelpack.raise_alerts() last looked at everything';
comment on column modelpack.alert_look.one is 'true';
comment on column modelpack.alert_look.looked_at is 'when; NULL: never';

create table modelpack.alert_event (
  event_id bigint generated always as identity primary key,
  alert_id bigint not null references modelpack.alert,
  what text not null,
  at timestamptz not null default clock_timestamp(),
  constraint alert_event_what check (what in ('opened', 'closed'))
);
create index alert_event_alert_idx on modelpack.alert_event (alert_id);
comment on table modelpack.alert_event is 'openings and closings, in the order of their commits: who writes here holds the table alert_watch';
comment on column modelpack.alert_event.event_id is 'order; receivers drop repeats by it';
comment on column modelpack.alert_event.alert_id is 'the alert';
comment on column modelpack.alert_event.what is 'opened or closed';
comment on column modelpack.alert_event.at is 'when';

create table modelpack.alert_channel (
  channel text primary key,
  began_after bigint not null,
  sent bigint not null,
  sent_at timestamptz
);
comment on table modelpack.alert_channel is 'how far each receiver of alerts has been told';
comment on column modelpack.alert_channel.channel is 'webhook or mail, with a hash of the address: addresses may hold secrets';
comment on column modelpack.alert_channel.began_after is 'of events up to this one only openings of alerts that were open when it began are sent';
comment on column modelpack.alert_channel.sent is 'the last event that was sent';
comment on column modelpack.alert_channel.sent_at is 'when';

create view modelpack.alert_bounds as
select m.model, k.kind, case when r.kind is not null then r.bound when a.kind is not null then a.bound else k.bound end as bound,
       k.below, k.severe, k.opens_after, k.closes_after, k.unit, k.meaning,
       coalesce(r.set_by, a.set_by) as set_by, k.position
  from (select x.model from modelpack.model as x union all values ('')) as m
 cross join modelpack.alert_kind as k
  left join modelpack.alert_rule as r on r.model = m.model and r.kind = k.kind
  left join modelpack.alert_rule as a on a.model = '' and a.kind = k.kind;
comment on view modelpack.alert_bounds is 'the bound of every model and kind: its own, else that of all models, else the default; NULL: it is not looked at';

create view modelpack.running_version as
select distinct x.model, x.version
  from (select a.model, a.version from modelpack.alias as a where a.alias = 'champion'
        union all
        select e.model, r.version from modelpack.experiment as e join modelpack.arm as r using (experiment_id) where e.ended_at is null) as x;
comment on view modelpack.running_version is 'versions that score: champions, and those of experiments that run';

grant select on modelpack.running_version, modelpack.alert_kind, modelpack.alert_rule, modelpack.alert, modelpack.alert_bounds, modelpack.alert_look, modelpack.alert_watch, modelpack.alert_event
   to modelpack_publisher, modelpack_approver, modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.alert_kind, modelpack.alert_rule, modelpack.alert, modelpack.alert_watch, modelpack.alert_look,
      modelpack.alert_event, modelpack.alert_channel, modelpack.alert_bounds, modelpack.running_version
   to modelpack_owner;

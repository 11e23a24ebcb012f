-- Experiments: several versions of a model at once, each for a share of the entities. A room around the core and outcomes.

create table modelpack.experiment (
  experiment_id integer generated always as identity primary key,
  experiment text not null unique,
  profile text not null,
  score text not null,
  model text not null,
  condition text,
  started_at timestamptz not null default now(),
  started_by name not null,
  stale_limit double precision not null,
  time_limit double precision not null,
  ended_at timestamptz,
  ended_by name,
  ended_why text,
  winner text,
  -- it ended, or it runs
  constraint experiment_end check ((ended_at is null) = (ended_by is null) and (ended_at is null) = (ended_why is null)),
  -- limits of the guardrails
  constraint experiment_limits check (stale_limit >= 0 and stale_limit <= 1 and time_limit > 0)
);
-- a score has one experiment at a time
create unique index experiment_running on modelpack.experiment (profile, score) where ended_at is null;
comment on table modelpack.experiment is 'experiments on scores: one runs while ended_at is NULL';
comment on column modelpack.experiment.experiment_id is 'its number';
comment on column modelpack.experiment.experiment is 'its name';
comment on column modelpack.experiment.profile is 'the profile table';
comment on column modelpack.experiment.score is 'the score whose version differs from arm to arm';
comment on column modelpack.experiment.model is 'the model of the score';
comment on column modelpack.experiment.condition is 'which rows p take part when they are first scored, as SQL; NULL: all';
comment on column modelpack.experiment.started_at is 'when it began';
comment on column modelpack.experiment.started_by is 'who began it';
comment on column modelpack.experiment.stale_limit is 'the share of rows of an arm without a fresh score, beyond that of the first arm, at which modelpack.watch_experiments() ends it';
comment on column modelpack.experiment.time_limit is 'how many times as long as in the first arm a score may take in another, in the median, before modelpack.watch_experiments() ends it';
comment on column modelpack.experiment.ended_at is 'when it ended; NULL while it runs';
comment on column modelpack.experiment.ended_by is 'who ended it';
comment on column modelpack.experiment.ended_why is 'why';
comment on column modelpack.experiment.winner is 'the arm whose version was promoted at its end; NULL where none was';

create table modelpack.arm (
  experiment_id integer not null references modelpack.experiment,
  arm text not null,
  position integer not null,
  version integer not null,
  primary key (experiment_id, arm)
);
comment on table modelpack.arm is 'arms of experiments; two may have the same version';
comment on column modelpack.arm.experiment_id is 'the experiment';
comment on column modelpack.arm.arm is 'name of the arm';
comment on column modelpack.arm.position is 'its place; the first one is what the others are compared with';
comment on column modelpack.arm.version is 'the version that scores its entities';

create table modelpack.weighting (
  weighting_id bigint generated always as identity primary key,
  experiment_id integer not null references modelpack.experiment,
  weights jsonb not null,
  since timestamptz not null default clock_timestamp(),
  set_by name not null,
  reason text not null
);
comment on table modelpack.weighting is 'the weights that new entities were given to the arms of an experiment with, and since when';
comment on column modelpack.weighting.weighting_id is 'number of the change';
comment on column modelpack.weighting.experiment_id is 'the experiment';
comment on column modelpack.weighting.weights is 'the probability of each arm; they sum to 1';
comment on column modelpack.weighting.since is 'when they were set';
comment on column modelpack.weighting.set_by is 'who set them';
comment on column modelpack.weighting.reason is 'why';

create table modelpack.assignment (
  experiment_id integer not null references modelpack.experiment,
  entity_key text not null,
  arm text not null,
  weight double precision not null,
  weighting_id bigint not null,
  assigned_at timestamptz not null default clock_timestamp(),
  primary key (experiment_id, entity_key),
  foreign key (experiment_id, arm) references modelpack.arm,
  constraint assignment_weight check (weight > 0 and weight <= 1)
);
comment on table modelpack.assignment is 'the arm of each entity: drawn when its row was first scored in the experiment, and never changed';
comment on column modelpack.assignment.experiment_id is 'the experiment';
comment on column modelpack.assignment.entity_key is 'key of the profile row, as the log writes it';
comment on column modelpack.assignment.arm is 'its arm';
comment on column modelpack.assignment.weight is 'the probability with which it was given this arm';
comment on column modelpack.assignment.weighting_id is 'the weights that it was drawn with';
comment on column modelpack.assignment.assigned_at is 'when';

create table modelpack.exposure (
  experiment_id integer not null,
  entity_key text not null,
  exposed_at timestamptz not null default now(),
  what text not null default '',
  primary key (experiment_id, entity_key, exposed_at, what),
  foreign key (experiment_id, entity_key) references modelpack.assignment on delete cascade
);
comment on table modelpack.exposure is 'when an application acted on a score of an experiment, where it says so: modelpack.expose()';
comment on column modelpack.exposure.experiment_id is 'the experiment';
comment on column modelpack.exposure.entity_key is 'key of the profile row, as the log writes it';
comment on column modelpack.exposure.exposed_at is 'when it acted';
comment on column modelpack.exposure.what is 'what it did';

create view modelpack.experiments as
select e.experiment, e.profile, e.score, e.model, a.arm, a.version, e.started_at, e.ended_at, e.ended_why, e.winner,
       (select (w.weights ->> a.arm)::double precision from modelpack.weighting as w
         where w.experiment_id = e.experiment_id order by w.weighting_id desc limit 1) as weight,
       (select count(*) from modelpack.assignment as s where s.experiment_id = a.experiment_id and s.arm = a.arm) as entities
  from modelpack.experiment as e join modelpack.arm as a using (experiment_id);
comment on view modelpack.experiments is 'every arm of every experiment, with its weight now and the entities that it was given';

create view modelpack.arm_log as
select e.experiment, s.arm, s.weight, p.*
  from modelpack.prediction as p
  join modelpack.experiment as e
    on e.profile = p.profile and e.score = p.score and p.scored_at >= e.started_at and p.scored_at < coalesce(e.ended_at, 'infinity')
  join modelpack.assignment as s on s.experiment_id = e.experiment_id and s.entity_key = p.entity_key and s.assigned_at <= p.scored_at;
comment on view modelpack.arm_log is 'the prediction log of experiments: every row with its arm, and the weight with which its entity got that';

grant select on modelpack.experiment, modelpack.arm, modelpack.weighting, modelpack.experiments to modelpack_publisher, modelpack_approver, modelpack_monitor;
grant select on modelpack.assignment, modelpack.exposure, modelpack.arm_log to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.experiment, modelpack.arm, modelpack.weighting, modelpack.assignment, modelpack.exposure,
      modelpack.experiments, modelpack.arm_log
   to modelpack_owner;

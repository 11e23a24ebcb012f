-- Shadows: versions that score what the log holds, beside those that scored it, and write nowhere else. A room around the core.

create table modelpack.shadow (
  shadow_id integer generated always as identity primary key,
  model text not null,
  version integer not null,
  share integer not null,
  started_at timestamptz not null default now(),
  started_by name not null,
  ended_at timestamptz,
  ended_by name,
  -- a sample in ten-thousandths
  constraint shadow_share check (share >= 1 and share <= 10000)
);
-- a version is a shadow once at a time
create unique index shadow_running on modelpack.shadow (model, version) where ended_at is null;
comment on table modelpack.shadow is 'versions that score logged inputs beside those that scored them; one runs while ended_at is NULL';
comment on column modelpack.shadow.shadow_id is 'its number';
comment on column modelpack.shadow.model is 'the model';
comment on column modelpack.shadow.version is 'the version';
comment on column modelpack.shadow.share is 'entities whose rows it scores, in ten-thousandths, chosen by a hash of the key';
comment on column modelpack.shadow.started_at is 'rows of the log from then on are scored';
comment on column modelpack.shadow.started_by is 'who began it';
comment on column modelpack.shadow.ended_at is 'rows of the log until then are scored; NULL while it runs';
comment on column modelpack.shadow.ended_by is 'who ended it';

create table modelpack.shadow_score (
  shadow_id integer not null references modelpack.shadow on delete cascade,
  prediction_id bigint not null,
  scored_at timestamptz not null,
  profile text not null,
  score text not null,
  entity_key text not null,
  version integer not null,
  prediction double precision not null,
  shadow_prediction double precision,
  primary key (shadow_id, prediction_id)
);
comment on table modelpack.shadow_score is 'what a shadow says of a row of the prediction log, beside what was said then';
comment on column modelpack.shadow_score.shadow_id is 'the shadow';
comment on column modelpack.shadow_score.prediction_id is 'the row of the log';
comment on column modelpack.shadow_score.scored_at is 'when it was scored';
comment on column modelpack.shadow_score.profile is 'the profile table';
comment on column modelpack.shadow_score.score is 'name of the score';
comment on column modelpack.shadow_score.entity_key is 'key of the profile row';
comment on column modelpack.shadow_score.version is 'version that gave the score';
comment on column modelpack.shadow_score.prediction is 'the score';
comment on column modelpack.shadow_score.shadow_prediction is 'what the shadow gives for the same inputs; NULL where it gives none';

create view modelpack.shadow_difference as
select s.model, s.version as shadow, d.score, d.version, count(*) as rows, count(*) filter (where d.shadow_prediction is null) as failed,
       avg(d.shadow_prediction - d.prediction) as mean_difference, avg(abs(d.shadow_prediction - d.prediction)) as mean_absolute_difference,
       max(abs(d.shadow_prediction - d.prediction)) as largest_difference, corr(d.shadow_prediction, d.prediction) as correlation
  from modelpack.shadow as s join modelpack.shadow_score as d on d.shadow_id = s.shadow_id
 group by s.model, s.version, d.score, d.version;
comment on view modelpack.shadow_difference is 'how far shadows are from the versions that scored; modelpack shadow show says more';

grant select on modelpack.shadow, modelpack.shadow_difference to modelpack_publisher, modelpack_approver, modelpack_monitor;
grant select on modelpack.shadow_score to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.shadow, modelpack.shadow_score, modelpack.shadow_difference to modelpack_owner;

-- Shadows: versions that score what the log holds, beside those that scored it, and write nowhere else. A room around the core.

create table modelpack.shadow (
  shadow_id integer generated always as identity primary key,
  model text not null,
  version integer not null,
  share integer not null,
  input_room integer not null default 100000,
  input_limit bigint,
  started_at timestamptz not null default now(),
  started_by name not null,
  ended_at timestamptz,
  ended_by name,
  -- a sample in ten-thousandths
  constraint shadow_share check (share >= 1 and share <= 10000),
  -- that much may wait
  constraint shadow_input_room check (input_room >= 0)
);
-- a version is a shadow once at a time
create unique index shadow_running on modelpack.shadow (model, version) where ended_at is null;
comment on table modelpack.shadow is 'versions that score logged inputs beside those that scored them; one runs while ended_at is NULL';
comment on column modelpack.shadow.shadow_id is 'its number';
comment on column modelpack.shadow.model is 'the model';
comment on column modelpack.shadow.version is 'the version';
comment on column modelpack.shadow.share is 'entities whose rows it scores, in ten-thousandths, chosen by a hash of the key';
comment on column modelpack.shadow.input_room is 'so many of its inputs may wait until modelpack.score_shadows() is called; events write no more';
comment on column modelpack.shadow.input_limit is 'events write its inputs into shadow_input up to this input_id; NULL where the log has what it needs, or nothing of it is left to score';
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

create table modelpack.shadow_input (
  input_id bigint generated always as identity,
  -- no foreign key: who scores holds the row of the shadow, and an event would wait for him
  shadow_id integer not null,
  profile text not null,
  score text not null,
  entity_key text not null,
  scored_at timestamptz not null,
  version integer not null,
  inputs double precision[] not null,
  text_inputs text[]
)
-- to give pages back at the end, VACUUM takes a lock that an event waits for
with (vacuum_truncate = off, toast.vacuum_truncate = off);
-- not unique: a unique index makes one who writes wait for another
create index shadow_input_idx on modelpack.shadow_input (shadow_id, scored_at);
comment on table modelpack.shadow_input is 'what a shadow is to be fed and the log does not hold, written by the event that scored the row; gone once the shadow has scored it';
comment on column modelpack.shadow_input.input_id is 'its number';
comment on column modelpack.shadow_input.shadow_id is 'the shadow';
comment on column modelpack.shadow_input.profile is 'the profile table';
comment on column modelpack.shadow_input.score is 'name of the score';
comment on column modelpack.shadow_input.entity_key is 'key of the profile row';
comment on column modelpack.shadow_input.scored_at is 'when it was scored, as in the log';
comment on column modelpack.shadow_input.version is 'version that gave the score';
comment on column modelpack.shadow_input.inputs is 'numbers, in the order of the shadow''s signature';
comment on column modelpack.shadow_input.text_inputs is 'texts, in the order of the shadow''s signature; NULL where it takes none';

create view modelpack.shadow_difference as
select s.model, s.version as shadow, d.score, d.version, count(*) as rows, count(*) filter (where d.shadow_prediction is null) as failed,
       avg(d.shadow_prediction - d.prediction) as mean_difference, avg(abs(d.shadow_prediction - d.prediction)) as mean_absolute_difference,
       max(abs(d.shadow_prediction - d.prediction)) as largest_difference, corr(d.shadow_prediction, d.prediction) as correlation
  from modelpack.shadow as s join modelpack.shadow_score as d on d.shadow_id = s.shadow_id
 group by s.model, s.version, d.score, d.version;
comment on view modelpack.shadow_difference is 'how far shadows are from the versions that scored; modelpack shadow show says more';

grant select on modelpack.shadow, modelpack.shadow_difference to modelpack_publisher, modelpack_approver, modelpack_monitor;
grant select on modelpack.shadow_score, modelpack.shadow_input to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.shadow, modelpack.shadow_score, modelpack.shadow_input, modelpack.shadow_difference to modelpack_owner;
-- how far it is says how much has been written
grant select on sequence modelpack.shadow_input_input_id_seq to modelpack_owner;

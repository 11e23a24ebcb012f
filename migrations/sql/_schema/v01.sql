-- Roles, tables and views of the schema modelpack.

do $roles$
declare
  v_role text;
begin
  foreach v_role in array array['owner', 'publisher', 'approver', 'reader', 'monitor'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = 'modelpack_' || v_role) then
      begin
        execute format('create role %I nologin', 'modelpack_' || v_role);
      exception when duplicate_object or unique_violation then
        null;  -- roles are the whole server's: another database makes them at this moment
      end;
    end if;
  end loop;
end
$roles$;

comment on role modelpack_owner is 'owns everything in the schema modelpack and keeps features and scores; grant it to the role that runs migrations';
comment on role modelpack_publisher is 'publishes and promotes versions';
comment on role modelpack_approver is 'approves promotions of models that need it';
comment on role modelpack_reader is 'scores ad hoc and reads the registry without the bytes of models';
comment on role modelpack_monitor is 'reads the registry and the prediction log';

alter schema modelpack owner to modelpack_owner;
comment on schema modelpack is 'modelpack: events keep the features of a profile, a stored model rescores it in the same transaction';
revoke all on schema modelpack from public;
grant usage on schema modelpack to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;

create table modelpack.setting (
  name text primary key,
  value text not null,
  explanation text not null
);
comment on table modelpack.setting is 'what a DBA may turn; nothing in the hot path reads it';
comment on column modelpack.setting.name is 'name of the setting';
comment on column modelpack.setting.value is 'its value, as text';
comment on column modelpack.setting.explanation is 'what it does';
insert into modelpack.setting (name, value, explanation) values
  ('log_retention', '90 days', 'partitions of the prediction log that are older are dropped by modelpack.maintain()'),
  ('log_partition_days', '7', 'days that one partition of the prediction log holds'),
  ('log_partitions_ahead', '4', 'partitions of the prediction log that modelpack.maintain() makes ahead'),
  ('model_bytes', '128 MB', 'a larger model is not published'),
  ('model_nodes', '10000', 'a model of more operators is not published'),
  ('trial_memory', '1 GB', 'address space that the process which tries a model may use'),
  ('trial_seconds', '20', 'seconds that the process which tries a model may take');

create table modelpack.model (
  model text primary key,
  description text not null default '',
  created_at timestamptz not null default now(),
  created_by name not null default session_user,
  -- a name that fits every generated object
  constraint model_name_is_plain check (model ~ '^[a-z][a-z0-9_]{0,40}$')
);
comment on table modelpack.model is 'models by name; a model has versions';
comment on column modelpack.model.model is 'name of the model';
comment on column modelpack.model.description is 'what the model is for';
comment on column modelpack.model.created_at is 'when the first version was published';
comment on column modelpack.model.created_by is 'who published the first version';

create table modelpack.artifact (
  sha256 text primary key,
  onnx bytea not null,
  -- the key is the hash of the bytes, whoever writes the row
  constraint artifact_hash_is_true check (sha256 = encode(sha256(onnx), 'hex'))
);
alter table modelpack.artifact alter column onnx set storage external;
comment on table modelpack.artifact is 'bytes of models in ONNX, by content; only modelpack_owner reads them';
comment on column modelpack.artifact.sha256 is 'SHA-256 of the bytes, in hex';
comment on column modelpack.artifact.onnx is 'the model in ONNX normal form: inputs "number" and "text", output "score"';

create table modelpack.version (
  version_id integer generated always as identity primary key,
  model text not null references modelpack.model,
  version integer not null,
  sha256 text not null references modelpack.artifact,
  signature jsonb not null,
  golden jsonb not null,
  parity jsonb not null default '{}',
  metrics jsonb not null default '{}',
  libraries jsonb not null default '{}',
  note text not null default '',
  created_at timestamptz not null default now(),
  created_by name not null default session_user,
  unique (model, version),
  -- versions count from one
  constraint version_is_positive check (version > 0)
);
comment on table modelpack.version is 'immutable versions of models';
comment on column modelpack.version.version_id is 'number that the generated score functions name';
comment on column modelpack.version.model is 'name of the model';
comment on column modelpack.version.version is 'number of the version within its model, from 1';
comment on column modelpack.version.sha256 is 'hash of the bytes in modelpack.artifact';
comment on column modelpack.version.signature is 'ordered, named, typed inputs and the chosen output';
comment on column modelpack.version.golden is 'inputs with expected scores, run again on the server before the version may score';
comment on column modelpack.version.parity is 'how the ONNX result was held against the estimator''s own';
comment on column modelpack.version.metrics is 'metrics that the publisher gave';
comment on column modelpack.version.libraries is 'library versions of the machine that made it';
comment on column modelpack.version.note is 'what the publisher says about it';
comment on column modelpack.version.created_at is 'when it was published';
comment on column modelpack.version.created_by is 'who published it';

create table modelpack.inspection (
  inspection_id bigint generated always as identity primary key,
  version_id integer not null references modelpack.version,
  sha256 text not null references modelpack.artifact,
  checked_at timestamptz not null default clock_timestamp(),
  checked_by name not null default session_user,
  onnxruntime text not null,
  numpy text not null,
  python text not null,
  memory bigint,
  load_milliseconds double precision,
  row_microseconds double precision
);
create index inspection_version_idx on modelpack.inspection (version_id, sha256);
comment on table modelpack.inspection is 'which bytes passed modelpack.prove on this server; modelpack.load loads no others';
comment on column modelpack.inspection.inspection_id is 'order of the checks';
comment on column modelpack.inspection.version_id is 'the version';
comment on column modelpack.inspection.sha256 is 'hash of the bytes that passed';
comment on column modelpack.inspection.checked_at is 'when';
comment on column modelpack.inspection.checked_by is 'who published or promoted then';
comment on column modelpack.inspection.onnxruntime is 'the server''s onnxruntime then';
comment on column modelpack.inspection.numpy is 'the server''s numpy then';
comment on column modelpack.inspection.python is 'the server''s Python then';
comment on column modelpack.inspection.memory is 'largest resident memory of the process that tried it, in bytes';
comment on column modelpack.inspection.load_milliseconds is 'how long loading took';
comment on column modelpack.inspection.row_microseconds is 'how long one golden row took on average';

create table modelpack.alias (
  model text not null,
  alias text not null,
  version integer not null,
  set_at timestamptz not null default now(),
  set_by name not null default session_user,
  primary key (model, alias),
  foreign key (model, version) references modelpack.version (model, version)
);
comment on table modelpack.alias is 'which version a name stands for; champion is the one that scores';
comment on column modelpack.alias.model is 'name of the model';
comment on column modelpack.alias.alias is 'champion, challenger, or any other name';
comment on column modelpack.alias.version is 'the version that it stands for';
comment on column modelpack.alias.set_at is 'when it was set';
comment on column modelpack.alias.set_by is 'who set it';

create table modelpack.promotion (
  promotion_id bigint generated always as identity primary key,
  model text not null references modelpack.model,
  alias text not null default 'champion',
  action text not null,
  version integer,
  previous integer,
  reason text not null default '',
  at timestamptz not null default clock_timestamp(),
  by name not null default session_user,
  -- a rollback goes back along the promotions
  constraint promotion_action check (action in ('promote', 'rollback'))
);
create index promotion_model_idx on modelpack.promotion (model, promotion_id);
comment on table modelpack.promotion is 'who promoted or rolled back what, when and why';
comment on column modelpack.promotion.promotion_id is 'order of the changes';
comment on column modelpack.promotion.model is 'name of the model';
comment on column modelpack.promotion.alias is 'the alias that moved';
comment on column modelpack.promotion.action is 'promote or rollback';
comment on column modelpack.promotion.version is 'version that the alias stands for since';
comment on column modelpack.promotion.previous is 'version that it stood for before';
comment on column modelpack.promotion.reason is 'why, in the words of who did it';
comment on column modelpack.promotion.at is 'when';
comment on column modelpack.promotion.by is 'who';

create table modelpack.profile (
  profile_id integer generated always as identity primary key,
  relation regclass not null unique,
  name text not null unique,
  stem text not null unique,
  entity_key text not null,
  declaration jsonb not null,
  maintained text[] not null,
  added_columns text[] not null,
  added_indexes text[] not null default '{}',
  score_function text not null,
  log_insert text not null,
  log_update text not null,
  applied_at timestamptz not null default now(),
  applied_by name not null default session_user
);
comment on table modelpack.profile is 'profile tables under modelpack''s care';
comment on column modelpack.profile.profile_id is 'number of the profile';
comment on column modelpack.profile.relation is 'the profile table';
comment on column modelpack.profile.name is 'its name as declared';
comment on column modelpack.profile.stem is 'first part of the names of its generated functions';
comment on column modelpack.profile.entity_key is 'SQL that writes the key of a row n as text';
comment on column modelpack.profile.declaration is 'the declaration as JSON';
comment on column modelpack.profile.maintained is 'columns that events keep';
comment on column modelpack.profile.added_columns is 'columns that attaching added and detaching drops';
comment on column modelpack.profile.added_indexes is 'indexes that attaching added and detaching drops';
comment on column modelpack.profile.score_function is 'template of the score trigger''s function';
comment on column modelpack.profile.log_insert is 'template of the log trigger''s function for INSERT';
comment on column modelpack.profile.log_update is 'template of the log trigger''s function for UPDATE';
comment on column modelpack.profile.applied_at is 'when the declaration was applied';
comment on column modelpack.profile.applied_by is 'who applied it';

create table modelpack.score (
  profile_id integer not null references modelpack.profile on delete cascade,
  score text not null,
  position integer not null,
  model text not null,
  inputs jsonb not null,
  log_insert text not null,
  log_update text not null,
  primary key (profile_id, score)
);
comment on table modelpack.score is 'scores that models write on profile rows';
comment on column modelpack.score.profile_id is 'the profile';
comment on column modelpack.score.score is 'name of the score and of its column';
comment on column modelpack.score.position is 'order in the declaration';
comment on column modelpack.score.model is 'the model whose champion gives the score';
comment on column modelpack.score.inputs is 'inputs that are not a column of the same name: SQL over the row';
comment on column modelpack.score.log_insert is 'where the log finds the rows scored by an INSERT';
comment on column modelpack.score.log_update is 'where the log finds the rows scored by an UPDATE';

create table modelpack.ignored (
  profile text not null,
  entity_key text not null,
  primary key (profile, entity_key)
);
comment on table modelpack.ignored is 'customers of events declared with missing="ignore" that had no profile, or were about to get one: a row is locked so that neither session overlooks the other';
comment on column modelpack.ignored.profile is 'the profile table';
comment on column modelpack.ignored.entity_key is 'key of the customer as text';

create table modelpack.prediction (
  prediction_id bigint generated always as identity,
  scored_at timestamptz not null,
  profile text not null,
  entity_key text not null,
  score text not null,
  model text not null,
  version integer not null,
  prediction double precision not null,
  inputs double precision[] not null,
  text_inputs text[],
  microseconds integer
) partition by range (scored_at);
create index prediction_entity_idx on modelpack.prediction (entity_key, prediction_id);
create table modelpack.prediction_default partition of modelpack.prediction default;
comment on table modelpack.prediction is 'the prediction log: one row for each score written, in order of prediction_id for one key';
comment on column modelpack.prediction.prediction_id is 'taken under the lock of the profile row: the highest of a key is the score that stands';
comment on column modelpack.prediction.scored_at is 'the moment of scoring';
comment on column modelpack.prediction.profile is 'the profile table';
comment on column modelpack.prediction.entity_key is 'key of the profile row as text; a JSON array where it has several columns';
comment on column modelpack.prediction.score is 'name of the score';
comment on column modelpack.prediction.model is 'name of the model';
comment on column modelpack.prediction.version is 'version that gave the score';
comment on column modelpack.prediction.prediction is 'the score';
comment on column modelpack.prediction.inputs is 'numeric inputs, bit for bit those that the model was given (it works in float32), in the order of the signature; NULL is missing';
comment on column modelpack.prediction.text_inputs is 'text inputs in the order of the signature; NULL where the model takes none';
comment on column modelpack.prediction.microseconds is 'how long the model took';
comment on table modelpack.prediction_default is 'rows of the log outside of the partitions that modelpack.maintain() has made';

create view modelpack.versions as
select v.model,
       v.version,
       (select array_agg(a.alias order by a.alias) from modelpack.alias as a where a.model = v.model and a.version = v.version) as aliases,
       v.created_at,
       v.created_by,
       v.metrics,
       v.note,
       v.signature,
       v.parity,
       v.libraries,
       v.sha256,
       length(a.onnx) as bytes
  from modelpack.version as v
  join modelpack.artifact as a using (sha256);
comment on view modelpack.versions is 'the registry: every version with its aliases, without its bytes';

grant select on modelpack.versions, modelpack.model, modelpack.alias, modelpack.promotion, modelpack.inspection, modelpack.profile, modelpack.score, modelpack.setting
   to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
grant select on modelpack.prediction to modelpack_monitor;

do $owner$
declare
  v_name text;
begin
  for v_name in select c.relname from pg_catalog.pg_class as c
                 where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v')
                   and c.relname <> 'alembic_version' loop
    execute format('alter table modelpack.%I owner to modelpack_owner', v_name);
  end loop;
end
$owner$;

-- Roles, tables and views of the schema modelpack.

-- roles are the whole server's: of two databases at once the second waits
lock table pg_catalog.pg_authid in share row exclusive mode;
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

comment on role modelpack_owner is 'what the functions of the schema modelpack run as; keeps models, features and scores; grant it to the role that applies declarations';
comment on role modelpack_publisher is 'publishes and promotes versions';
comment on role modelpack_approver is 'approves promotions of models that need it';
comment on role modelpack_reader is 'scores ad hoc and reads the registry without the bytes of models';
comment on role modelpack_monitor is 'reads the registry and the prediction log';

comment on schema modelpack is 'modelpack: events keep the features of a profile, a stored model rescores it in the same transaction';
revoke all on schema modelpack from public;
-- no owner of the schema: he could drop what superusers own in it
grant usage, create on schema modelpack to modelpack_owner with grant option;
grant usage on schema modelpack to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;

create table modelpack.setting (
  name text primary key,
  value text not null,
  explanation text not null,
  -- a value can be read as what the setting is: a time, a size, or a number
  constraint setting_value_check check (
    case when name in ('log_retention', 'retired_kept', 'failure_retention', 'time_budget', 'breaker_pause', 'lock_wait', 'table_wait')
         then value::interval >= interval '0'
         when name in ('model_bytes', 'trial_memory')
         then pg_size_bytes(value) >= 0
         else value::integer >= 0
    end
  )
);
comment on table modelpack.setting is 'what a DBA may turn; nothing in the hot path reads it';
comment on column modelpack.setting.name is 'name of the setting';
comment on column modelpack.setting.value is 'its value, as text';
comment on column modelpack.setting.explanation is 'what it does';
insert into modelpack.setting (name, value, explanation) values
  ('log_retention', '90 days', 'partitions of the prediction log that are older are dropped by modelpack.maintain()'),
  ('log_partition_days', '1', 'days that one partition of the prediction log holds'),
  ('log_partitions_ahead', '14', 'partitions of the prediction log that modelpack.maintain() makes ahead'),
  ('retired_kept', '30 days', 'modelpack.purge() keeps the bytes of versions that were retired since'),
  ('failure_retention', '30 days', 'rows of modelpack.failure_log that are older are deleted by modelpack.maintain()'),
  ('time_budget', '250 ms', 'processor time that one call of a model may take, where the model has no time_budget of its own; new sessions see a change'),
  ('breaker_failures', '1000', 'failures in a row after which a session stops calling a model; a call that ran beyond its time budget counts as a quarter of them'),
  ('breaker_pause', '10 s', 'how long the session waits before it tries such a model again'),
  ('lock_wait', '5 s', 'how long who applies a declaration or promotes a version waits for another transaction that holds what has to change, where the session has no lock_timeout; 0: for ever'),
  ('table_wait', '1 min', 'how long who applies a declaration asks for its tables, letting them go in between, where the session has no lock_timeout; 0: for ever'),
  ('model_bytes', '128 MB', 'a larger model is not published'),
  ('unseen_percent', '30', 'a version that has never seen the texts of more rows of a profile, in percent, is not promoted'),
  ('model_nodes', '10000', 'a model of more operators is not published'),
  ('trial_memory', '1 GB', 'address space that the process which tries a model may use'),
  ('trial_seconds', '20', 'seconds that the process which tries a model may take');

create table modelpack.secret (
  value uuid primary key default gen_random_uuid()
);
insert into modelpack.secret default values;
comment on table modelpack.secret is 'one row that proofs of modelpack.me are made with; only modelpack_owner reads it';
comment on column modelpack.secret.value is 'of this installation';

-- a view reads its tables as its owner, but current_user in it is whoever reads the view
create view modelpack.me as
select current_user as role,
       encode(sha256(convert_to(concat_ws(' ', s.value, pg_backend_pid(), extract(epoch from now()), current_user), 'UTF8')), 'hex') as proof
  from modelpack.secret as s;
comment on view modelpack.me is 'who reads it, with a proof that modelpack.caller() takes in the same transaction';
comment on column modelpack.me.role is 'the role';
comment on column modelpack.me.proof is 'nobody else can make it';

create table modelpack.model (
  model text primary key,
  description text not null default '',
  created_at timestamptz not null default now(),
  created_by name not null default current_user,
  requires_approval boolean not null default false,
  time_budget interval,
  disabled text,
  disabled_at timestamptz,
  disabled_by name,
  -- a name that fits every generated object
  constraint model_name_is_plain check (model ~ '^[a-z][a-z0-9_]{0,40}$'),
  -- a budget of nothing would end every call
  constraint model_time_budget_is_positive check (time_budget > interval '0')
);
comment on table modelpack.model is 'models by name; a model has versions';
comment on column modelpack.model.model is 'name of the model';
comment on column modelpack.model.description is 'what the model is for';
comment on column modelpack.model.created_at is 'when the first version was published';
comment on column modelpack.model.created_by is 'who published the first version';
comment on column modelpack.model.requires_approval is 'whether somebody other than the publisher must approve a version before it is promoted';

create table modelpack.permission (
  model text not null references modelpack.model,
  role name not null,
  may text not null default 'manage',
  granted_at timestamptz not null default now(),
  granted_by name not null default current_user,
  primary key (model, role),
  -- whoever manages a model may also score with it
  constraint permission_may check (may in ('manage', 'predict'))
);
comment on table modelpack.permission is 'which roles may manage a model, or score ad hoc with it';
comment on column modelpack.permission.may is 'manage: promote, roll back, alias, describe and retire versions, and score ad hoc; predict: score ad hoc alone';
comment on column modelpack.permission.model is 'name of the model';
comment on column modelpack.permission.role is 'the role; its members are meant too';
comment on column modelpack.permission.granted_at is 'when';
comment on column modelpack.permission.granted_by is 'who granted it';
comment on column modelpack.model.time_budget is 'processor time that one call may take; NULL: the setting time_budget. New sessions see a change';
comment on column modelpack.model.disabled is 'why the model scores nothing, NULL while it may; set by modelpack.disable';
comment on column modelpack.model.disabled_at is 'since when';
comment on column modelpack.model.disabled_by is 'who disabled it';

create table modelpack.artifact (
  sha256 text primary key,
  onnx bytea,
  -- the key is the hash of the bytes, whoever writes the row
  constraint artifact_hash_is_true check (onnx is null or sha256 = encode(sha256(onnx), 'hex'))
);
alter table modelpack.artifact alter column onnx set storage external;
comment on table modelpack.artifact is 'bytes of models in ONNX, by content; only modelpack_owner reads them';
comment on column modelpack.artifact.sha256 is 'SHA-256 of the bytes, in hex';
comment on column modelpack.artifact.onnx is 'the model in ONNX normal form: inputs "number" and "text", output "score"; NULL once purged';

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
  lineage jsonb not null default '{}',
  note text not null default '',
  created_at timestamptz not null default now(),
  created_by name not null default current_user,
  created_login name not null default session_user,
  unique (model, version),
  -- versions count from one
  constraint version_is_positive check (version > 0),
  -- whatever reads all versions reads these
  constraint version_facts_are_objects check (
    jsonb_typeof(signature) = 'object' and jsonb_typeof(golden) = 'object' and jsonb_typeof(parity) = 'object'
    and jsonb_typeof(metrics) = 'object' and jsonb_typeof(libraries) = 'object' and jsonb_typeof(lineage) = 'object'
  ),
  constraint version_note_is_short check (length(note) <= 10000)
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
comment on column modelpack.version.libraries is 'versions of the libraries that the score depends on, where it was made';
comment on column modelpack.version.lineage is 'where it comes from: fingerprints of the data, revision of the code';
comment on column modelpack.version.note is 'what the publisher says about it';
comment on column modelpack.version.created_at is 'when it was published';
comment on column modelpack.version.created_by is 'who published it: the role of SET ROLE, else the one that logged in';
comment on column modelpack.version.created_login is 'who had logged in then: whoever approves the version is neither';

create table modelpack.inspection (
  inspection_id bigint generated always as identity primary key,
  version_id integer not null references modelpack.version,
  sha256 text not null references modelpack.artifact,
  checked_at timestamptz not null default clock_timestamp(),
  checked_by name not null default current_user,
  onnxruntime text not null,
  numpy text not null,
  python text not null,
  memory bigint,
  load_milliseconds double precision,
  row_microseconds double precision,
  batch_rows integer not null default 1,
  -- one row can always be scored
  constraint inspection_batch_rows check (batch_rows > 0)
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
comment on column modelpack.inspection.batch_rows is 'how many rows modelpack.rescore may score in one call of the model; 1 unless its graph keeps rows apart and a batch gave the bits of single rows within the limits';

create table modelpack.annotation (
  annotation_id bigint generated always as identity primary key,
  version_id integer not null references modelpack.version,
  kind text not null,
  name text not null,
  value jsonb,
  at timestamptz not null default clock_timestamp(),
  by name not null default current_user,
  -- what a version can be given after it was published
  constraint annotation_kind check (kind in ('tag', 'note', 'metric')),
  -- a note has no name, the others have one
  constraint annotation_name check ((kind = 'note') = (name = '') and length(name) <= 63),
  -- a metric is a number, the others are texts
  constraint annotation_value check (
    jsonb_typeof(value) = case kind when 'metric' then 'number' else 'string' end and length(value #>> '{}') <= 10000
  )
);
create index annotation_version_idx on modelpack.annotation (version_id, kind, name, annotation_id);
comment on table modelpack.annotation is 'tags, notes and metrics that versions were given later; the newest of a name counts';
comment on column modelpack.annotation.annotation_id is 'order of the changes';
comment on column modelpack.annotation.version_id is 'the version';
comment on column modelpack.annotation.kind is 'tag, note or metric';
comment on column modelpack.annotation.name is 'name of the tag or metric; empty for a note';
comment on column modelpack.annotation.value is 'its value; NULL takes a tag or metric off';
comment on column modelpack.annotation.at is 'when';
comment on column modelpack.annotation.by is 'who';

create table modelpack.approval (
  version_id integer primary key references modelpack.version,
  reason text not null default '',
  at timestamptz not null default now(),
  by name not null default current_user
);
comment on table modelpack.approval is 'versions that somebody other than their publisher approved';
comment on column modelpack.approval.version_id is 'the version';
comment on column modelpack.approval.reason is 'why, in the words of who did it';
comment on column modelpack.approval.at is 'when';
comment on column modelpack.approval.by is 'who';

create table modelpack.retirement (
  version_id integer primary key references modelpack.version,
  reason text not null default '',
  at timestamptz not null default now(),
  by name not null default current_user
);
comment on table modelpack.retirement is 'versions that are out of use for good';
comment on column modelpack.retirement.version_id is 'the version';
comment on column modelpack.retirement.reason is 'why, in the words of who did it';
comment on column modelpack.retirement.at is 'when';
comment on column modelpack.retirement.by is 'who';

create table modelpack.alias (
  model text not null,
  alias text not null,
  version integer not null,
  set_at timestamptz not null default now(),
  set_by name not null default current_user,
  primary key (model, alias),
  foreign key (model, version) references modelpack.version (model, version),
  -- one word
  constraint alias_is_plain check (alias ~ '^[a-z][a-z0-9_-]{0,40}$')
);
comment on table modelpack.alias is 'which version a name stands for; champion is the one that scores';
comment on column modelpack.alias.model is 'name of the model';
comment on column modelpack.alias.alias is 'champion, challenger, or any other name';
comment on column modelpack.alias.version is 'the version that it stands for';
comment on column modelpack.alias.set_at is 'when it was set';
comment on column modelpack.alias.set_by is 'who set it';

create table modelpack.turn (
  name text primary key
);
comment on table modelpack.turn is 'locks that nobody else can take: a row while a model''s names move or its versions are counted, the table while modelpack.maintain() works';
comment on column modelpack.turn.name is 'name of the model; after the word publish, where its versions are counted';

create table modelpack.holding (
  model text not null,
  transaction text not null,
  primary key (model, transaction)
) with (vacuum_truncate = off);
comment on table modelpack.holding is 'always empty: transactions that change a row of modelpack.model write to it and delete that, which modelpack.holders() finds out';
comment on column modelpack.holding.model is 'name of the model';
comment on column modelpack.holding.transaction is 'number of the transaction';

create table modelpack.promotion (
  promotion_id bigint generated always as identity primary key,
  model text not null references modelpack.model,
  alias text default 'champion',
  action text not null,
  version integer,
  previous integer,
  reason text not null default '',
  at timestamptz not null default clock_timestamp(),
  by name not null default current_user,
  login name not null default session_user,
  -- a rollback goes back along the promotions; the others are history alone
  constraint promotion_action check (action in ('promote', 'rollback', 'alias', 'unalias', 'approve', 'withdraw', 'retire'))
);
create index promotion_model_idx on modelpack.promotion (model, promotion_id);
comment on table modelpack.promotion is 'the history of a model: who promoted, rolled back, approved (or took that back), aliased or retired what, when and why';
comment on column modelpack.promotion.promotion_id is 'order of the changes';
comment on column modelpack.promotion.model is 'name of the model';
comment on column modelpack.promotion.alias is 'the alias that moved; NULL where none did';
comment on column modelpack.promotion.action is 'promote or rollback (of the champion), alias or unalias (of other names), approve, withdraw (an approval), retire';
comment on column modelpack.promotion.version is 'version that the alias stands for since';
comment on column modelpack.promotion.previous is 'version that it stood for before';
comment on column modelpack.promotion.reason is 'why, in the words of who did it';
comment on column modelpack.promotion.at is 'when';
comment on column modelpack.promotion.by is 'who: the role of SET ROLE, else the one that logged in';
comment on column modelpack.promotion.login is 'who had logged in';

create table modelpack.profile (
  profile_id integer generated always as identity primary key,
  relation regclass not null unique,
  name text not null unique,
  stem text not null unique,
  declaration jsonb not null,
  maintained text[] not null,
  added_columns text[] not null,
  added_indexes text[] not null default '{}',
  applied_at timestamptz not null default now(),
  applied_by name not null default current_user,
  meanings jsonb not null default '[]',
  since timestamptz not null default '-infinity'
);
comment on table modelpack.profile is 'profile tables under modelpack''s care';
comment on column modelpack.profile.profile_id is 'number of the profile';
comment on column modelpack.profile.relation is 'the profile table';
comment on column modelpack.profile.name is 'its name as declared';
comment on column modelpack.profile.stem is 'first part of the names of its generated functions';
comment on column modelpack.profile.declaration is 'the declaration as JSON';
comment on column modelpack.profile.maintained is 'columns that events keep';
comment on column modelpack.profile.added_columns is 'columns that attaching added and detaching drops';
comment on column modelpack.profile.added_indexes is 'indexes that attaching added and detaching drops';
comment on column modelpack.profile.applied_at is 'when the declaration was applied';
comment on column modelpack.profile.applied_by is 'who applied it';
comment on column modelpack.profile.since is 'rows whose features_read_at is missing or older are not counted yet: something that happens to them counts them, or modelpack.backfill()';
comment on column modelpack.profile.meanings is 'expressions that meant something else to who applied it than to the triggers: table, SQL as declared, and SQL as it was meant';

create table modelpack.score (
  profile_id integer not null references modelpack.profile on delete cascade,
  score text not null,
  position integer not null,
  stem text not null unique,
  model text not null,
  inputs jsonb not null,
  on_error text not null default 'stale',
  choice text,
  versions integer[] not null default '{}',
  primary key (profile_id, score),
  -- what happens to a score that cannot be had
  constraint score_on_error check (on_error in ('stale', 'null', 'raise'))
);
comment on table modelpack.score is 'scores that models write on profile rows';
comment on column modelpack.score.profile_id is 'the profile';
comment on column modelpack.score.score is 'name of the score and of its column';
comment on column modelpack.score.position is 'order in the declaration';
comment on column modelpack.score.stem is 'first part of the names of the functions that name its champion';
comment on column modelpack.score.model is 'the model whose champion gives the score';
comment on column modelpack.score.inputs is 'inputs that are not a column of the same name: SQL over the row p and "the moment"';
comment on column modelpack.score.on_error is 'when there is no score: stale keeps the last one, null takes it away, raise refuses the statement; the first two mark the row stale';
comment on column modelpack.score.choice is 'which version scores a row p, where it is not the champion: SQL that gives one of "versions", or NULL for the champion; NULL: always the champion';
comment on column modelpack.score.versions is 'versions that may be chosen beside the champion';

create table modelpack.job (
  job_id bigint generated always as identity primary key,
  task text not null,
  profile text not null,
  score text,
  started_at timestamptz not null default now(),
  started_by name not null,
  pid integer not null default pg_backend_pid(),
  rows bigint not null default 0,
  looked_at bigint not null default 0,
  total bigint,
  progress_at timestamptz not null default now(),
  ended_at timestamptz
);
comment on table modelpack.job is 'jobs that commit as they go: how far they are. One without ended_at whose session is gone was interrupted; the next run goes on where it stopped';
comment on column modelpack.job.job_id is 'number of the run';
comment on column modelpack.job.task is 'what it does, such as settle';
comment on column modelpack.job.profile is 'the profile table';
comment on column modelpack.job.score is 'the score; NULL for all of the profile';
comment on column modelpack.job.started_at is 'when it began';
comment on column modelpack.job.started_by is 'who called it';
comment on column modelpack.job.pid is 'process of the session';
comment on column modelpack.job.rows is 'rows written so far';
comment on column modelpack.job.looked_at is 'rows looked at so far';
comment on column modelpack.job.total is 'rows there were to look at when it began (of a cohort about how many); NULL where nobody has counted';
comment on column modelpack.job.progress_at is 'when a chunk was last committed';
comment on column modelpack.job.ended_at is 'when it was done';

create table modelpack.filling (
  profile_id integer not null references modelpack.profile on delete cascade,
  step integer not null,
  relation regclass not null,
  share integer not null,
  shares integer not null,
  blocks bigint not null,
  block bigint not null,
  rows bigint not null default 0,
  started_at timestamptz not null default now(),
  at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (profile_id, step, share, shares)
);
comment on table modelpack.filling is 'how far modelpack.backfill() has come: a row for each of its steps and sessions';
comment on column modelpack.filling.profile_id is 'the profile';
comment on column modelpack.filling.step is 'number of the event table whose customers get their missing profiles; 0: rows of the profile are counted';
comment on column modelpack.filling.relation is 'the table that it goes through';
comment on column modelpack.filling.share is 'which of several sessions it is';
comment on column modelpack.filling.shares is 'of how many';
comment on column modelpack.filling.blocks is 'blocks of the table';
comment on column modelpack.filling.block is 'blocks that are behind it';
comment on column modelpack.filling.rows is 'rows that it has counted or made';
comment on column modelpack.filling.started_at is 'when it began';
comment on column modelpack.filling.at is 'when it last came on';
comment on column modelpack.filling.ended_at is 'when it came to its end; NULL while it runs, or where it was stopped';

create view modelpack.backfill_progress as
select p.name as profile, case f.step when 0 then 'count rows' else 'make profiles' end as step, f.relation, f.share, f.shares,
       case when f.ended_at is not null then 100 else floor(100.0 * f.block / greatest(f.blocks, 1)) end as percent,
       f.rows, f.started_at, f.at, f.ended_at,
       case when f.ended_at is null and f.block > 0 then (f.at - f.started_at) * ((f.blocks - f.block)::double precision / f.block) end as remaining
  from modelpack.filling as f
  join modelpack.profile as p using (profile_id);
comment on view modelpack.backfill_progress is 'how far modelpack.backfill() has come, and how long it will still take';
comment on column modelpack.backfill_progress.profile is 'the profile table';
comment on column modelpack.backfill_progress.step is 'make profiles: for customers of events that have none; count rows: those that are not counted yet';
comment on column modelpack.backfill_progress.relation is 'the table that it goes through';
comment on column modelpack.backfill_progress.share is 'which of several sessions it is';
comment on column modelpack.backfill_progress.shares is 'of how many';
comment on column modelpack.backfill_progress.percent is 'of the table, in its blocks';
comment on column modelpack.backfill_progress.rows is 'rows that it has made or counted';
comment on column modelpack.backfill_progress.started_at is 'when it began';
comment on column modelpack.backfill_progress.at is 'when it last came on';
comment on column modelpack.backfill_progress.ended_at is 'when it came to its end; NULL while it runs, or where it was stopped';
comment on column modelpack.backfill_progress.remaining is 'how long it will still take, as fast as it went until now';

create table modelpack.made (
  profile_id integer not null references modelpack.profile on delete cascade,
  kind text not null,
  object text not null,
  relation regclass,
  definition text not null,
  -- generated functions, the triggers that call them, the event tables that the declaration means, the functions that a promotion replaces,
  -- and those that disabling a model alters
  constraint made_kind check (kind in ('function', 'trigger', 'event', 'seam', 'switch', 'room'))
);
create index made_profile_idx on modelpack.made (profile_id, kind, object);
comment on table modelpack.made is 'what attaching a declaration made, for modelpack.doctor()';
comment on column modelpack.made.profile_id is 'the profile';
comment on column modelpack.made.kind is 'function, trigger, event (table), seam: a function that a promotion replaces, switch: one that modelpack.disable alters, or room: one of what is built around the core';
comment on column modelpack.made.object is 'its name, as the catalog has it (functions are of the schema modelpack)';
comment on column modelpack.made.relation is 'the table of a trigger; the event table that has the name';
comment on column modelpack.made.definition is 'hash of a function''s body; type and function of a trigger';

create table modelpack.lent (
  role oid not null,
  role_name name not null,
  relation regclass,
  schema name,
  routine text,
  privilege text not null,
  -- a right on one thing
  constraint lent_one check (num_nonnulls(relation, schema, routine) = 1)
);
comment on table modelpack.lent is 'rights that attaching a declaration granted to the role that its functions run as, for detaching to take back';
comment on column modelpack.lent.role is 'the role, which may have another name by now';
comment on column modelpack.lent.role_name is 'its name, by which it is known after a restore';
comment on column modelpack.lent.relation is 'a table, or';
comment on column modelpack.lent.schema is 'a schema, or';
comment on column modelpack.lent.routine is 'a function with the types of its arguments';
comment on column modelpack.lent.privilege is 'what it may do there';

create type modelpack.scored as (
  entity_key text,
  prediction double precision,
  inputs double precision[],
  text_inputs text[]
);
comment on type modelpack.scored is 'a score that was written, as the functions of a profile hand it to the prediction log';

create table modelpack.ignored (
  profile text not null,
  entity_key text not null,
  primary key (profile, entity_key)
);
comment on table modelpack.ignored is 'customers that had no profile, or were about to get one, when events came that are ignored or events went: a row is locked so that neither session overlooks the other';
comment on column modelpack.ignored.profile is 'the profile table';
comment on column modelpack.ignored.entity_key is 'hash of the customer''s key, the same for keys that are equal';

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
-- Whoever writes pays nothing for this index: a filter of 2 kB for each 32 pages (1000 to 1500 rows), made by VACUUM when they
-- are full. modelpack.maintain() adds a B-tree to partitions where nobody writes any more.
create index prediction_entity_idx on modelpack.prediction
 using brin (entity_key text_bloom_ops (n_distinct_per_range = 1500, false_positive_rate = 0.002)) with (pages_per_range = 32);
-- modelpack.maintain() takes these settings for the partitions that it makes, too
create table modelpack.prediction_default partition of modelpack.prediction default
  with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000);
-- the filter of the first pages was made with the index, and would be written again with each of their rows
select brin_desummarize_range('modelpack.prediction_default_entity_key_idx', 0);
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
comment on column modelpack.prediction.microseconds is 'how long the model took; NULL where it is not measured: the first score of a row, and rows that modelpack.rescore scores many at a time';
comment on table modelpack.prediction_default is 'rows of the log outside of the partitions that modelpack.maintain() has made';

create table modelpack.failure_log (
  failure_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  version_id integer not null references modelpack.version,
  profile text not null,
  kind text not null,
  reason text not null,
  failures bigint not null
);
create index failure_log_version_idx on modelpack.failure_log (version_id, kind, at);
comment on table modelpack.failure_log is 'a sample of the failures of scoring: about one row a minute for each version and kind; which rows have no fresh score, the profile itself says';
comment on column modelpack.failure_log.failure_id is 'number of the row';
comment on column modelpack.failure_log.at is 'when it was written';
comment on column modelpack.failure_log.version_id is 'the version that gave no score';
comment on column modelpack.failure_log.profile is 'the profile table';
comment on column modelpack.failure_log.kind is 'input, model, output, time, breaker, wheels or load';
comment on column modelpack.failure_log.reason is 'the reason, as the profile row has it';
comment on column modelpack.failure_log.failures is 'failures of this kind in the session since it last wrote; other sessions may have had more';

create view modelpack.failures with (security_barrier) as
select f.at, v.model, v.version, f.profile, f.kind, f.reason, f.failures
  from modelpack.failure_log as f
  join modelpack.version as v using (version_id)
 -- A model may fail at a text that its publisher chose: that it did tells him that a row has the text.
 where pg_has_role(current_user, 'modelpack_monitor', 'member') or pg_has_role(current_user, 'modelpack_owner', 'member')
    or f.kind in ('load', 'wheels')
    or exists (select from modelpack.profile as p join pg_class as c on c.oid = p.relation join pg_roles as r on r.rolname = current_user
                where p.name = f.profile
                  and (pg_has_role(r.oid, c.relowner, 'usage') or has_table_privilege(r.oid, c.oid, 'select') and (not c.relrowsecurity or r.rolbypassrls)));
comment on view modelpack.failures is 'the sampled failures of scoring, by model and version; to a publisher only those of profiles that he may read, and those that no row has to do with';

create view modelpack.versions as
select v.model,
       v.version,
       (select array_agg(a.alias order by a.alias) from modelpack.alias as a where a.model = v.model and a.version = v.version) as aliases,
       v.created_at,
       v.created_by,
       v.metrics || coalesce(n.metrics, '{}') as metrics,
       v.note,
       -- without the texts that the model was fitted on, which tell of its training data
       jsonb_set(v.signature, '{inputs}', (select jsonb_agg(s.value - 'categories' order by s.ordinality)
                                             from jsonb_array_elements(v.signature -> 'inputs') with ordinality as s)) as signature,
       v.parity,
       v.libraries,
       v.sha256,
       length(a.onnx) as bytes,
       v.lineage,
       coalesce(n.tags, '{}') as tags,
       (select jsonb_agg(jsonb_build_object('note', o.value, 'at', o.at, 'by', o.by) order by o.annotation_id)
          from modelpack.annotation as o where o.version_id = v.version_id and o.kind = 'note') as notes,
       p.by as approved_by,
       r.at as retired_at,
       i.checked_at,
       i.onnxruntime
  from modelpack.version as v
  join modelpack.artifact as a using (sha256)
  left join modelpack.approval as p using (version_id)
  left join modelpack.retirement as r using (version_id)
  left join lateral (
    select jsonb_object_agg(l.name, l.value) filter (where l.kind = 'tag') as tags,
           jsonb_object_agg(l.name, l.value) filter (where l.kind = 'metric') as metrics
      from (select distinct on (o.kind, o.name) o.kind, o.name, o.value
              from modelpack.annotation as o where o.version_id = v.version_id and o.kind <> 'note'
             order by o.kind, o.name, o.annotation_id desc) as l
     where l.value is not null) as n on true
  left join lateral (
    select c.checked_at, c.onnxruntime from modelpack.inspection as c
     where c.version_id = v.version_id order by c.inspection_id desc limit 1) as i on true;
comment on view modelpack.versions is 'the registry: every version with its aliases, without its bytes';

grant select on modelpack.versions, modelpack.model, modelpack.alias, modelpack.promotion, modelpack.inspection, modelpack.annotation,
                modelpack.approval, modelpack.retirement, modelpack.permission, modelpack.profile, modelpack.score, modelpack.setting
   to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
grant select on modelpack.me to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
grant select on modelpack.prediction to modelpack_monitor;
grant select on modelpack.failure_log, modelpack.failures to modelpack_monitor;
grant select on modelpack.failures to modelpack_publisher;
grant select on modelpack.backfill_progress to modelpack_publisher, modelpack_monitor;
grant select on modelpack.job to modelpack_publisher, modelpack_approver, modelpack_monitor;

-- Tables stay the superuser's: an owner could put a view with functions of his own in the place of one that superusers read,
-- or a trigger on one that they write. Only the log is modelpack_owner's, which makes and drops its partitions.
do $owner$
declare
  v_name text;
begin
  for v_name in select c.relname from pg_catalog.pg_class as c
                 where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'v') and not c.relispartition
                   and c.relname not in ('alembic_version', 'secret') loop
    execute format('grant select, insert, update, delete on modelpack.%I to modelpack_owner', v_name);
  end loop;
  for v_name in select c.relname from pg_catalog.pg_class as c
                 where c.relnamespace = 'modelpack'::regnamespace and (c.relkind = 'p' or c.relkind = 'r' and c.relispartition) loop
    execute format('alter table modelpack.%I owner to modelpack_owner', v_name);
  end loop;
end
$owner$;
grant select on modelpack.secret to modelpack_owner;

-- Crossings: what a score that passes a declared bound leaves behind, and who reads it how far. A room around the core.

create table modelpack.crossing (
  crossing_id bigint generated always as identity,
  profile text not null,
  score text not null,
  entity_key text not null,
  from_score double precision,
  to_score double precision not null,
  bounds double precision[] not null,
  direction text not null,
  cause text not null,
  model text not null,
  version integer not null,
  from_version integer,
  at timestamptz not null,
  transaction_id xid8 not null default pg_current_xact_id(),
  era integer not null default 0,
  -- the order in which followers read
  primary key (era, transaction_id, crossing_id),
  constraint crossing_direction check (direction in ('up', 'down')),
  constraint crossing_cause check (cause in ('first', 'change', 'return', 'version'))
)
-- to give pages back at the end, VACUUM takes a lock that an event waits for
with (vacuum_truncate = off, toast.vacuum_truncate = off);
-- what the same transaction has written of the same entity; not unique, since nobody else can write it
create index crossing_entity_idx on modelpack.crossing (transaction_id, entity_key);
comment on table modelpack.crossing is 'a row for each score that crossed declared bounds: one for each entity and transaction, from the first score to the last that crossed';
comment on column modelpack.crossing.crossing_id is 'its number, by which a consumer drops repeats; it does not say the order of commits';
comment on column modelpack.crossing.profile is 'the profile table';
comment on column modelpack.crossing.score is 'name of the score';
comment on column modelpack.crossing.entity_key is 'key of the profile row as text, as in the log; a JSON array where it has several columns';
comment on column modelpack.crossing.from_score is 'the score before; NULL where there was none';
comment on column modelpack.crossing.to_score is 'the score that crossed';
comment on column modelpack.crossing.bounds is 'the bounds that lie between, in the order in which they were crossed';
comment on column modelpack.crossing.direction is 'up: the score is at or above the bounds now; down: below them';
comment on column modelpack.crossing.cause is 'first: the row is new; change: the row has changed; version: another version than before gave the score; return: the row was there and had no score, for a while or as yet';
comment on column modelpack.crossing.model is 'name of the model';
comment on column modelpack.crossing.version is 'version that gave the score';
comment on column modelpack.crossing.from_version is 'version that gave the score before; NULL where there was none';
comment on column modelpack.crossing.at is 'when the score was given';
comment on column modelpack.crossing.transaction_id is 'the transaction of the event; followers read what is below modelpack.ended_below()';
comment on column modelpack.crossing.era is '0, or less for rows that were written before the database was restored on another server, whose numbers of transactions mean nothing here';

create table modelpack.follower (
  follower text primary key,
  profile text not null,
  score text not null,
  causes text[] not null,
  era integer not null default 0,
  transaction_id xid8 not null,
  crossing_id bigint not null,
  acknowledged bigint not null default 0,
  acknowledged_at timestamptz,
  read_at timestamptz,
  reader integer,
  lost bigint not null default 0,
  lost_at timestamptz,
  created_at timestamptz not null default now(),
  created_by name not null,
  constraint follower_name check (follower ~ '^[[:print:]]{1,100}$'),
  constraint follower_causes check (causes <> '{}' and causes <@ array['first', 'change', 'return', 'version'])
);
comment on table modelpack.follower is 'who reads crossings, and how far he has come';
comment on column modelpack.follower.follower is 'his name';
comment on column modelpack.follower.profile is 'the profile table whose crossings he reads';
comment on column modelpack.follower.score is 'name of the score';
comment on column modelpack.follower.causes is 'which causes he is told of';
comment on column modelpack.follower.era is 'his position, as in crossing: all up to it is done';
comment on column modelpack.follower.transaction_id is 'and';
comment on column modelpack.follower.crossing_id is 'and';
comment on column modelpack.follower.acknowledged is 'how often he has moved on';
comment on column modelpack.follower.acknowledged_at is 'when he last did';
comment on column modelpack.follower.read_at is 'when he last read, to about ten seconds';
comment on column modelpack.follower.reader is 'process of the session that reads as him; another one is refused as long as it is there and has read within the last minute';
comment on column modelpack.follower.lost is 'rows that were dropped before he had read them, since they were older than the setting unread_crossing_days';
comment on column modelpack.follower.lost_at is 'when that last happened';
comment on column modelpack.follower.created_at is 'when he was made';
comment on column modelpack.follower.created_by is 'who made him; its members read as him';

create table modelpack.crossing_origin (
  system_identifier bigint
);
insert into modelpack.crossing_origin select c.system_identifier from pg_control_system() as c;
comment on table modelpack.crossing_origin is 'the server whose numbers of transactions modelpack.crossing has; a dump takes them to another';
comment on column modelpack.crossing_origin.system_identifier is 'as pg_control_system() has it';

insert into modelpack.setting (name, value, explanation) values
  ('crossing_days', '7', 'rows of modelpack.crossing that all their followers have read are deleted by modelpack.maintain() after so many days'),
  ('unread_crossing_days', '30', 'and those that a follower has not read yet after so many');

grant select on modelpack.crossing, modelpack.follower to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.crossing, modelpack.follower, modelpack.crossing_origin to modelpack_owner;

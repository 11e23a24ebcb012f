-- Erasure: where rows of an entity are kept, and what is done with them. A room around the core.

create table modelpack.personal (
  relation name primary key,
  place integer not null,
  key_column name not null,
  hashed boolean not null default false,
  through name,
  through_columns name[],
  time_column name,
  with_scores text not null default 'erase',
  emptied jsonb not null default '{}',
  held name,
  -- what keep_scores leaves of a row
  constraint personal_with_scores check (with_scores in ('erase', 'empty', 'keep')),
  constraint personal_emptied check ((emptied <> '{}') = (with_scores = 'empty')),
  -- found by a column of its own, or by that of another table
  constraint personal_through check ((through is null) = (through_columns is null))
);
comment on table modelpack.personal is 'tables of the schema that hold rows of single entities: how these are found, and what modelpack.erase does with them. A room that makes such a table adds it here';
comment on column modelpack.personal.relation is 'the table';
comment on column modelpack.personal.place is 'its place in the order in which they are gone through: what refers to another one comes first';
comment on column modelpack.personal.key_column is 'its column that has the key of the entity, as the log writes it';
comment on column modelpack.personal.hashed is 'whether it has the hash of the key instead, as modelpack.ignored does';
comment on column modelpack.personal.through is 'the table that has the profile, where that is not the table itself; either calls the column "profile"';
comment on column modelpack.personal.through_columns is 'the columns that both have, by which a row of the one belongs to a row of the other';
comment on column modelpack.personal.time_column is 'its column that says when, if it has one';
comment on column modelpack.personal.with_scores is 'what becomes of its rows with keep_scores => true: they are erased as ever, some columns are emptied, or they are kept';
comment on column modelpack.personal.emptied is 'the columns that are emptied then, and what they are set to';
comment on column modelpack.personal.held is 'the table that jobs write to or lock rows of when they bring such rows: locked while an entity is erased, so that none brings a row of what it has read before. NULL where events alone write, which the lock of the profile row keeps off';

insert into modelpack.personal (relation, place, key_column, hashed, through, through_columns, time_column, with_scores, emptied, held) values
  ('exposure', 10, 'entity_key', false, 'experiment', '{experiment_id}', 'exposed_at', 'keep', '{}', null),
  ('assignment', 20, 'entity_key', false, 'experiment', '{experiment_id}', 'assigned_at', 'keep', '{}', null),
  ('outcome', 30, 'entity_key', false, 'cut_off', '{profile,score,cut_off}', 'settled_at', 'keep', '{}', 'outcome'),
  ('cohort', 40, 'entity_key', false, 'cut_off', '{profile,score,cut_off}', 'scored_at', 'empty', '{"segments": "{}"}', 'cohort'),
  ('shadow_score', 50, 'entity_key', false, null, null, 'scored_at', 'keep', '{}', 'shadow'),
  ('shadow_input', 60, 'entity_key', false, null, null, 'scored_at', 'erase', '{}', 'shadow'),
  ('prediction', 70, 'entity_key', false, null, null, 'scored_at', 'empty', '{"inputs": "{}", "text_inputs": null}', null),
  ('ignored', 80, 'entity_key', true, null, null, null, 'erase', '{}', null);

create table modelpack.erasure (
  erasure_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  by name not null,
  login name not null default session_user,
  profile text not null,
  profile_row text not null,
  keep_scores boolean not null,
  erased jsonb not null,
  kept jsonb not null,
  events jsonb not null,
  background jsonb not null,
  golden jsonb not null,
  versions jsonb not null,
  -- what became of the row of the profile
  constraint erasure_profile_row check (profile_row in ('reset', 'deleted', 'absent'))
);
comment on table modelpack.erasure is 'receipts of modelpack.erase: what was erased, how many rows, when and by whom. No key and no hash of one: who asked stands where the request is kept, with the number of the receipt';
comment on column modelpack.erasure.erasure_id is 'number of the receipt';
comment on column modelpack.erasure.at is 'when';
comment on column modelpack.erasure.by is 'who: the role of SET ROLE, else the one that logged in';
comment on column modelpack.erasure.login is 'who had logged in';
comment on column modelpack.erasure.profile is 'the profile table';
comment on column modelpack.erasure.profile_row is 'reset: its features and scores are those of a new row; deleted; absent: there was none';
comment on column modelpack.erasure.keep_scores is 'whether scores were kept as evidence, and inputs alone erased';
comment on column modelpack.erasure.erased is 'rows erased, or emptied of their inputs, by table';
comment on column modelpack.erasure.kept is 'rows that stay as evidence, by table; those emptied of their inputs are among them';
comment on column modelpack.erasure.events is 'rows of event tables that were there and stayed, since whoever asked wanted it so';
comment on column modelpack.erasure.background is 'background rows taken away, by version';
comment on column modelpack.erasure.golden is 'golden rows taken away, by version; 0 where the only one stays';
comment on column modelpack.erasure.versions is 'versions of the profile''s models: whether the entity may have been among the rows that each was fitted on';

-- crossings are a room of their own, which may be missing
insert into modelpack.personal (relation, place, key_column, time_column, with_scores)
select 'crossing', 75, 'entity_key', 'at', 'keep'
 where to_regclass('modelpack.crossing') is not null;

-- What shadows have said is kept for good, and an entity is found in it by its key. No event writes it, so the index costs none anything.
-- Where the table is large by now, an index would have others wait during the upgrade: docs/erasure.md says how to make it beside them.
-- modelpack.shadow_input has none: events write it, and it holds no more than its room.
do $index$
begin
  if pg_catalog.pg_relation_size(pg_catalog.to_regclass('modelpack.shadow_score')) < 64 * 1024 * 1024 then
    create index if not exists shadow_score_entity_idx on modelpack.shadow_score (entity_key);
  end if;
end
$index$;

grant select on modelpack.personal, modelpack.erasure to modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.personal, modelpack.erasure to modelpack_owner;

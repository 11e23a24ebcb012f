-- Requirements: what a version has to have shown before it may be promoted. A room around the core.

-- No foreign keys to tables of the core: to drop one locks the table that it refers to, which events read.
create table modelpack.requirement (
  model text primary key,
  requirement text not null,
  set_at timestamptz not null default now(),
  set_by name not null
);
comment on table modelpack.requirement is 'what every version of a model has to meet before it is promoted: modelpack.set_requirement()';
comment on column modelpack.requirement.model is 'the model';
comment on column modelpack.requirement.requirement is 'conditions in words, as auc not below champion by 0.01 at 95%';
comment on column modelpack.requirement.set_at is 'since when';
comment on column modelpack.requirement.set_by is 'who set it';

create table modelpack.met_requirement (
  promotion_id bigint not null,
  requirement text not null,
  model_wide boolean not null,
  champion integer,
  figures jsonb not null,
  primary key (promotion_id, model_wide)
);
comment on table modelpack.met_requirement is 'what promoted versions had to meet, with the figures by which they did';
comment on column modelpack.met_requirement.promotion_id is 'the promotion';
comment on column modelpack.met_requirement.requirement is 'the conditions, as they were';
comment on column modelpack.met_requirement.model_wide is 'whether every version of the model had to meet them; else who promoted asked for them';
comment on column modelpack.met_requirement.champion is 'the version that was replaced; NULL: there was none, and nothing to be held against';
comment on column modelpack.met_requirement.figures is 'for each score and condition: both figures, their difference, the interval, rows, entities, and since which cut-off';

grant select on modelpack.requirement, modelpack.met_requirement to modelpack_publisher, modelpack_approver, modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.requirement, modelpack.met_requirement to modelpack_owner;

-- What versions were made from: distributions of their samples, and rows that explanations compare with.

-- No foreign key to modelpack.version: to drop one locks the table that it refers to, which sessions read that load a model.
create table modelpack.reference (
  version_id integer primary key,
  reference jsonb not null,
  background jsonb,
  created_at timestamptz not null default now(),
  created_by name not null
);
comment on table modelpack.reference is 'what the samples of versions were like: modelpack.set_reference()';
comment on column modelpack.reference.version_id is 'the version';
comment on column modelpack.reference.reference is 'distributions of the inputs and scores of the rows of the sample that the version scores: edges and counts (bin i holds edges[i-1] < x <= edges[i]; the first is open below, the last above), categories, what is missing; no rows';
comment on column modelpack.reference.background is 'at most 100 of these rows, in the order of the signature, which explanations compare with; they may be personal data, so that only modelpack_owner and who may manage the model read them; NULL: none were kept';
comment on column modelpack.reference.created_at is 'when it was stored';
comment on column modelpack.reference.created_by is 'who stored it';

-- for all but the owner role: no rights on columns. current_user in a view is whoever reads it
create view modelpack.version_reference with (security_barrier) as
select v.model, v.version,
       -- it names categories, and tells of single rows where there are few
       case when pg_has_role(current_user, 'modelpack_owner', 'member') or pg_has_role(current_user, 'modelpack_monitor', 'member')
                 or exists (select from modelpack.permission as p join pg_roles as r on r.rolname = p.role
                             where p.model = v.model and pg_has_role(current_user, r.oid, 'member'))
            then f.reference end as reference,
       case when pg_has_role(current_user, 'modelpack_owner', 'member')
                 or exists (select from modelpack.permission as p join pg_roles as r on r.rolname = p.role
                             where p.model = v.model and p.may = 'manage' and pg_has_role(current_user, r.oid, 'member'))
            then f.background end as background,
       coalesce(jsonb_array_length(f.background), 0) as background_rows,
       f.created_at, f.created_by
  from modelpack.reference as f
  join modelpack.version as v using (version_id);
comment on view modelpack.version_reference is 'what the samples of versions were like: to modelpack_owner, modelpack_monitor and who has a grant of the model; background rows to modelpack_owner and who may manage the model alone';
comment on column modelpack.version_reference.model is 'the model';
comment on column modelpack.version_reference.version is 'number of the version';
comment on column modelpack.version_reference.reference is 'distributions of inputs and scores, as in modelpack.reference; NULL for who may not read them';
comment on column modelpack.version_reference.background is 'rows that explanations compare with; NULL for who may not read them, and where none were kept';
comment on column modelpack.version_reference.background_rows is 'how many these are';
comment on column modelpack.version_reference.created_at is 'when it was stored';
comment on column modelpack.version_reference.created_by is 'who stored it';

grant select on modelpack.version_reference to modelpack_publisher, modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.reference, modelpack.version_reference to modelpack_owner;

-- Versions that something else than onnxruntime scores, from a formula: their model as data.

insert into modelpack.setting (name, value, explanation) values
  ('formula_bytes', '8000000', 'a formula whose text has more bytes is not published'),
  ('formula_parts', '20000', 'a formula of more steps, weights, keys and nodes of trees is not published');

-- No foreign key to modelpack.version: to drop one locks the table that it refers to, which sessions read that load a model.
create table modelpack.formula (
  version_id integer primary key,
  engine text not null,
  sha256 text not null,
  formula json,
  -- what reads formulas
  constraint formula_engine check (engine in ('python')),
  -- the hash is that of the text as it was published, whoever writes the row
  constraint formula_hash_is_true check (formula is null or sha256 = encode(sha256(convert_to(formula::text, 'UTF8')), 'hex'))
);
alter table modelpack.formula alter column formula set storage external;
comment on table modelpack.formula is 'formulas of the versions that are scored by them: docs/formula.md; only modelpack_owner reads them';
comment on column modelpack.formula.version_id is 'the version; one without a row here is scored by onnxruntime';
comment on column modelpack.formula.engine is 'what scores it: python, a function of Python inside PL/Python, without onnxruntime or numpy';
comment on column modelpack.formula.sha256 is 'SHA-256 of the formula, in hex';
comment on column modelpack.formula.formula is 'the model as data; NULL once purged';

create trigger formula_is_immutable before update on modelpack.formula for each row execute function modelpack.immutable();

create view modelpack.version_engine as
select v.model, v.version, coalesce(f.engine, 'onnx') as engine
  from modelpack.version as v left join modelpack.formula as f using (version_id);
comment on view modelpack.version_engine is 'what scores each version';
comment on column modelpack.version_engine.model is 'the model';
comment on column modelpack.version_engine.version is 'number of the version';
comment on column modelpack.version_engine.engine is 'onnx: onnxruntime; python: a function of Python, from the formula of the version';

alter table modelpack.inspection alter column onnxruntime drop not null, alter column numpy drop not null;
comment on column modelpack.inspection.onnxruntime is 'the server''s onnxruntime then; NULL for a version that it does not score';
comment on column modelpack.inspection.numpy is 'the server''s numpy then; NULL for a version that needs none';

grant select on modelpack.version_engine to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.formula, modelpack.version_engine to modelpack_owner;

-- a version that Python scores says nothing of the libraries that others have
create or replace view modelpack.timeline as
select p.at, p.action as kind, p.model,
       case p.action
         when 'promote' then format('version %s is the champion%s', p.version, case when p.previous is not null then ', before it was ' || p.previous else '' end)
         when 'rollback' then case when p.version is null then format('no champion any more, it was version %s', p.previous)
                                   else format('back to version %s from version %s', p.version, p.previous) end
         when 'alias' then format('%s is version %s', p.alias, p.version)
         when 'unalias' then format('no version is %s any more', p.alias)
         when 'approve' then format('version %s is approved', p.version)
         when 'withdraw' then format('the approval of version %s is withdrawn', p.version)
         else format('version %s is retired', p.version) end
       || format(', by %s', p.by) || case when p.reason <> '' then ': ' || p.reason else '' end as what
  from modelpack.promotion as p
union all
select h.at, h.kind, h.model, case when h.profile is not null then h.profile || ': ' else '' end || h.what from modelpack.happening as h
union all
select e.started_at, 'experiment', e.model,
       format('%s of %s begins on %s: %s', e.experiment, e.started_by, e.score,
              (select string_agg(format('%s is version %s', a.arm, a.version), ', ' order by a.position) from modelpack.arm as a where a.experiment_id = e.experiment_id))
  from modelpack.experiment as e
union all
select e.ended_at, 'experiment', e.model, format('%s ends: %s', e.experiment, e.ended_why) from modelpack.experiment as e where e.ended_at is not null
union all
select j.started_at, 'job', null, format('%s of %s: %s rows%s', j.task, j.profile, j.rows, case when j.ended_at is null then ', not ended' else '' end)
  from modelpack.job as j where j.task in ('rebuild', 'rescore', 'backfill')
union all
select i.checked_at, 'libraries', null, i.what
  from (select n.checked_at,
               concat_ws(', ', case when n.onnxruntime <> lag(n.onnxruntime) over places then format('onnxruntime %s, before %s', n.onnxruntime, lag(n.onnxruntime) over places) end,
                         case when n.numpy <> lag(n.numpy) over places then format('numpy %s, before %s', n.numpy, lag(n.numpy) over places) end,
                         case when n.python <> lag(n.python) over places then format('Python %s, before %s', n.python, lag(n.python) over places) end) as what
          from modelpack.inspection as n where n.onnxruntime is not null window places as (order by n.inspection_id)) as i
 where i.what <> '';

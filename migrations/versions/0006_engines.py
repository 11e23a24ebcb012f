"""Engines: versions that Python scores inside the database, from a formula."""

from alembic import context

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS: tuple[str, ...] = (
    "immutable",
    "schema/engines",
    "try_formula",
    "prove",
    "publish",
    "purge",
    "load",
    "trial",
    "needs_wheels",
    "examine_gate",
    "examine_server",
    "heard",
    "attribute",
    "shape",
    "keep_shipped",
    "schema/rights",
)
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "immutable": "0001",
    "prove": "0001",
    "publish": "0001",
    "purge": "0005",
    "load": "0005",
    "trial": "0005",
    "examine_gate": "0001",
    "examine_server": "0005",
    "heard": "0005",
    "attribute": "0005",
    "shape": "0001",
    "keep_shipped": "0005",
    "schema/rights": "0005",
}

# An event that loads a version reads the tables of which some are dropped here and by earlier revisions, while it holds its own: so
# first the tables of the profiles, then these, in the order in which modelpack.load reads them. Readers of profiles go on.
HOLD = """
do $hold$
declare
  v_profile record;
begin
  for v_profile in
    select a.profile, array_agg(a.relation) filter (where a.is_event and a.relation is not null) as events
      from modelpack.attached_tables() as a group by 1 order by 1
  loop
    perform modelpack.lock_tables(v_profile.events, v_profile.profile, 'share row exclusive');
  end loop;
  lock table modelpack.version, modelpack.artifact, modelpack.model in access exclusive mode;
end
$hold$
"""
# a version that is not retired must not change what scores it, and the former release knows onnxruntime alone
CHECK = """
do $check$
declare
  v_found text;
begin
  select string_agg(format('%s version %s', v.model, v.version), ', ' order by v.model, v.version) into v_found
    from modelpack.formula as f join modelpack.version as v using (version_id)
   where not exists (select from modelpack.retirement as r where r.version_id = f.version_id);
  if v_found is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('there are versions that revision 0005 cannot score: %s', v_found),
      detail = 'Expected: versions with a formula are retired before the schema goes back.',
      hint = 'Publish these models with --engine onnx, promote those versions, then retire the ones with a formula: modelpack retire MODEL VERSION.';
  end if;
end
$check$
"""
TIMELINE = """
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
          from modelpack.inspection as n window places as (order by n.inspection_id)) as i
 where i.what <> '';
"""
# the ONNX models of those versions were not tried
ENDS = (
    "delete from modelpack.inspection as i using modelpack.formula as f where f.version_id = i.version_id",
    "alter table modelpack.inspection alter column onnxruntime set not null, alter column numpy set not null",
)
DROPS = (
    "function modelpack.needs_wheels()",
    "view modelpack.version_engine",
    "table modelpack.formula",
    "function modelpack.try_formula(json, jsonb, jsonb)",
    "function modelpack.publish(text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json)",
    "function modelpack.publish(modelpack.me, text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb, text, json)",
)


def upgrade() -> None:
    """Install."""
    run_sql(
        "drop function modelpack.publish(modelpack.me, text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb)"
    )
    run_sql(
        "drop function modelpack.publish(text, bytea, jsonb, jsonb, jsonb, jsonb, jsonb, text, text, jsonb)"
    )
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back, where nothing that scores needs what is dropped."""
    run_sql(HOLD)
    if context.get_revision_argument() is not None:  # to base: nothing is to score any more
        run_sql(CHECK)
    run_sql(TIMELINE)
    for statement in ENDS:
        run_sql(statement)
    for what in DROPS:
        run_sql(f"drop {what}")
    run_sql("delete from modelpack.setting where name in ('formula_bytes', 'formula_parts')")
    run_sql("comment on column modelpack.inspection.onnxruntime is 'the server''s onnxruntime then'")
    run_sql("comment on column modelpack.inspection.numpy is 'the server''s numpy then'")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

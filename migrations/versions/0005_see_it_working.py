"""See it working: what versions were made from, roll-ups of the log, drift, alerts, explanations, crossings, erasure."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# by room, each in the order in which they need each other
CORE: tuple[str, ...] = (
    "maintain",
    "doctor",
    "examine_rights",
)
MONITORING: tuple[str, ...] = ()
EXPLANATIONS: tuple[str, ...] = ()
CROSSINGS: tuple[str, ...] = (
    "schema/crossings",
    "crossed_bounds",
    "crossing_table",
    "follow_crossings",
    "note_restore",
    "get_follower",
    "check_follower",
    "start_follower",
    "read_crossings",
    "acknowledge_crossings",
    "drop_follower",
    "maintain_crossings",
    "examine_crossings",
)
ERASURE: tuple[str, ...] = ()
INSTALLS: tuple[str, ...] = (
    *CORE,
    *MONITORING,
    *EXPLANATIONS,
    *CROSSINGS,
    *ERASURE,
    "keep_shipped",
    "schema/rights",
)
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "maintain": "0001",
    "doctor": "0001",
    "examine_rights": "0004",
    "keep_shipped": "0004",
    "schema/rights": "0004",
}
# what a downgrade drops, the last made first
DROPS_OF_ERASURE: tuple[str, ...] = ()
DROPS_OF_CROSSINGS: tuple[str, ...] = (
    "trigger follow_crossings on modelpack.score",
    "function modelpack.follow_crossings()",
    "function modelpack.crossing_table(integer, text)",
    "function modelpack.examine_crossings()",
    "function modelpack.maintain_crossings()",
    "function modelpack.drop_follower(text)",
    "function modelpack.drop_follower(modelpack.me, text)",
    "function modelpack.acknowledge_crossings(text, text)",
    "function modelpack.acknowledge_crossings(modelpack.me, text, text)",
    "function modelpack.read_crossings(text, integer)",
    "function modelpack.read_crossings(modelpack.me, text, integer)",
    "function modelpack.start_follower(text, regclass, text, text[], boolean)",
    "function modelpack.start_follower(modelpack.me, text, regclass, text, text[], boolean)",
    "function modelpack.get_follower(name, text, boolean)",
    "function modelpack.check_follower(name, text, text)",
    "function modelpack.note_restore()",
    "function modelpack.crossed_bounds(double precision, double precision, double precision[])",
    "table modelpack.crossing_origin",
    "table modelpack.follower",
    "table modelpack.crossing",
)
# and before that: no event writes into what is about to be dropped, and no declaration says what an older package does not read
ENDS_OF_CROSSINGS = """
do $ends$
declare
  v_item record;
begin
  for v_item in
    select t.tgrelid::pg_catalog.regclass as on_table, t.tgname
      from pg_catalog.pg_trigger as t join modelpack.made as m on m.kind = 'trigger' and m.relation = t.tgrelid and m.object = t.tgname
     where starts_with(t.tgname, 'model_cross_') and t.tgparentid = 0
  loop
    execute format('drop trigger %I on %s', v_item.tgname, v_item.on_table);
  end loop;
  for v_item in
    select f.oid::pg_catalog.regprocedure as function
      from modelpack.score as s
      join pg_catalog.pg_proc as f on f.pronamespace = 'modelpack'::pg_catalog.regnamespace and f.proname in (s.stem || '_cross', s.stem || '_crossed')
  loop
    execute format('drop function %s', v_item.function);
  end loop;
  delete from modelpack.made as m using modelpack.score as s
   where m.profile_id = s.profile_id
     and m.object in (s.stem || '_cross', s.stem || '_crossed', 'model_cross_' || s.score, 'model_cross_' || s.score || '_new');
  update modelpack.profile as p
     set declaration = pg_catalog.jsonb_set(p.declaration, '{scores}', (select pg_catalog.jsonb_agg(s.value - 'crossing' order by s.ordinality)
                                                                          from pg_catalog.jsonb_array_elements(p.declaration -> 'scores') with ordinality as s))
   where exists (select from pg_catalog.jsonb_array_elements(p.declaration -> 'scores') as s where s.value ? 'crossing');
  delete from modelpack.setting where name in ('crossing_days', 'unread_crossing_days');
end
$ends$
"""
DROPS_OF_EXPLANATIONS: tuple[str, ...] = ()
DROPS_OF_MONITORING: tuple[str, ...] = ()
DROPS_OF_CORE: tuple[str, ...] = ()
DROPS = (
    *DROPS_OF_ERASURE,
    *DROPS_OF_CROSSINGS,
    *DROPS_OF_EXPLANATIONS,
    *DROPS_OF_MONITORING,
    *DROPS_OF_CORE,
)


def upgrade() -> None:
    """Install."""
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back: the rooms are gone, and what they hold."""
    run_sql(ENDS_OF_CROSSINGS)
    for what in DROPS:
        run_sql(f"drop {what}")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

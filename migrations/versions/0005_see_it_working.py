"""See it working: what versions were made from, roll-ups of the log, drift, alerts, explanations, crossings, erasure."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# by room, each in the order in which they need each other
CORE: tuple[str, ...] = (
    "immutable",
    "fed",
    "key_text",
    "sees_entity",
    "shown_inputs",
    "schema/visible_log",
    "log_of",
)
MONITORING: tuple[str, ...] = ()
EXPLANATIONS: tuple[str, ...] = ()
CROSSINGS: tuple[str, ...] = ()
ERASURE: tuple[str, ...] = (
    "schema/erasure",
    "event_tables",
    "traced",
    "same_rows",
    "erase_samples",
    "erase_row",
    "erase_entity",
    "erase",
    "traces",
    "erased",
    # which have to bear rows of the log without inputs
    "reproduce",
    "replay_rows",
    "shadow_some",
    "judged_beside",
)
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
    "immutable": "0001",
    "fed": "0004",
    "reproduce": "0004",
    "replay_rows": "0004",
    "shadow_some": "0004",
    "judged_beside": "0004",
    "keep_shipped": "0004",
    "schema/rights": "0004",
}
# what a downgrade drops, the last made first
DROPS_OF_ERASURE: tuple[str, ...] = (
    "function modelpack.erased(regclass, text, boolean)",
    "function modelpack.traces(regclass, text, boolean)",
    "procedure modelpack.erase(regclass, text, boolean, boolean, boolean, jsonb)",
    "function modelpack.erase_entity(modelpack.me, regclass, text, boolean, boolean, boolean)",
    "function modelpack.erase_row(integer, text, boolean, boolean)",
    "function modelpack.erase_samples(modelpack.profile, text, modelpack.prediction[])",
    "function modelpack.same_rows(modelpack.version, jsonb, modelpack.scored[])",
    "function modelpack.traced(modelpack.personal)",
    "function modelpack.event_tables(regclass)",
    "table modelpack.erasure",
    "table modelpack.personal",
)
DROPS_OF_CROSSINGS: tuple[str, ...] = ()
DROPS_OF_EXPLANATIONS: tuple[str, ...] = ()
DROPS_OF_MONITORING: tuple[str, ...] = ()
DROPS_OF_CORE: tuple[str, ...] = (
    "function modelpack.log_of(regclass, text, timestamptz, timestamptz)",
    "view modelpack.visible_log",
    "function modelpack.shown_inputs(regclass, jsonb, jsonb, double precision[], text[])",
    "function modelpack.sees_entity(regclass, text[], text, text)",
    "function modelpack.key_text(regclass, text)",
)
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
    for what in DROPS:
        run_sql(f"drop {what}")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

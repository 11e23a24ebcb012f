"""See it working: what versions were made from, roll-ups of the log, drift, alerts, explanations, crossings, erasure."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# by room, each in the order in which they need each other
CORE: tuple[str, ...] = ("load", "trial", "examine_server", "compare_versions")
MONITORING: tuple[str, ...] = ()
EXPLANATIONS: tuple[str, ...] = ()
CROSSINGS: tuple[str, ...] = ()
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
    "load": "0001",
    "trial": "0001",
    "examine_server": "0001",
    "compare_versions": "0004",
    "keep_shipped": "0004",
    "schema/rights": "0004",
}
# what a downgrade drops, the last made first
DROPS_OF_ERASURE: tuple[str, ...] = ()
DROPS_OF_CROSSINGS: tuple[str, ...] = ()
DROPS_OF_EXPLANATIONS: tuple[str, ...] = ()
DROPS_OF_MONITORING: tuple[str, ...] = ()
DROPS_OF_CORE: tuple[str, ...] = ("load", "trial", "examine_server", "compare_versions")
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

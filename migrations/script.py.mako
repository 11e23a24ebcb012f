"""${message}."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS: tuple[str, ...] = ()
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {}


def upgrade() -> None:
    """Install."""
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back; what scripts of the schema made is taken away here, too."""
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

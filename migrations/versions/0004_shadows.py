"""Shadows and replay: versions that score what the log holds."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS: tuple[str, ...] = (
    "schema/shadows",
    "can_replay", "replayed", "start_shadow", "stop_shadow", "shadow_some", "score_shadows", "shadow_rows", "replay_rows", "reproduce",
    "keep_shipped", "schema/rights",
)  # fmt: skip
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "keep_shipped": "0003",
    "schema/rights": "0003",
}
DROPS = (
    "function modelpack.reproduce(bigint)",
    "function modelpack.replay_rows(regclass, text, integer, timestamptz, timestamptz)",
    "function modelpack.replay_rows(modelpack.me, regclass, text, integer, timestamptz, timestamptz)",
    "function modelpack.shadow_rows(text, integer, timestamptz)",
    "function modelpack.shadow_rows(modelpack.me, text, integer, timestamptz)",
    "procedure modelpack.score_shadows(text, integer, interval)",
    "function modelpack.shadow_some(integer, integer, interval)",
    "function modelpack.stop_shadow(text, integer)",
    "function modelpack.stop_shadow(modelpack.me, text, integer)",
    "function modelpack.start_shadow(text, integer, double precision)",
    "function modelpack.start_shadow(modelpack.me, text, integer, double precision)",
    "function modelpack.replayed(modelpack.version, modelpack.prediction[])",
    "function modelpack.can_replay(text, integer, integer)",
    "view modelpack.shadow_difference",
    "table modelpack.shadow_score",
    "table modelpack.shadow",
)


def upgrade() -> None:
    """Install."""
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back: shadows are gone, and what they scored."""
    for what in DROPS:
        run_sql(f"drop {what}")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

"""Outcomes: what came of the scores, and how well they fitted."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS: tuple[str, ...] = (
    "schema/outcomes",
    "get_outcome", "resolve_outcome", "follow_outcomes",
    "open_cohort", "add_to_cohort", "take_cohort", "unsettled", "expect_rows", "settle_some", "settle",
    "check_outcome", "record_outcome", "fit_rows", "rival_rows",
    "keep_shipped", "schema/rights",
)  # fmt: skip
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "keep_shipped": "0001",
    "schema/rights": "0001",
}
DROPS = (
    "trigger follow_outcomes on modelpack.score",
    "view modelpack.fit",
    "view modelpack.judgement",
    "function modelpack.rival_rows(regclass, text, integer, timestamptz)",
    "function modelpack.rival_rows(modelpack.me, regclass, text, integer, timestamptz)",
    "function modelpack.fit_rows(regclass, text, timestamptz)",
    "function modelpack.record_outcome(regclass, text, text, double precision, timestamptz)",
    "function modelpack.record_outcome(modelpack.me, regclass, text, text, double precision, timestamptz)",
    "procedure modelpack.settle(regclass, text, integer)",
    "function modelpack.settle_some(bigint, regclass, text, timestamptz, text, integer)",
    "function modelpack.unsettled(regclass, text)",
    "function modelpack.expect_rows(bigint, regclass, text)",
    "procedure modelpack.take_cohort(regclass, text, timestamptz, bigint)",
    "function modelpack.add_to_cohort(bigint, regclass, text, timestamptz, bigint, bigint)",
    "function modelpack.open_cohort(regclass, text, timestamptz)",
    "function modelpack.follow_outcomes()",
    "function modelpack.resolve_outcome(regclass, text[], text, text)",
    "function modelpack.get_outcome(regclass, text)",
    "table modelpack.outcome",
    "function modelpack.check_outcome()",
    "table modelpack.cohort",
    "table modelpack.cut_off",
)


def upgrade() -> None:
    """Install."""
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back: cohorts and outcomes are gone."""
    for what in DROPS:
        run_sql(f"drop {what}")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

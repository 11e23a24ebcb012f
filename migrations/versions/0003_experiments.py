"""Experiments: several versions at once, and which one does more good."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS: tuple[str, ...] = (
    "schema/experiments",
    "draw", "check_weights", "get_experiment", "arm_table", "arrange", "end_experiment", "start_experiment", "set_weights",
    "stop_experiment", "conclude_experiment", "expose", "follow_experiments", "watch_experiments", "outcome_metrics", "follow_metrics", "arm_values",
    "examine_rights", "keep_shipped", "schema/rights",
)  # fmt: skip
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "examine_rights": "0001",
    "keep_shipped": "0002",
    "schema/rights": "0002",
}
ENDS = """
select modelpack.end_experiment(e, current_user, 'the schema went back to a revision without experiments')
  from modelpack.experiment as e where e.ended_at is null
"""
DROPS = (
    "trigger follow_experiments on modelpack.score",
    "trigger follow_metrics on modelpack.score",
    "view modelpack.arm_log",
    "view modelpack.experiments",
    "function modelpack.arm_values(text, text, boolean)",
    "function modelpack.follow_metrics()",
    "function modelpack.outcome_metrics(jsonb)",
    "function modelpack.watch_experiments()",
    "function modelpack.watch_experiments(modelpack.me)",
    "function modelpack.follow_experiments()",
    "function modelpack.expose(text, text, text, timestamptz)",
    "function modelpack.conclude_experiment(text, text, text)",
    "function modelpack.conclude_experiment(modelpack.me, text, text, text)",
    "function modelpack.stop_experiment(text, text)",
    "function modelpack.stop_experiment(modelpack.me, text, text)",
    "function modelpack.set_weights(text, jsonb, text)",
    "function modelpack.set_weights(modelpack.me, text, jsonb, text)",
    "function modelpack.start_experiment(regclass, text, text, jsonb, text, double precision, double precision)",
    "function modelpack.start_experiment(modelpack.me, regclass, text, text, jsonb, text, double precision, double precision)",
    "function modelpack.end_experiment(modelpack.experiment, name, text, text)",
    "function modelpack.arrange(integer, text)",
    "function modelpack.arm_table(integer, text)",
    "function modelpack.get_experiment(text, boolean)",
    "function modelpack.check_weights(text, text[], jsonb)",
    "function modelpack.draw(text, text)",
    "table modelpack.exposure",
    "table modelpack.assignment",
    "table modelpack.weighting",
    "table modelpack.arm",
    "table modelpack.experiment",
)


def upgrade() -> None:
    """Install."""
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back: experiments are ended, and what they found is gone."""
    run_sql(ENDS)
    for what in DROPS:
        run_sql(f"drop {what}")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

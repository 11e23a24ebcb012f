"""See it working: what versions were made from, roll-ups of the log, drift, alerts, explanations, crossings, erasure."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# by room, each in the order in which they need each other
CORE: tuple[str, ...] = (
    "schema/reference",
    "is_double",
    "check_reference",
    "set_reference",
    "purge",
)
MONITORING: tuple[str, ...] = (
    "schema/monitoring",
    "renew_yardsticks",
    "make_yardsticks",
    "begin_observation",
    "unobserved",
    "observe_some",
    "count_stale",
    "end_observation",
    "maintain",
    "unjudged",
    "judge_drift",
    "follow_observation",
    "observe",
    "observe_by",
    "follow_declarations",
    "follow_switches",
)
ALERTS: tuple[str, ...] = (
    "schema/alerts",
    "log_gamma",
    "beyond",
    "figures_of_scores",
    "figures_of_work",
    "figures_of_outcomes",
    "figures_of_experiments",
    "figures_of_jobs",
    "look_at",
    "tell_alerts",
    "watch_observe",
    "raise_alerts",
    "set_alert",
    "next_alert",
    "sent_alert",
)
EXPLANATIONS: tuple[str, ...] = (
    "attribute",
    "parts",
    "last_logged",
    "explain",
    "in_a_line",
    "explained",
    "importance",
)
CROSSINGS: tuple[str, ...] = ()
ERASURE: tuple[str, ...] = ()
INSTALLS: tuple[str, ...] = (
    *CORE,
    *MONITORING,
    *ALERTS,
    *EXPLANATIONS,
    *CROSSINGS,
    *ERASURE,
    "keep_shipped",
    "schema/rights",
)
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "purge": "0001",
    "maintain": "0001",
    "keep_shipped": "0004",
    "schema/rights": "0004",
}
# what a downgrade drops, the last made first
DROPS_OF_ERASURE: tuple[str, ...] = ()
DROPS_OF_CROSSINGS: tuple[str, ...] = ()
DROPS_OF_EXPLANATIONS: tuple[str, ...] = (
    "function modelpack.importance(text, integer, integer, double precision)",
    "function modelpack.explained(regclass, text, text, integer, double precision)",
    "function modelpack.in_a_line(text[], text[], double precision[], double precision, double precision, integer)",
    "function modelpack.explain(bigint, double precision)",
    "function modelpack.explain(regclass, text, text, double precision)",
    "function modelpack.last_logged(regclass, text, text)",
    "function modelpack.parts(modelpack.prediction, integer, double precision)",
    "function modelpack.attribute(integer, double precision[], text[], jsonb, jsonb, bigint, integer, double precision)",
)
DROPS_OF_ALERTS: tuple[str, ...] = (
    "function modelpack.sent_alert(text, bigint)",
    "function modelpack.next_alert(text)",
    "function modelpack.set_alert(text, text, double precision, boolean)",
    "function modelpack.set_alert(modelpack.me, text, text, double precision, boolean)",
    "function modelpack.raise_alerts()",
    "function modelpack.watch_observe()",
    "function modelpack.tell_alerts(bigint)",
    "function modelpack.look_at(modelpack.alert_watch[], text[])",
    "function modelpack.figures_of_jobs()",
    "function modelpack.figures_of_experiments()",
    "function modelpack.figures_of_outcomes()",
    "function modelpack.figures_of_work()",
    "function modelpack.figures_of_scores()",
    "function modelpack.beyond(double precision, double precision, boolean)",
    "function modelpack.log_gamma(double precision)",
    "view modelpack.running_version",
    "view modelpack.alert_bounds",
    "table modelpack.alert_channel",
    "table modelpack.alert_event",
    "table modelpack.alert_look",
    "table modelpack.alert_watch",
    "table modelpack.alert",
    "table modelpack.alert_rule",
    "table modelpack.alert_kind",
)
DROPS_OF_MONITORING: tuple[str, ...] = (
    "trigger follow_switches on modelpack.model",
    "function modelpack.follow_switches()",
    "trigger follow_declarations on modelpack.profile",
    "function modelpack.follow_declarations()",
    "function modelpack.observe_by(regclass, text[])",
    "function modelpack.observe_by(modelpack.me, regclass, text[])",
    "procedure modelpack.observe(integer)",
    "function modelpack.follow_observation()",
    "function modelpack.judge_drift(text, timestamptz)",
    "function modelpack.unjudged()",
    "function modelpack.end_observation(bigint, bigint)",
    "function modelpack.count_stale()",
    "function modelpack.observe_some(bigint, text, boolean, bigint, integer)",
    "function modelpack.unobserved(integer)",
    "function modelpack.begin_observation()",
    "function modelpack.begin_observation(modelpack.me)",
    "function modelpack.make_yardsticks(integer, text)",
    "function modelpack.renew_yardsticks()",
    "view modelpack.features",
    "view modelpack.timeline",
    "view modelpack.failures_by_hour",
    "view modelpack.staleness",
    "view modelpack.latency",
    "view modelpack.drift_by_hour",
    "view modelpack.drift",
    "view modelpack.response",
    "table modelpack.happening",
    "table modelpack.failure_count",
    "table modelpack.stale_count",
    "table modelpack.drift_figure",
    "table modelpack.rollup_input",
    "table modelpack.rollup",
    "table modelpack.yardstick_text",
    "table modelpack.yardstick",
    "table modelpack.watched",
    "table modelpack.segment",
    "table modelpack.observed_part",
    "table modelpack.observed",
)
DROPS_OF_CORE: tuple[str, ...] = (
    "function modelpack.set_reference(text, integer, jsonb, jsonb)",
    "function modelpack.set_reference(modelpack.me, text, integer, jsonb, jsonb)",
    "function modelpack.check_reference(jsonb, jsonb, jsonb)",
    "function modelpack.is_double(jsonb, numeric)",
    "view modelpack.version_reference",
    "table modelpack.reference",
)
DROPS = (
    *DROPS_OF_ERASURE,
    *DROPS_OF_CROSSINGS,
    *DROPS_OF_EXPLANATIONS,
    *DROPS_OF_ALERTS,
    *DROPS_OF_MONITORING,
    *DROPS_OF_CORE,
)
# and the settings that go with them
SETTINGS: tuple[str, ...] = (
    "rollup_days",
    "rollup_years",
    "drift_level",
    "drift_effect",
)


def upgrade() -> None:
    """Install."""
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back: the rooms are gone, and what they hold."""
    for what in DROPS:
        run_sql(f"drop {what}")
    for name in SETTINGS:
        run_sql(f"delete from modelpack.setting where name = '{name}'")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

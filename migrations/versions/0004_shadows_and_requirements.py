"""Shadows and replay: versions that score what the log holds; requirements: what a version has to have shown before it is promoted."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS: tuple[str, ...] = (
    "schema/shadows", "schema/requirements", "schema/segments",
    "needed_rights", "examine_rights", "take_turn", "require_approval",
    "can_replay", "replayable", "fed", "score_fed", "replayed", "shadow_table", "feed_shadow", "end_shadow", "follow_shadows", "keep_shadows", "room_for", "model_of",
    "start_shadow", "stop_shadow", "shadow_some", "score_shadows", "shadow_rows", "replay_rows", "timed", "replay_times", "reproduce",
    "judged_beside", "rival_rows", "compare_versions", "read_requirement", "known_until", "judge_requirement", "demand", "follow_promotions",
    "set_champion", "promote", "rollback", "revoke_model", "set_requirement", "try_requirement", "note_arm",
    "keep_owners", "arm_table", "follow_experiments", "arrange",
    "get_experiment", "check_weights", "end_experiment", "set_weights", "start_experiment", "watch_experiments", "arm_values",
    "follow_outcomes", "open_cohort", "record_outcome",
    "keep_shipped", "schema/rights",
)  # fmt: skip
# and the revisions whose texts a downgrade goes back to
REVERTS_TO: dict[str, str] = {
    "needed_rights": "0001",
    "examine_rights": "0003",
    "take_turn": "0001",
    "require_approval": "0001",
    "rival_rows": "0002",
    "set_champion": "0001",
    "promote": "0001",
    "rollback": "0001",
    "revoke_model": "0001",
    "keep_owners": "0001",
    "arm_table": "0003",
    "follow_experiments": "0003",
    "arrange": "0003",
    "get_experiment": "0003",
    "check_weights": "0003",
    "end_experiment": "0003",
    "set_weights": "0003",
    "start_experiment": "0003",
    "watch_experiments": "0003",
    "arm_values": "0003",
    "follow_outcomes": "0002",
    "open_cohort": "0002",
    "record_outcome": "0002",
    "keep_shipped": "0003",
    "schema/rights": "0003",
}
# no event writes into what is about to be dropped
ENDS = (
    "update modelpack.shadow set ended_at = clock_timestamp(), ended_by = current_user where ended_at is null",
    "select modelpack.feed_shadow(s.shadow_id) from modelpack.shadow as s where s.input_limit is not null",
)
DROPS = (
    "trigger follow_experiments_later on modelpack.score",
    "trigger note_arm on modelpack.cohort",
    "function modelpack.note_arm()",
    "view modelpack.fit_by_segment",
    "trigger follow_promotions on modelpack.promotion",
    "function modelpack.try_requirement(text, integer, text)",
    "function modelpack.try_requirement(modelpack.me, text, integer, text)",
    "function modelpack.set_requirement(text, text)",
    "function modelpack.set_requirement(modelpack.me, text, text)",
    "function modelpack.promote(text, integer, text, text)",
    "function modelpack.promote(modelpack.me, text, integer, text, text)",
    "function modelpack.follow_promotions()",
    "function modelpack.demand(text, integer, integer, text, text)",
    "function modelpack.judge_requirement(text, integer, integer, text)",
    "function modelpack.known_until(text, integer)",
    "function modelpack.read_requirement(text)",
    "function modelpack.compare_versions(text, double precision[], double precision[], double precision[], bigint[], double precision)",
    "function modelpack.judged_beside(text, text, modelpack.version, timestamptz)",
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
    "function modelpack.replay_times(regclass, text, integer, timestamptz)",
    "function modelpack.replay_times(modelpack.me, regclass, text, integer, timestamptz)",
    "function modelpack.timed(modelpack.version, modelpack.scored[])",
    "function modelpack.room_for(modelpack.shadow)",
    "trigger keep_shadows on modelpack.retirement",
    "function modelpack.keep_shadows()",
    "trigger follow_shadows on modelpack.score",
    "function modelpack.follow_shadows()",
    "function modelpack.end_shadow(integer, name)",
    "function modelpack.feed_shadow(integer)",
    "function modelpack.shadow_table(integer, integer)",
    "function modelpack.replayed(modelpack.version, modelpack.prediction[])",
    "function modelpack.score_fed(modelpack.version, modelpack.scored[])",
    "function modelpack.fed(modelpack.version, modelpack.prediction[])",
    "function modelpack.model_of(modelpack.profile, text)",
    "function modelpack.replayable(modelpack.version)",
    "function modelpack.can_replay(text, integer, integer)",
    "view modelpack.shadow_difference",
    "table modelpack.shadow_input",
    "table modelpack.shadow_score",
    "table modelpack.shadow",
    "table modelpack.met_requirement",
    "table modelpack.requirement",
)


def upgrade() -> None:
    """Install; a promotion has an argument more."""
    run_sql("drop function modelpack.promote(text, integer, text)")
    run_sql("drop function modelpack.promote(modelpack.me, text, integer, text)")
    for name in INSTALLS:
        run_sql(snapshot(name, revision))


def downgrade() -> None:
    """Go back: shadows are gone, and what they scored; so are requirements."""
    for statement in ENDS:
        run_sql(statement)
    for what in DROPS:
        run_sql(f"drop {what}")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

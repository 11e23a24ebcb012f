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
    "maintain",
    "doctor",
    "examine_rights",
    "fed",
    "heard",
    "listen",
    "key_text",
    "sees_entity",
    "shown_inputs",
    "schema/visible_log",
    "log_of",
    "load",
    "trial",
    "examine_server",
    "compare_versions",
    "dependents",
    "needed_rights",
)
MONITORING: tuple[str, ...] = (
    "schema/monitoring",
    "text_key",
    "summable",
    "renew_yardsticks",
    "make_yardsticks",
    "begin_observation",
    "unobserved",
    "observe_some",
    "count_stale",
    "end_observation",
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
CROSSINGS: tuple[str, ...] = (
    "schema/crossings",
    "crossed_bounds",
    "crossing_table",
    "follow_crossings",
    "ended_below",
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
ERASURE: tuple[str, ...] = (
    "schema/erasure",
    "plain",
    "event_tables",
    "traced",
    "same_rows",
    "erase_golden",
    "erase_hashes",
    "erase_samples",
    "erase_row",
    "erase_entity",
    "erase",
    "traces",
    "erased",
    "reproduce",
    "replay_rows",
    "shadow_some",
    "judged_beside",
)
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
    "doctor": "0001",
    "examine_rights": "0004",
    "fed": "0004",
    "heard": "0001",
    "listen": "0001",
    "reproduce": "0004",
    "replay_rows": "0004",
    "shadow_some": "0004",
    "judged_beside": "0004",
    "load": "0001",
    "trial": "0001",
    "examine_server": "0001",
    "compare_versions": "0004",
    "dependents": "0001",
    "needed_rights": "0004",
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
    "function modelpack.erase_golden(integer, integer[])",
    "function modelpack.erase_hashes(text, text)",
    "function modelpack.same_rows(modelpack.version, jsonb, modelpack.scored[])",
    "function modelpack.traced(modelpack.personal)",
    "function modelpack.event_tables(regclass)",
    "function modelpack.plain(regclass, text[])",
    "table modelpack.erasure",
    "table modelpack.personal",
    "index if exists modelpack.shadow_score_entity_idx",
)
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
    "function modelpack.ended_below()",
    "function modelpack.note_restore()",
    "function modelpack.crossed_bounds(double precision, double precision, double precision[])",
    "table modelpack.crossing_origin",
    "table modelpack.follower",
    "table modelpack.crossing",
)
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
    "function modelpack.summable(double precision)",
    "function modelpack.text_key(text)",
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
    "function modelpack.log_of(regclass, text, timestamptz, timestamptz)",
    "view modelpack.visible_log",
    "function modelpack.shown_inputs(regclass, jsonb, jsonb, double precision[], text[])",
    "function modelpack.sees_entity(regclass, text[], text, text)",
    "function modelpack.key_text(regclass, text)",
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
      join pg_catalog.pg_proc as f on f.pronamespace = 'modelpack'::pg_catalog.regnamespace and f.proname in (s.stem || '_cross', s.stem || '_cross_row', s.stem || '_crossed')
  loop
    execute format('drop function %s', v_item.function);
  end loop;
  delete from modelpack.made as m using modelpack.score as s
   where m.profile_id = s.profile_id
     and m.object in (s.stem || '_cross', s.stem || '_cross_row', s.stem || '_crossed', 'model_cross_' || s.score);
  update modelpack.profile as p
     set declaration = pg_catalog.jsonb_set(p.declaration, '{scores}', (select pg_catalog.jsonb_agg(s.value - 'crossing' order by s.ordinality)
                                                                          from pg_catalog.jsonb_array_elements(p.declaration -> 'scores') with ordinality as s))
   where exists (select from pg_catalog.jsonb_array_elements(p.declaration -> 'scores') as s where s.value ? 'crossing');
  delete from modelpack.setting where name in ('crossing_days', 'unread_crossing_days');
end
$ends$
"""
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
    run_sql(ENDS_OF_CROSSINGS)
    for what in DROPS:
        run_sql(f"drop {what}")
    for name in SETTINGS:
        run_sql(f"delete from modelpack.setting where name = '{name}'")
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

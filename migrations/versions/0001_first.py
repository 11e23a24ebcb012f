"""The schema, the roles, the registry, scoring and the prediction log."""

from modelpack.install import run_sql
from modelpack.snapshots import snapshot

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# in the order in which they need each other
INSTALLS = (
    "schema/tables",
    "shown", "check_text", "check_facts", "why", "withheld",
    "amount", "decay", "to_double", "pack", "dollar", "qualified", "tablespace", "immutable",
    "server_wheels", "failure", "start_watchdog", "load", "score", "score_many", "score_first", "inspect", "trial", "prove", "record_failure",
    "lockers", "patience", "do_soon", "dependents", "drop_object", "hold_profile", "alone", "calls", "caller", "sees", "take_turn", "check_grant", "get_version", "scorable", "score_named", "check_not_retired", "grant_model", "revoke_model", "require_approval",
    "no_score", "runs_as", "heard", "listen", "listen_for", "hides_rows", "put_function", "feed", "shape", "bind", "bind_model", "set_champion", "hold", "holders", "blame", "end_holders", "hold_models", "switch", "disable", "enable", "warm", "publish", "coarse", "look_unseen", "unseen", "check_unseen", "promote", "rollback", "predict",
    "approve", "withdraw_approval", "set_alias", "drop_alias", "annotate", "set_tag", "add_note", "set_metric", "retire", "purge",
    "recheck", "score_rows", "diff",
    "key_value", "column_type", "check_key_columns", "view_meaning", "resolve", "check_meaning",
    "generated", "misplaced", "check_places", "check_stored", "get_profile", "check_keys", "lock_tables", "index_name", "ensure_stale_index", "falls_to", "stale_chunks", "attach", "uncount", "disarm", "disarm_former", "exchange_columns", "put_trigger", "detach", "replace", "add_column_like", "index_wanted", "ensure_index", "arithmetic", "needed_rights", "grant_access", "revoke_access", "run_as",
    "cover_partitions", "follow_moves", "attached_tables", "as_owner", "count_partition", "chunks", "chunk", "begin_job", "end_job", "fill_steps", "fill", "fill_ended", "backfill", "rescore", "refresh", "rebuild", "verify",
    "log_partitions", "try_lock", "maintain", "history",
    "follow_partitions", "recount_dropped", "recompile_altered", "follow_triggers", "warn_swapped", "keep_functions", "keep_owners", "kin", "keep_alone", "keep_shipped",
    "seal", "detach_dropped", "examine_golden", "examine_server", "examine_gate", "examine_rights", "examine_tables", "examine_triggers", "examine_rows", "examine_models",
    "examine_log", "doctor",
    "schema/rights",
)  # fmt: skip
REVERTS_TO = {"schema/drop": "0001"}


def upgrade() -> None:
    """Install."""
    run_sql("create extension if not exists plpython3u")
    for name in INSTALLS:
        run_sql(snapshot(name, revision))
    run_sql("select modelpack.maintain()")


def downgrade() -> None:
    """Take every declaration off its tables, then drop all but the version table."""
    for name, released in REVERTS_TO.items():
        run_sql(snapshot(name, released))

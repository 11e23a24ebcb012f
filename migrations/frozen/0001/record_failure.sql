create or replace function modelpack.record_failure(version_id integer, profile text, reason text) returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
import time

kinds = (
    ("input", ("input ", "an input ")),
    ("model", ("the model fails",)),
    ("output", ("the model gives",)),
    ("time", ("the model ran beyond",)),
    ("breaker", ("the model keeps failing",)),
    ("wheels", ("the server's Python",)),
)
kind = next((name for name, starts in kinds if reason.startswith(starts)), "load")
seen = GD.setdefault("modelpack_recorded", {})
now = time.monotonic()
due, failures = seen.get((version_id, kind), (now, 0))
failures += 1
if now < due:
    seen[version_id, kind] = (due, failures)
    return
if len(seen) > 1000:
    seen.clear()
plan = GD.get("modelpack_record")
if plan is None:
    plan = GD["modelpack_record"] = plpy.prepare(
        "insert into modelpack.failure_log (version_id, profile, kind, reason, failures)"
        " select $1, $2, $3, $4, $5 where not exists (select from modelpack.failure_log as f"
        " where f.version_id = $1 and f.kind = $3"
        " and f.at between clock_timestamp() - interval '1 minute' and clock_timestamp())",
        ["integer", "text", "text", "text", "bigint"],
    )
written = plpy.execute(plan, [version_id, profile, kind, reason[:1000], failures]).nrows()
seen[version_id, kind] = (now + 60.0, 0 if written else failures)
$modelpack$;
comment on function modelpack.record_failure(integer, text, text) is
  'Writes a row of modelpack.failure_log: at most one a minute for each version and kind of failure, sessions that start at once apart. No row is ever waited for or updated.';
revoke all on function modelpack.record_failure(integer, text, text) from public;

"""modelpack.prove: runs a version's golden rows with this server's own onnxruntime."""

from __future__ import annotations

from typing import Any

SQL = """\
create or replace function modelpack.prove(version_id integer) returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.prove(integer) is
  'Runs the golden rows of a version on this server and refuses the version unless each gives the expected score.';
alter function modelpack.prove(integer) owner to modelpack_owner;
revoke all on function modelpack.prove(integer) from public;
"""


def prove(plpy: Any, GD: dict[str, Any], version_id: int) -> None:
    """Raise an SQL error that names the first golden row whose score is not the expected one.

    The same onnxruntime gives bit-equal scores; another release may differ in the last digits, so a
    relative difference up to 1e-6 passes.
    """
    import json
    import sys

    found = plpy.execute(
        "select v.model, v.version, v.signature, v.golden, v.libraries from modelpack.version as v"
        f" where v.version_id = {version_id}"
    )[0]
    inputs = json.loads(found["signature"])["inputs"]
    golden = json.loads(found["golden"])
    name = f"{found['model']} version {found['version']}"
    numbers = [n for n, i in enumerate(inputs) if i["type"] == "number"]
    texts = [n for n, i in enumerate(inputs) if i["type"] == "text"]
    if not golden.get("rows"):
        plpy.error(
            f"{name} has no golden rows, so nothing shows that this server scores like the estimator",
            hint="Publish with a sample: modelpack publish MODEL --sample rows.csv",
            sqlstate="22023",
        )
    GD.get("modelpack", {}).pop(version_id, None)
    plpy.execute(f"select modelpack.load({version_id})")
    run = GD["modelpack"][version_id]
    for place, (row, expected) in enumerate(zip(golden["rows"], golden["scores"], strict=True), start=1):
        words = [inputs[n].get("missing_token") if row[n] is None else row[n] for n in texts]
        GD["modelpack_failure"] = None
        score = run([row[n] for n in numbers], words if texts else None)
        same = (
            score is None
            if expected is None
            else (score is not None and abs(score - expected) <= 1e-6 * max(1.0, abs(expected)))
        )
        if not same:
            made = json.loads(found["libraries"]).get("onnxruntime", "unknown")
            here = getattr(sys.modules.get("onnxruntime"), "__version__", "none")
            plpy.error(
                f"{name}: golden row {place} gives {GD['modelpack_failure'] if score is None else score} "
                f"on this server, expected {expected}",
                detail=f"Inputs: {json.dumps(dict(zip((i['name'] for i in inputs), row, strict=True)))}. "
                f"onnxruntime: {here} on this server, {made} where it was made.",
                hint="Give the server the libraries that made the version (docs/operations.md), or publish again with the server's.",
                sqlstate="22023",
            )

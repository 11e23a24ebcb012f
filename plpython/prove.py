"""modelpack.prove: the gate before a version may score. Bytes, trial, golden rows, record."""

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
  'The gate before a version may score: reads its bytes (modelpack.inspect), tries it in a process of its own (modelpack.trial), and refuses it unless each golden row gives the expected score on this server. What passed is recorded in modelpack.inspection; modelpack.load loads nothing else.';
alter function modelpack.prove(integer) owner to modelpack_owner;
revoke all on function modelpack.prove(integer) from public;
"""


def prove(plpy: Any, GD: dict[str, Any], version_id: int) -> None:
    """Raise an SQL error that says why the version may not score, or record that it may.

    Nothing of the model is loaded here: this is a backend, and what hangs or crashes it takes the connection,
    or the server, along. The same onnxruntime gives bit-equal scores; another release may differ in the last
    digits, so a relative difference up to 1e-6 passes.
    """
    import hashlib
    import json

    found = plpy.execute(
        "select v.model, v.version, v.signature, v.golden, v.libraries, v.sha256, a.onnx from modelpack.version as v"
        f" join modelpack.artifact as a using (sha256) where v.version_id = {version_id}"
    )[0]
    name = f"{found['model']} version {found['version']}"
    onnx, signature, golden = found["onnx"], found["signature"], found["golden"]
    if onnx is None or hashlib.sha256(onnx).hexdigest() != found["sha256"]:
        plpy.error(
            f"{name}: its bytes were purged"
            if onnx is None
            else f"{name}: its bytes do not have the hash under which they were published",
            detail=f"Expected: bytes with the SHA-256 {found['sha256']}.",
            hint="Publish the model again.",
            sqlstate="22023",
        )
    given = ["bytea", "jsonb", "jsonb"]
    plpy.execute(plpy.prepare("select modelpack.inspect($1, $2, $3)", given), [onnx, signature, golden])
    plan = plpy.prepare("select modelpack.trial($1, $2, $3) as report", given)
    report = json.loads(plpy.execute(plan, [onnx, signature, golden])[0]["report"])
    names = [i["name"] for i in json.loads(signature)["inputs"]]
    proof = json.loads(golden)
    for place, (row, expected) in enumerate(zip(proof["rows"], proof["scores"], strict=True), start=1):
        score, reason = report["scores"][place - 1], report["reasons"][place - 1]
        same = (
            score is None
            if expected is None
            else (score is not None and abs(score - expected) <= 1e-6 * max(1.0, abs(expected)))
        )
        if not same:
            made = json.loads(found["libraries"]).get("onnxruntime", "unknown")
            plpy.error(
                f"{name}: golden row {place} gives {reason if score is None else score} on this server, expected {expected}",
                detail=f"Inputs: {json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)}. "
                f"onnxruntime: {report['onnxruntime']} on this server, {made} where it was made.",
                hint="Give the server the libraries that made the version (docs/operations.md), or publish again with the server's.",
                sqlstate="22023",
            )
    plpy.execute(
        plpy.prepare(
            "insert into modelpack.inspection (version_id, sha256, onnxruntime, numpy, python, memory, load_milliseconds, row_microseconds)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8)",
            ["integer", "text", "text", "text", "text", "bigint", "double precision", "double precision"],
        ),
        [
            version_id,
            found["sha256"],
            *(
                report[k]
                for k in ("onnxruntime", "numpy", "python", "memory", "load_milliseconds", "row_microseconds")
            ),
        ],
    )
    GD.get("modelpack", {}).pop(version_id, None)  # what failed to load before may be tried again

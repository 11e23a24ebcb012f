"""modelpack.try_formula: reads a formula, and computes the golden rows of its version by it, as events will."""

import json
import sys
import time
from typing import Any

from modelpack.formula.grammar import FormulaError, check
from plpython.computed import Computed
from plpython.inputs import Inputs

SQL = """\
create or replace function modelpack.try_formula(formula json, signature jsonb, golden jsonb) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.try_formula(json, jsonb, jsonb) is
  'Reads a formula and computes the golden rows of its version by it. Returns the scores, why a row has none, how many parts the formula has, and how long it took; refuses what is no formula, or has more parts than formula_parts in modelpack.setting. It needs no process of its own: a formula has no loops and allocates nothing that it does not hold.';
revoke all on function modelpack.try_formula(json, jsonb, jsonb) from public;
"""


def tried(formula: str, signature: str, golden: Any, limit: int) -> dict[str, Any]:
    """The report. Raises FormulaError."""
    inputs = Inputs(signature)
    try:
        read = json.loads(formula)
    except (ValueError, RecursionError) as error:
        raise FormulaError(f"the formula is not understood: {str(error)[:200]}") from None
    parts = check(read, len(inputs.names), len(inputs.words))
    if parts > limit:
        raise FormulaError(f"the formula has {parts} parts, expected at most {limit}")
    started = time.thread_time()
    GD: dict[str, Any] = {}
    version = Computed(
        GD,
        {"signature": signature, "formula": formula, "breaker_failures": sys.maxsize, "breaker_pause": 0.0},
    )
    report: dict[str, Any] = {"parts": parts, "load_milliseconds": (time.thread_time() - started) * 1000}
    kinds = [i["type"] for i in json.loads(signature)["inputs"]]
    scores, reasons, times = [], [], []
    for row in golden["rows"]:
        GD["modelpack_failure"] = None
        numbers = [cell for cell, kind in zip(row, kinds, strict=True) if kind == "number"]
        texts = [cell for cell, kind in zip(row, kinds, strict=True) if kind == "text"]
        started = time.thread_time()
        scores.append(version.run(numbers, texts))
        times.append(time.thread_time() - started)
        reasons.append(GD["modelpack_failure"])
    if all(score is None for score in scores):
        raise FormulaError("the formula is refused: it scores none of its golden rows")
    return {
        **report,
        "scores": scores,
        "reasons": reasons,
        "row_microseconds": sum(times) / len(times) * 1e6,
        "slowest_microseconds": max(times) * 1e6,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
    }


def try_formula(plpy: Any, formula: str, signature: str, golden: str) -> str:
    """JSON with `scores` and `reasons` (one a golden row), `parts`, `python`, and times."""
    limit = plpy.execute("select s.value from modelpack.setting as s where s.name = 'formula_parts'")[0][
        "value"
    ]
    try:
        return json.dumps(tried(formula, signature, json.loads(golden), int(limit)))
    except FormulaError as refused:
        plpy.error(
            str(refused),
            detail="Expected: a formula as docs/formula.md describes it, which scores the golden rows of its version.",
            hint="Publish with the package; a model that has no such formula: modelpack publish --engine onnx.",
            sqlstate="22023",
        )
        raise AssertionError from None  # plpy.error does not return

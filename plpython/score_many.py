"""modelpack.score_many: many rows in one call, for modelpack.rescore."""

from __future__ import annotations

from typing import Any

SQL = """\
create or replace function modelpack.score_many(version_id integer, numbers double precision[]) returns double precision[]
language plpython3u volatile security invoker
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.score_many(integer, double precision[]) is
  'Scores rows of packed numbers with a version, in their order. NULL for a row that modelpack.score has to look at: only that knows what is wrong with it.';
alter function modelpack.score_many(integer, double precision[]) owner to modelpack_owner;
revoke all on function modelpack.score_many(integer, double precision[]) from public;
"""


def score_many(
    plpy: Any,
    SD: dict[str, Any],
    GD: dict[str, Any],
    version_id: int,
    numbers: list[list[float | None]] | None,
) -> list[float | None]:
    """Look the loaded model up in this session and run it on all rows; a broken one scores none."""
    if not numbers:
        return []
    if version_id not in SD.get("cache", {}):
        plpy.execute(f"select modelpack.load({version_id})")
        SD["cache"] = GD["modelpack"]
    many = getattr(SD["cache"][version_id], "many", None)
    scores: list[float | None] = many(numbers) if many else [None] * len(numbers)
    return scores

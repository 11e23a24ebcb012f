"""modelpack.score: the hot path. One row's inputs in, one score out; NULL where there is none to be had."""

from typing import Any

SQL = """\
create or replace function modelpack.score(version_id integer, numbers double precision[], texts text[]) returns double precision
language plpython3u volatile security invoker
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.score(integer, double precision[], text[]) is
  'Scores one row with a version: packed inputs in, score out. NULL where there is no score; modelpack.failure() says why. Called once a row by the score triggers, which have pinned the search_path: it names nothing itself.';
revoke all on function modelpack.score(integer, double precision[], text[]) from public;
"""


def score(
    plpy: Any,
    SD: dict[str, Any],
    GD: dict[str, Any],
    version_id: int,
    numbers: list[float | None],
    texts: list[str | None] | None,
) -> str | None:
    """Look the loaded model up in this session and run it.

    SD is empty for a function that was made anew, such as after the schema was dropped and installed again:
    then numbers of versions mean other models than those that the session has loaded.
    """
    try:
        version: Any = SD["cache"][version_id]
    except KeyError:
        plpy.execute(f"select modelpack.load({version_id})")
        SD["cache"] = GD["modelpack"]
        version = GD["modelpack"][version_id]
    found: float | None = version.run(numbers, texts)
    # PL/Python hands a number over as text: hexadecimal is exact, and the quickest to write and to read
    return None if found is None else found.hex()

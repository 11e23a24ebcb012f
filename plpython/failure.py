"""modelpack.failure: why the last call of modelpack.score in this session gave no score."""

from typing import Any

SQL = """\
create or replace function modelpack.failure() returns text
language plpython3u volatile security invoker
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.failure() is 'Why the last call of modelpack.score in this session gave no score.';
revoke all on function modelpack.failure() from public;
"""


def failure(GD: dict[str, Any]) -> str | None:
    """The reason, kept in the session by the function that found it."""
    return GD.get("modelpack_failure")

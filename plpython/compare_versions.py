"""modelpack.compare_versions: a figure of two versions on the same rows, by the statistics of `modelpack fit`."""

import json
from typing import Any

from modelpack.outcomes.statistics.figures import figure_of_both
from plpython import source_of
from plpython.libraries import no_signals, put_wheels_first

SQL = """\
create or replace function modelpack.compare_versions(figure text, first double precision[], second double precision[], outcomes double precision[], entities bigint[], confidence double precision) returns jsonb
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.compare_versions(text, double precision[], double precision[], double precision[], bigint[], double precision) is
  'AUC, Brier score, log loss or MAE of two versions on the same rows: both, their difference and its interval, and the interval of the second; rows of one entity belong together. NULL where the rows have no such figure.';
revoke all on function modelpack.compare_versions(text, double precision[], double precision[], double precision[], bigint[], double precision) from public;
"""


def compare_versions(
    plpy: Any,
    figure: str,
    first: list[float],
    second: list[float],
    outcomes: list[float],
    entities: list[int],
    confidence: float,
) -> str | None:
    """The statistics need numpy, so they are a program that is run once the wheels can be found."""
    put_wheels_first(plpy.execute("select modelpack.server_wheels() as path")[0]["path"])
    names: dict[str, Any] = {"__name__": "modelpack_statistics"}
    with no_signals():
        exec(source_of(figure_of_both), names)
    try:
        return json.dumps(names["figure_of_both"](figure, first, second, outcomes, entities, confidence))
    except ValueError:  # outcomes that are all the same, scores that are no probabilities
        return None

"""Inputs of a score that are not simply a profile column of the same name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelpack.declaration.expressions import Expression, check_expression
from modelpack.declaration.names import check_name
from modelpack.errors import DeclarationError, shown

# What the SQL of an input calls the profile row and the moment of scoring: whatever evaluates it has them by
# these names, so that nothing is ever replaced in it. No column is called so.
ROW = "p"
MOMENT = '"the moment"'


@dataclass(frozen=True)
class Input:
    """An input as SQL over the profile row. Use `age`, `ratio` or `expression` to make one.

    `sql` reads columns as `p.column` and the moment of scoring as `"the moment"`; `columns` are the
    profile columns that it reads. `may_fail`: some rows may make it an error (a division by zero), which
    then makes the score of that row stale.
    """

    sql: str
    columns: tuple[str, ...]
    may_fail: bool = False

    def __post_init__(self) -> None:
        check_expression(self.sql, "the SQL of an input")
        for column in self.columns:
            check_name(column, "a column that an input reads")

    def to_dict(self) -> dict[str, Any]:
        """The input as JSON."""
        return {"sql": self.sql, "columns": list(self.columns), "may_fail": self.may_fail}


def age(column: str) -> Input:
    """Days (double precision, with fractions) from a timestamp or date column to the moment of scoring.

    NULL where the column is NULL, infinite or beyond the year 200000. Times without a time zone are read as UTC.
    """
    name = _one_column(column, "age()")
    value = name.over(ROW)
    return Input(  # a date may lie beyond every timestamp
        f"case when isfinite({value}) and {value} < date '200000-01-01' "
        f"then date_part('epoch', {MOMENT} - {value}::timestamptz) / 86400 end",
        tuple(name.columns),
    )


def ratio(numerator: str, denominator: str) -> Input:
    """One profile column divided by another (double precision); NULL where the denominator is 0 or NULL."""
    above, below = _one_column(numerator, "ratio()"), _one_column(denominator, "ratio()")
    return Input(
        f"{above.over(ROW)}::double precision / nullif({below.over(ROW)}::double precision, 0)",
        (*above.columns, *below.columns),
    )


def expression(sql: str) -> Input:
    """An SQL expression over the columns of the profile row, for example `expression("spend / 12")`.

    It must be immutable: the log computes it again from the stored row.
    """
    parsed = Expression(sql, what="expression()")
    return Input(f"({parsed.over(ROW)})", tuple(parsed.columns), may_fail=True)


def _one_column(text: str, what: str) -> Expression:
    parsed = Expression(text, what=what)
    if len(parsed.columns) != 1 or (
        parsed.text.strip('"') != parsed.columns[0] and parsed.text.lower() != parsed.columns[0]
    ):
        raise DeclarationError(f"{what} takes the name of a profile column, found {shown(text)}")
    return parsed

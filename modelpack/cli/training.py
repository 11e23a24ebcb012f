"""The data scientist's training set, from the declaration that the triggers keep."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelpack.cli.schema import Declaration
from modelpack.cli.session import Session, command, in_words
from modelpack.errors import DeclarationError

if TYPE_CHECKING:
    import pandas as pd


def training_set(
    session: Session,
    declaration: Declaration,
    at: Annotated[
        list[str],
        typer.Option(
            help="The moment of the features, e.g. 1997-10-01 (UTC); may be repeated.", metavar="MOMENT"
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write: .parquet or .csv.", metavar="FILE")
    ],
    label: Annotated[
        str | None,
        typer.Option(
            help='SQL of the truth; default: the outcome that the score declares. p is the profile row and t.at the moment, e.g. "not exists (select from '
            'purchase as e where e.customer_id = p.customer_id and e.purchased_at > t.at)".',
            metavar="SQL",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="The profile, where the file declares several.", metavar="TABLE"),
    ] = None,
    everybody: Annotated[
        bool,
        typer.Option("--everybody", help="Also customers without an event up to the moment."),
    ] = False,
) -> None:
    """Write features as they were at moments in the past: no event after the moment is seen.

    Needs modelpack[publish].
    """
    from modelpack.declaration import load_profiles
    from modelpack.extras import need_publish
    from modelpack.fitness import read_table
    from modelpack.training import training_set as read

    need_publish("A training set")
    if output.suffix not in (".parquet", ".csv"):
        raise DeclarationError(
            f"{output} ends with {output.suffix!r}, expected a file name with .parquet or .csv"
        )
    if not output.parent.is_dir():
        raise DeclarationError(f"there is no folder {output.parent} to write {output.name} into")
    found = [p for p in load_profiles(declaration) if profile in (None, p.table)]
    if len(found) != 1:
        tables = ", ".join(p.table for p in load_profiles(declaration))
        raise DeclarationError(f"{declaration} declares {tables}; name one of them with --profile")
    with (
        in_words(DeclarationError),
        session.transaction() as connection,
        session.working("reading the events"),
    ):
        frame = read(connection, found[0], at=at, label=label, everybody=everybody)
        types = read_table(connection, found[0].table).columns
    if output.suffix == ".parquet":
        _to_parquet(frame, output, types)
    else:
        _to_csv(frame, output)
    session.say(f"{output}: {len(frame):,} rows, {len(frame.columns)} columns.")
    session.answer({"file": str(output), "rows": len(frame), "columns": list(map(str, frame.columns))})


def _to_parquet(frame: pd.DataFrame, output: Path, types: Mapping[str, str]) -> None:
    """Raises DeclarationError, which names the column, where a column has no form in a parquet file."""
    import pyarrow

    for name in frame.columns:
        try:
            pyarrow.array(frame[name], from_pandas=True)
        except (pyarrow.ArrowException, TypeError) as error:
            values = {type(value).__name__ for value in frame[name].dropna()}
            kind = types.get(name) or ", ".join(sorted(values))
            raise DeclarationError(
                f"the column {name} is of the type {kind}, expected one that a parquet file can hold; write a .csv file "
                f"(-o {output.with_suffix('.csv').name}), or declare {name} as text: "
                f'Score(…, inputs={{"{name}": "{name}::text"}})'
            ) from error
    frame.to_parquet(output, index=False)


def _to_csv(frame: pd.DataFrame, output: Path) -> None:
    """Raises DeclarationError, which names column and value, where pandas.read_csv would read another text than is there.

    A .csv file has no types: NA and the empty text become a missing value, 01234 a number, True a boolean.
    """
    import warnings

    import pandas as pd

    # texts in quotes: a carriage return would end the line
    written = frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that look like numbers here and like texts there
        try:
            found = pd.read_csv(io.StringIO(written))
        except (ValueError, pd.errors.ParserError) as error:
            raise DeclarationError(
                f"pandas.read_csv cannot read the training set back ({error}); write {output.with_suffix('.parquet').name}"
            ) from error
    for name in frame.columns:
        cells = [
            (a, b)
            for a, b in zip(frame[name], found[str(name)], strict=True)
            if isinstance(a, str) and a != b
        ]
        if cells:
            text, read = cells[0]
            what = "a missing value" if pd.isna(read) else f"the {_KINDS.get(type(read), 'text')} {read!r}"
            raise DeclarationError(
                f"the column {name} holds {text!r}, which pandas.read_csv reads as {what}, so a model would learn what no "
                f"row has; write a .parquet file, which keeps texts as they are: -o {output.with_suffix('.parquet').name}"
            )
    output.write_text(written, encoding="utf-8", newline="")


_KINDS = {int: "number", float: "number", bool: "boolean"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "training-set")(training_set)

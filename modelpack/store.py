"""A packaged model becomes the next version of a model in the database."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from modelpack.errors import RegistryError, shown
from modelpack.publication import ENGINES, Publication


def check_name(name: str) -> None:
    """Raise RegistryError for what cannot name a model."""
    from modelpack.declaration.profile import MODEL_NAME  # a list of versions needs no declaration

    if not MODEL_NAME.fullmatch(name):
        raise RegistryError(
            f"{shown(name)} cannot name a model; expected a lower-case letter, then lower-case letters, digits and _, "
            "at most 41 in all"
        )


def check_engine(engine: str | None) -> None:
    """Raise RegistryError for what is no engine; None: it is chosen."""
    if engine not in (None, *ENGINES):
        raise RegistryError(f"{shown(engine)} is no engine; expected one of {', '.join(ENGINES)}")


def check_right(connection: Connection) -> None:
    """Raise RegistryError where the role may not publish."""
    allowed, role = connection.execute(
        text(
            "select bool_and(has_function_privilege(p.oid, 'execute')), current_user from pg_proc as p "
            "where p.pronamespace = to_regnamespace('modelpack') and p.proname = 'publish'"
        )
    ).one()
    if not allowed:
        raise RegistryError(
            f"the role {role} may not publish; as a superuser: grant modelpack_publisher to {role}"
        )


def store(connection: Connection, publication: Publication, onnx: bytes, facts: Mapping[str, Any]) -> int:
    """Store a version, and promote it where that is asked. Returns its number.

    Args:
        facts: `signature`, `golden`, `parity`, `metrics`, `libraries` and `lineage`, as JSON; `reference`,
            `background` and `formula`, where the version has them: one with a formula is scored by it.

    Raises RegistryError for a metric that is no number; the server refuses the rest.
    """
    stored = {**facts, "golden": _fit(connection, facts["golden"])}
    reference, background = stored.pop("reference", None), stored.pop("background", None)
    formula = stored.pop("formula", None)
    number = connection.execute(
        text(
            "select modelpack.publish(:model, cast(:onnx as bytea), cast(:signature as jsonb), cast(:golden as jsonb), "
            "cast(:parity as jsonb), cast(:metrics as jsonb), cast(:libraries as jsonb), :note, "
            "lineage => cast(:lineage as jsonb), engine => :engine, formula => cast(:formula as json))"
        ),
        {
            "model": publication.name,
            "onnx": onnx,
            "note": publication.note,
            "engine": "onnx" if formula is None else "python",
            # as it is: jsonb would make another number of -0.0, and has not every character
            "formula": None
            if formula is None
            else json.dumps(formula, separators=(",", ":"), allow_nan=False),
            **{k: json_text(v) for k, v in stored.items()},
        },
    ).scalar_one()
    if reference is not None:
        _set_reference(connection, publication.name, number, reference, background)
    if publication.promote:
        promote(connection, publication.name, number, publication.note, allow_unseen=publication.allow_unseen)
    return int(number)


def promote(
    connection: Connection,
    name: str,
    version: int,
    reason: str,
    *,
    require: str | None = None,
    allow_unseen: bool = False,
) -> None:
    """Make a version the one that scores; `require`: only where it meets this, as the room of requirements reads it."""
    allow = text("select set_config('modelpack.allow_unseen', :allow, true)")
    if allow_unseen:
        connection.execute(allow, {"allow": "on"})
    required = "" if require is None else ", require => :require"
    connection.execute(
        text(f"select modelpack.promote(:name, cast(:version as integer){required}, reason => :reason)"),
        {"name": name, "version": version, "reason": reason, "require": require},
    )
    if allow_unseen:
        connection.execute(allow, {"allow": ""})


def _set_reference(connection: Connection, name: str, version: int, reference: Any, background: Any) -> None:
    """Keep a version's reference, without the texts that this database cannot hold; a file may say anything there."""
    unfit = _unfit(connection, _words(reference) | _words(background))
    if unfit and isinstance(reference, dict) and isinstance(reference.get("inputs"), dict):
        reference = {
            **reference,
            "inputs": {name: _without(entry, unfit) for name, entry in reference["inputs"].items()},
        }
    if unfit and isinstance(background, (list, tuple)):
        background = [row for row in background if not unfit & _words(row)] or None
    connection.execute(
        text(
            "select modelpack.set_reference(:name, cast(:version as integer), cast(:reference as jsonb), "
            "cast(:background as jsonb))"
        ),
        {
            "name": name,
            "version": version,
            "reference": json_text(reference),
            "background": None if background is None else json_text(background),
        },
    )


def _without(entry: Any, unfit: set[str]) -> Any:
    """The distribution of an input whose unfit texts are counted among the others."""
    if not isinstance(entry, dict) or not isinstance(entry.get("categories"), dict):
        return entry
    counts, other = entry["categories"], entry.get("other")
    moved = [counts[word] for word in unfit & counts.keys()]
    if not isinstance(other, int) or not all(isinstance(count, int) for count in moved):
        return entry
    return {
        **entry,
        "categories": {word: count for word, count in counts.items() if word not in unfit},
        "other": sum(moved, other),
    }


def _words(form: Any) -> set[str]:
    """The texts in a JSON form, its keys among them."""
    found, pending = set(), [form]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found.add(part)
        elif isinstance(part, Mapping):
            pending += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple)):
            pending += part
    return found


def _unfit(connection: Connection, words: set[str]) -> set[str]:
    """Texts that no row of this database can hold."""
    unfit = {word for word in words if "\0" in word or any("\ud800" <= c <= "\udfff" for c in word)}
    if connection.execute(text("select current_setting('server_encoding')")).scalar() == "UTF8":
        return unfit
    words = {word for word in words - unfit if not word.isascii()}
    if _holds(connection, "".join(words)):
        return unfit
    return unfit | {word for word in words if not _holds(connection, word)}


def _fit(connection: Connection, golden: dict[str, Any]) -> dict[str, Any]:
    """The golden rows without those that no row of this database can be: their characters are not in its encoding."""
    if connection.execute(text("select current_setting('server_encoding')")).scalar() == "UTF8":
        return golden
    if not all(isinstance(golden.get(k), list) for k in ("rows", "scores")) or not all(
        isinstance(row, list) for row in golden["rows"]
    ):
        return golden  # which the server refuses
    words = {cell for row in golden["rows"] for cell in row if isinstance(cell, str)}
    unfit = {word for word in words if not _holds(connection, word)}
    kept = [n for n, row in enumerate(golden.get("rows", ())) if not unfit.intersection(map(str, row))]
    return golden | {
        key: [golden[key][n] for n in kept if n < len(golden[key])]
        for key in ("rows", "scores")
        if key in golden
    }


def _holds(connection: Connection, word: str) -> bool:
    """Whether the database's encoding has all characters of a text."""
    try:
        with connection.begin_nested():
            connection.execute(text("select cast(:word as text)"), {"word": word})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "22P05":  # untranslatable_character
            raise
        return False
    return True


def numbers(metrics: Mapping[str, float] | None) -> dict[str, float]:
    """Figures of a version. Raises RegistryError where one is no finite number."""
    found: dict[str, float] = {}
    for key, value in (metrics or {}).items():
        try:
            found[str(key)] = float(value)
        except (TypeError, ValueError):
            raise RegistryError(f"the metric {key} is {value!r}, expected a number") from None
        if not math.isfinite(found[str(key)]):
            raise RegistryError(f"the metric {key} is {value}, expected a finite number")
    return found


def json_text(value: Any) -> str:
    """JSON for jsonb, which knows no NaN and no infinity: null instead."""
    try:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise RegistryError("what is given as JSON is nested too deeply") from None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "item"):  # a NumPy scalar
        return _finite(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise RegistryError(f"{value!r} is a {type(value).__name__}, expected a number, text or None")

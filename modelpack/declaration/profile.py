"""The declaration itself: a profile table, the events that maintain it, and the scores that it carries."""

from __future__ import annotations

import hashlib
import json
import math
import re
import runpy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from modelpack.declaration.expressions import check_condition
from modelpack.declaration.features import Decayed, Feature, First, Last, feature_from_dict
from modelpack.declaration.inputs import Input, expression
from modelpack.declaration.names import check_name
from modelpack.errors import DeclarationError, shown

FORMAT = 1
"""Format of the stored declaration. Raise it when an older modelpack could misread a newer one."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,50}")
MODEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
"""Names that the server keeps for itself in every table."""

Missing = Literal["create", "ignore", "refuse"]
OnDelete = Literal["subtract", "keep"]
OnError = Literal["stale", "null", "raise"]


def _key(key: str | Sequence[str] | None, what: str) -> tuple[str, ...]:
    columns = (key,) if isinstance(key, str) else tuple(key or ())
    if not columns or not all(isinstance(c, str) and c for c in columns) or len(set(columns)) != len(columns):
        raise DeclarationError(
            f"{what} has the key {shown(key)}, expected a column name or several different ones"
        )
    for column in columns:
        check_name(column, f"the key of {what}")
    return columns


def _bounds(crossing: Sequence[float], what: str) -> tuple[float, ...]:
    wanted = f"{what}: crossing={shown(crossing)}, expected at most 20 finite numbers in rising order, e.g. [0.5, 0.8]"
    if isinstance(crossing, (str, bytes)) or not isinstance(crossing, Sequence):
        raise DeclarationError(wanted)
    if any(isinstance(b, bool) or not isinstance(b, (int, float)) for b in crossing):
        raise DeclarationError(wanted)
    try:
        bounds = tuple(float(b) for b in crossing)
    except OverflowError:
        raise DeclarationError(wanted) from None
    if len(bounds) > 20 or not all(map(math.isfinite, bounds)) or any(a >= b for a, b in pairwise(bounds)):
        raise DeclarationError(wanted)
    return bounds


@dataclass(frozen=True)
class Event:
    """An event table, and the features that its rows maintain.

    `at` is the column with the event's time (timestamptz, timestamp or date; without a time zone it is
    read as UTC). `key` names the key columns where they differ from the profile's. `where` is an SQL
    expression over the event row: other rows count for no feature. `missing` says what an event of an
    unknown customer does. `on_delete` says what deleting an event means: "subtract" takes it out of the
    features, "keep" leaves lifetime features as they are (retention).
    """

    table: str
    at: str | None = None
    features: Mapping[str, Feature] = field(default_factory=dict)
    where: str | None = None
    key: str | Sequence[str] | None = None
    missing: Missing = "create"
    on_delete: OnDelete = "subtract"

    def __post_init__(self) -> None:
        what = f"Event({shown(self.table)})"
        _table(self.table, what)
        if self.at is not None:
            check_name(self.at, f"at= of {what}")
        if not self.features:
            raise DeclarationError(
                f'{what} has no features, expected at least one, e.g. features={{"n": count()}}'
            )
        for name, feature in self.features.items():
            if not isinstance(feature, Feature):
                raise DeclarationError(
                    f"{what}: feature {shown(name)} is {shown(feature)}, expected e.g. count()"
                )
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in SYSTEM_COLUMNS:
                raise DeclarationError(
                    f"{what}: {shown(name)} cannot name a feature; expected lower-case letters, digits and _, at most 51, "
                    f"and none of {', '.join(SYSTEM_COLUMNS)}"
                )
            if self.at is None and (feature.window or isinstance(feature, (Decayed, First, Last))):
                raise DeclarationError(
                    f"{what}: feature {name!r} depends on the time of the event; name its column with at=…"
                )
        if self.missing not in ("create", "ignore", "refuse"):
            raise DeclarationError(
                f'{what}: missing={shown(self.missing)}, expected "create", "ignore" or "refuse"'
            )
        if self.on_delete not in ("subtract", "keep"):
            raise DeclarationError(
                f'{what}: on_delete={shown(self.on_delete)}, expected "subtract" or "keep"'
            )
        if self.where is not None:
            check_condition(self.where, f"where= of {what}")
        if self.key is not None:
            object.__setattr__(self, "key", _key(self.key, what))

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON."""
        return {
            "table": self.table,
            "at": self.at,
            "key": list(self.key) if self.key else None,
            "where": self.where,
            "missing": self.missing,
            "on_delete": self.on_delete,
            # a list, since jsonb forgets the order of an object's keys, and functions are compiled in this one
            "features": [{"name": name} | feature.to_dict() for name, feature in self.features.items()],
        }


@runtime_checkable
class Part(Protocol):
    """What a room around the core adds to a declaration.

    It is kept as JSON, which the core does not look into but for two words: `label`, the SQL of what a training set takes
    for the truth unless it is told another, and `horizon`, how far that looks ahead.
    """

    def to_dict(self) -> dict[str, Any]:
        """The part as JSON."""


@dataclass(frozen=True)
class Score:
    """A score that a model writes on the profile row.

    `Score("churn", model="churn")` writes the columns `churn`, `churn_version`, `churn_scored_at`
    and `churn_stale`. The model's inputs are profile columns of the same names,
    unless `inputs` maps an input to something else (`age(...)`, `ratio(...)`, or SQL text).

    `on_error` says what happens when there is no score (the model fails, gives no finite number, or uses up
    its time budget; a wheel is missing): "stale" keeps the last score, "null" takes it away, and both let the
    event through and mark the row stale with the reason; "raise" refuses the statement.

    `outcome` says what comes true or not (`modelpack.outcomes.Outcome`); it is kept as JSON, and changes no score.
    `crossing` are bounds, in rising order: a score that comes to one of them from below, or falls below it, leaves a row
    in `modelpack.crossing`. It changes no score either.
    """

    name: str
    model: str = ""
    inputs: Mapping[str, Input | str] = field(default_factory=dict)
    on_error: OnError = "stale"
    outcome: Part | Mapping[str, Any] | None = None
    crossing: Sequence[float] = ()

    def __post_init__(self) -> None:
        if (
            not isinstance(self.name, str)
            or not _NAME.fullmatch(self.name)
            or len(self.name) > 45
            or self.name in SYSTEM_COLUMNS
        ):
            raise DeclarationError(
                f"{shown(self.name)} cannot name a score; expected lower-case letters, digits and _, at most 45, and none of "
                f"{', '.join(SYSTEM_COLUMNS)}"
            )
        object.__setattr__(self, "model", self.model or self.name)
        if not isinstance(self.model, str) or not MODEL_NAME.fullmatch(self.model):
            raise DeclarationError(
                f"{shown(self.model)} cannot name a model; expected a lower-case letter, then letters, digits and _"
            )
        mapped = {n: expression(v) if isinstance(v, str) else v for n, v in self.inputs.items()}
        for name, value in mapped.items():
            check_name(name, f"an input of Score({self.name!r})")
            if not isinstance(value, Input):
                raise DeclarationError(
                    f"Score({self.name!r}): input {name!r} is {shown(value)}, expected age(…), ratio(…) or SQL text"
                )
        object.__setattr__(self, "inputs", mapped)
        if self.on_error not in ("stale", "null", "raise"):
            raise DeclarationError(
                f'Score({self.name!r}): on_error={shown(self.on_error)}, expected "stale", "null" or "raise"'
            )
        if isinstance(self.outcome, Part):
            object.__setattr__(self, "outcome", self.outcome.to_dict())
        if self.outcome is not None and not isinstance(self.outcome, Mapping):
            raise DeclarationError(
                f"Score({self.name!r}): outcome={shown(self.outcome)}, expected modelpack.outcomes.Outcome(…)"
            )
        object.__setattr__(self, "crossing", _bounds(self.crossing, f"Score({self.name!r})"))

    @property
    def label(self) -> str | None:
        """What a training set takes for the truth unless it is told another."""
        return self.outcome.get("label") if isinstance(self.outcome, Mapping) else None

    @property
    def horizon(self) -> str | None:
        """How far the label looks ahead of its moment."""
        return self.outcome.get("horizon") if isinstance(self.outcome, Mapping) else None

    @property
    def columns(self) -> dict[str, str]:
        """The profile columns that this score writes, with their SQL types."""
        return {
            self.name: "double precision",
            f"{self.name}_version": "integer",
            f"{self.name}_scored_at": "timestamptz",
            f"{self.name}_stale": "text",
        }

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON."""
        inputs = {n: v.to_dict() for n, v in self.inputs.items() if isinstance(v, Input)}
        return {"name": self.name, "model": self.model, "inputs": inputs, "on_error": self.on_error} | (
            ({} if self.outcome is None else {"outcome": self.outcome})
            | ({"crossing": list(self.crossing)} if self.crossing else {})
        )


@dataclass(frozen=True)
class Profile:
    """A profile table: one row per entity, with the features that events maintain and the scores.

    `table` exists already and may be schema-qualified; `key` names its key column or columns, which a
    primary key or unique constraint has to cover.
    """

    table: str
    key: str | Sequence[str] = ""
    events: Sequence[Event] = ()
    scores: Sequence[Score] = ()

    def __post_init__(self) -> None:
        what = f"Profile({shown(self.table)})"
        _table(self.table, what)
        object.__setattr__(self, "key", _key(self.key, what))
        object.__setattr__(self, "events", tuple(self.events))
        object.__setattr__(self, "scores", tuple(self.scores))
        if not self.events and not self.scores:
            raise DeclarationError(f"{what} has neither events nor scores: there is nothing to do")
        seen: dict[str, str] = {}
        for event in self.events:
            if not isinstance(event, Event):
                raise DeclarationError(f"{what}: {shown(event)} in events=, expected Event(…)")
            if _qualified(event.table) == _qualified(self.table):
                raise DeclarationError(f"{what}: the profile cannot be its own event table")
            if len(self.key_of(event)) != len(self.key):
                raise DeclarationError(
                    f"{what}: Event({event.table!r}) has the key {self.key_of(event)}, expected one column for each "
                    f"of {self.key}"
                )
            other = f"event {_qualified(event.table)}"
            if other in seen:
                raise DeclarationError(
                    f"{what}: {event.table} is declared twice; declare one Event and give its features their own where="
                )
            seen[other] = other
            for name in event.features:
                self._claim(seen, name, f"feature of {event.table}")
        for score in self.scores:
            if not isinstance(score, Score):
                raise DeclarationError(f"{what}: {shown(score)} in scores=, expected Score(…)")
            for column in score.columns:
                self._claim(seen, column, f"column of the score {score.name}")

    def _claim(self, seen: dict[str, str], name: str, what: str) -> None:
        if name in self.key:
            raise DeclarationError(
                f"Profile({self.table!r}): {what} {name!r} has the name of a key column; rename it"
            )
        if name in seen or name in ("features_at", "features_read_at", "features_reread_at"):
            owner = seen.get(name, "column that modelpack keeps a time of the features in")
            raise DeclarationError(f"Profile({self.table!r}): {name!r} is a {what} and a {owner}; rename one")
        seen[name] = what

    def key_of(self, event: Event) -> tuple[str, ...]:
        """The event's key columns, in the order of the profile's."""
        return tuple(event.key or self.key)

    def to_dict(self) -> dict[str, Any]:
        """The declaration as JSON, as it is stored in `modelpack.profile`."""
        return {
            "format": FORMAT,
            "table": self.table,
            "key": list(self.key),
            "events": [event.to_dict() for event in self.events],
            "scores": [score.to_dict() for score in self.scores],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Profile:
        """The inverse of `to_dict`. Raises DeclarationError for what this package cannot read."""
        if data.get("format") != FORMAT:
            raise DeclarationError(
                f"the declaration has format {data.get('format')!r}, this modelpack reads {FORMAT}; upgrade modelpack"
            )
        try:
            return cls._read(data)
        except (AttributeError, KeyError, TypeError, ValueError, DeclarationError) as error:
            raise DeclarationError(
                f"the stored declaration of {data.get('table')} has a layout that this modelpack cannot read "
                f"({type(error).__name__}: {error}), expected one that this release has stored; "
                "run modelpack remove DECLARATION, then modelpack apply DECLARATION, which counts features anew from the events"
            ) from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Profile:
        events = [
            Event(
                e["table"],
                at=e["at"],
                key=e["key"],
                where=e["where"],
                missing=e["missing"],
                on_delete=e["on_delete"],
                features={f["name"]: feature_from_dict(f) for f in e["features"]},
            )
            for e in data["events"]
        ]
        scores = [
            Score(
                s["name"],
                model=s["model"],
                inputs={
                    n: Input(i["sql"], tuple(i["columns"]), i["may_fail"]) for n, i in s["inputs"].items()
                },
                on_error=s.get("on_error", "stale"),
                outcome=s.get("outcome"),
                crossing=s.get("crossing", ()),
            )
            for s in data["scores"]
        ]
        return cls(data["table"], key=data["key"], events=events, scores=scores)

    def scoring(self) -> list[dict[str, Any]]:
        """What the scores depend on: the scores as JSON, without what other rooms keep there."""
        return [replace(score, outcome=None, crossing=()).to_dict() for score in self.scores]

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the declaration's JSON: equal for equal declarations."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def _qualified(table: str) -> tuple[str, str]:
    schema, _, name = table.rpartition(".")
    return schema or "public", name


def _table(table: str, what: str) -> None:
    parts = table.split(".") if isinstance(table, str) else []
    if len(parts) not in (1, 2) or not all(parts):
        raise DeclarationError(
            f'{what}: {shown(table)} cannot name a table, expected "table" or "schema.table"'
        )
    for part in parts:
        check_name(part, f"the table of {what}")


def load_profiles(path: Path) -> list[Profile]:
    """Every `Profile` that a Python file defines at its top level, in order of definition.

    The file is executed. Raises DeclarationError where it cannot be read, fails, or declares nothing.
    """
    try:
        there = path.is_file()
    except OSError:  # a name longer than a name can be
        there = False
    if not there:
        raise DeclarationError(
            f"there is no file {shown(str(path))[1:-1]}; expected a Python file that declares a modelpack.Profile"
        )
    try:
        names: dict[str, Any] = runpy.run_path(str(path), run_name="modelpack_declaration")
    except DeclarationError:
        raise
    except Exception as error:
        raise DeclarationError(f"{path} fails when it is read: {type(error).__name__}: {error}") from error
    found = list(_profiles(names))
    if not found:
        raise DeclarationError(f"{path} declares no profile; expected e.g. customer = modelpack.Profile(…)")
    return found


def _profiles(names: Mapping[str, Any]) -> Iterator[Profile]:
    seen: set[int] = set()
    for value in names.values():
        if isinstance(value, Profile) and id(value) not in seen:
            seen.add(id(value))
            yield value

"""Versions of models in the database: publish, promote, roll back, score ad hoc, take out again.

    registry = Registry("postgresql://localhost/shop")
    version = registry.publish(estimator, name="churn", sample=frame, promote=True)

Each call is one transaction: all of it happens, or nothing. Everything here is plain SQL underneath
(`select modelpack.promote('churn', 4)`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError

from modelpack import exchange
from modelpack.curation import Curation
from modelpack.declaration.profile import MODEL_NAME
from modelpack.errors import RegistryError, shown
from modelpack.install import require
from modelpack.lineage import lineage
from modelpack.server import in_words, make_engine

if TYPE_CHECKING:
    import pandas as pd

    from modelpack.packager import Package

_COLUMNS = (
    "v.model, v.version, v.aliases, v.created_at, v.created_by::text, v.metrics, v.note, v.signature, v.parity, "
    "v.libraries, v.sha256, v.bytes, v.lineage, v.tags, v.notes, v.approved_by::text, v.retired_at, v.checked_at, v.onnxruntime"
)


@dataclass(frozen=True)
class Version:
    """An immutable version of a model, without its bytes."""

    model: str
    version: int
    aliases: tuple[str, ...]
    """What stands for it: `champion` is the version that scores."""
    created_at: datetime
    created_by: str
    metrics: Mapping[str, float]
    note: str
    signature: Mapping[str, Any]
    """Ordered inputs and the output, as JSON (see docs of `modelpack.packager.Signature`)."""
    parity: Mapping[str, Any]
    """How the ONNX result was held against the estimator's own."""
    libraries: Mapping[str, str]
    sha256: str
    bytes: int | None
    """Size of the ONNX model; None once purged."""
    lineage: Mapping[str, Any]
    """What the score is in words (`score`), and where the version comes from: `training_data` and `sample`
    (fingerprints), `code` (revision), `fitted_with` (the libraries that the file says it was made by)."""
    tags: Mapping[str, str]
    notes: tuple[Mapping[str, Any], ...]
    """Notes that were added later: `note`, `at`, `by`."""
    approved_by: str | None
    retired_at: datetime | None
    checked_at: datetime | None
    """When it passed the server's gate last."""
    onnxruntime: str | None
    """The server's onnxruntime at that time."""

    @property
    def is_champion(self) -> bool:
        """Whether this version scores."""
        return "champion" in self.aliases

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the signature."""
        return tuple(i["name"] for i in self.signature["inputs"])

    def to_json(self) -> dict[str, Any]:
        """As JSON; times in ISO 8601."""
        return {k: _plain(v) for k, v in asdict(self).items()}


@dataclass(frozen=True)
class Unseen:
    """A text input of a version, held against the rows of a profile."""

    profile: str
    score: str
    input: str
    rows: int
    """Rows of the sample that have a text."""
    unseen: int | None
    """Of these, rows with a text that the model has never seen; None for who may not read the columns."""
    share: str | None
    """Their share in words: in whole tens of per cent for who may not read the columns, and None of few rows."""
    categories: int
    """Texts that the model knows."""
    examples: tuple[str, ...]
    """A few of them."""

    def __str__(self) -> str:
        known = ", ".join(map(repr, self.examples)) + (", …" if self.categories > len(self.examples) else "")
        if self.rows == 0:
            return f"{self.input}: no row of {self.profile} has a text yet to compare with the model's categories, {known}."
        if self.share is None:
            return (
                f"{self.input}: how many rows of {self.profile} have a text that the model has never seen is not told of fewer "
                "than 50 rows; that takes SELECT on the columns that the input reads."
            )
        return (
            f"{self.input}: {self.share} of {self.rows:,} rows of {self.profile} have a text that the model "
            f"has never seen; its categories are {known}."
        )


def _version(row: Row[Any]) -> Version:
    values = row._mapping
    return Version(
        **{**values, "aliases": tuple(values["aliases"] or ()), "notes": tuple(values["notes"] or ())}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else value


class Registry(Curation):
    """The registry of a database.

    Takes an engine, a DSN (default: MODELPACK_DSN), or a connection; with a connection, calls take part in its
    transaction, and the caller commits.
    """

    def __init__(self, database: Engine | Connection | str | None = None) -> None:
        self._database = database if isinstance(database, (Engine, Connection)) else make_engine(database)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with in_words():
            if isinstance(self._database, Engine):
                with self._database.begin() as connection:
                    require(connection)
                    yield connection
            else:
                with self._database.begin_nested():  # a refusal leaves the caller's transaction usable
                    require(self._database)
                    yield self._database

    def publish(
        self,
        model: Any,
        *,
        name: str,
        sample: pd.DataFrame | None = None,
        expected: str | Sequence[float] | pd.Series[Any] | None = None,
        inputs: Sequence[str] | None = None,
        output: str | None = None,
        promote: bool = False,
        positive_class: Any = None,
        note: str = "",
        metrics: Mapping[str, float] | None = None,
        tolerance: float = 1e-5,
        timeout: float = 300.0,
        accept: str | None = None,
        training_data: pd.DataFrame | None = None,
        allow_unseen: bool = False,
    ) -> Version:
        """Turn a model into normal form, prove parity here and on the server, and store it as the next version.

        `model`: a fitted estimator; an ONNX model of any origin as bytes; or where one is: a joblib file, an .onnx
        file, a model of MLflow's (see `modelpack.packager.open_model`; all but .onnx files execute code of their
        author's). `sample`: rows like those to be scored; default: those that came along with a model of MLflow's.

        `positive_class`, `tolerance`, `timeout` (seconds) and `accept` are those of `modelpack.packager.package`.
        An ONNX model needs `expected`, and takes `inputs` and `output`: see `modelpack.packager.package_onnx`.

        The version's lineage gets fingerprints of sample and training data, the revision of the code in the working
        directory, and where a file came from. Raises PackagingError where the model or the sample is not fit,
        ParityError where ONNX gives other results, RegistryError where the server refuses the version; nothing is
        stored then.
        """
        from modelpack.packager import make_package, open_model

        self._check_name(name)
        _numbers(metrics)
        with self._transaction() as connection:  # before the conversion, which takes its time
            _may_publish(connection)
        opened = open_model(model)
        rows = opened.sample if sample is None else sample
        with opened.blamed():
            made = make_package(
                opened.model,
                rows,
                expected=expected,
                inputs=inputs,
                output=output,
                positive_class=positive_class,
                tolerance=tolerance,
                timeout=timeout,
                accept=accept,
            )
        return self.publish_package(
            made,
            name=name,
            promote=promote,
            allow_unseen=allow_unseen,
            note=note,
            metrics={**opened.metrics, **(metrics or {})},
            lineage={**lineage(rows, training_data), **opened.lineage},
        )

    def publish_package(
        self,
        package: Package,
        *,
        name: str,
        promote: bool = False,
        allow_unseen: bool = False,
        note: str = "",
        metrics: Mapping[str, float] | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> Version:
        """Store a package as the next version. Raises RegistryError where the server refuses it."""
        facts = {
            "signature": package.signature.to_json(),
            "golden": package.golden.to_json(),
            "parity": package.parity.to_json(),
            "metrics": _numbers({**package.metrics, **(metrics or {})}),
            "libraries": package.libraries,
            "lineage": {"score": package.meaning, **(lineage or {})},
        }
        return self._store(name, package.onnx, facts, note, promote, allow_unseen)

    def publish_dummy(
        self, score: float, inputs: Sequence[str], *, name: str, promote: bool = False, note: str = "a dummy"
    ) -> Version:
        """Publish a model that scores every row the same, with a real signature: `["spend", "plan:text"]`.

        For a team that tests the whole way before the first model is trained.
        """
        from modelpack.packager import dummy

        return self.publish_package(dummy(score, inputs), name=name, promote=promote, note=note)

    def import_file(self, path: str | Path, *, name: str | None = None, promote: bool = False) -> Version:
        """Publish a file that `export` wrote, from this database or another, as the next version.

        The bytes are those that were exported; the server runs the golden rows that came along. `name`: default
        the name that it had. The lineage says where it was.
        """
        found = exchange.read(path)
        facts = {
            k: found.facts.get(k) or {} for k in ("signature", "golden", "parity", "metrics", "libraries")
        }
        origin = {k: found.facts.get(k) for k in ("model", "version", "created_at", "created_by")}
        facts["lineage"] = {**(found.facts.get("lineage") or {}), "imported": origin}
        return self._store(
            name or str(found.facts.get("model")),
            found.onnx,
            facts,
            str(found.facts.get("note") or ""),
            promote,
        )

    def _store(
        self,
        name: str,
        onnx: bytes,
        facts: Mapping[str, Any],
        note: str,
        promote: bool,
        allow_unseen: bool = False,
    ) -> Version:
        self._check_name(name)
        with self._transaction() as connection:
            facts = {**facts, "golden": _fit(connection, facts["golden"])}
            number = connection.execute(
                text(
                    "select modelpack.publish(:model, cast(:onnx as bytea), cast(:signature as jsonb), cast(:golden as jsonb), "
                    "cast(:parity as jsonb), cast(:metrics as jsonb), cast(:libraries as jsonb), :note, "
                    "lineage => cast(:lineage as jsonb))"
                ),
                {"model": name, "onnx": onnx, "note": note, **{k: _json(v) for k, v in facts.items()}},
            ).scalar_one()
            if promote:
                _promote(connection, name, number, note, allow_unseen=allow_unseen)
            return _read(connection, name, number)

    def versions(self, name: str | None = None) -> list[Version]:
        """Versions of one model, or of all, oldest first. Raises RegistryError where there is no such model."""
        with self._transaction() as connection:
            found = connection.execute(
                text(
                    f"select {_COLUMNS} from modelpack.versions as v "
                    "where v.model = coalesce(cast(:name as text), v.model) order by v.model, v.version"
                ),
                {"name": name},
            ).all()
            if name is not None and not found:
                raise _no_version(connection, name, None)
            return [_version(row) for row in found]

    def version(self, name: str, number: int | None = None) -> Version:
        """One version; without a number the champion. Raises RegistryError where there is none."""
        with self._transaction() as connection:
            return _read(connection, name, number)

    def promote(self, name: str, version: int, reason: str = "", *, allow_unseen: bool = False) -> None:
        """Make a version the one that scores. Other sessions switch when this commits.

        The server runs the golden rows first. Raises RegistryError where it refuses; also where too many rows of a
        profile have a text that the model has never seen, unless `allow_unseen`.
        """
        with self._transaction() as connection:
            _promote(connection, name, version, reason, allow_unseen=allow_unseen)

    def unseen(self, name: str, version: int) -> list[Unseen]:
        """For each text input of a version, and each profile that it scores: how many rows have a text that the model has
        never seen, in a sample of the profile. Inputs whose categories are not known (free text) are left out.
        """
        with self._transaction() as connection:
            found = connection.execute(
                text(
                    "select u.profile, u.score, u.input, u.rows, u.unseen, u.share, u.categories, u.examples "
                    "from modelpack.unseen(:name, cast(:version as integer)) as u"
                ),
                {"name": name, "version": version},
            )
            return [Unseen(**{**row._mapping, "examples": tuple(row.examples)}) for row in found]

    def rollback(self, name: str, reason: str = "") -> int:
        """Return to the champion before this one; may be repeated. Returns its version."""
        with self._transaction() as connection:
            return int(
                connection.execute(
                    text("select modelpack.rollback(:name, :reason)"), {"name": name, "reason": reason}
                ).scalar_one()
            )

    def predict(self, name: str, inputs: Mapping[str, Any], version: int | None = None) -> float:
        """Score named inputs ad hoc on the server (None = missing), with the champion or a version.

        Raises RegistryError, which lists the signature, for a missing or unknown input.
        """
        return self.predicted(name, inputs, version)[0]

    def predicted(
        self, name: str, inputs: Mapping[str, Any], version: int | None = None
    ) -> tuple[float, int]:
        """The score of `predict`, and the number of the version that gave it."""
        with self._transaction() as connection:
            number = version if version is not None else _read(connection, name, None).version
            score = float(
                connection.execute(
                    text(
                        "select modelpack.predict(:name, cast(:inputs as jsonb), cast(:version as integer))"
                    ),
                    {"name": name, "inputs": _json(inputs), "version": number},
                ).scalar_one()
            )
            return score, number

    def export(self, name: str, version: int | None, path: str | Path) -> Path:
        """Write a version (None: the champion) as an .onnx file.

        The file's `metadata_props` carry `modelpack.signature`, `modelpack.golden` (inputs with the scores that
        every runtime has to give) and the rest of what the registry knows, as JSON. Needs the right to read the
        bytes of models. Returns the path.
        """
        file = Path(path)
        if not file.parent.is_dir():
            raise RegistryError(
                f"there is no folder {file.parent} to write {file.name} to; mkdir -p {file.parent}"
            )
        with self._transaction() as connection:
            found = _read(connection, name, version)
            onnx_bytes, golden, signature = connection.execute(
                text(
                    "select a.onnx, v.golden, v.signature from modelpack.version as v join modelpack.artifact as a using (sha256) "
                    "where v.model = :name and v.version = :version"
                ),
                {"name": name, "version": found.version},
            ).one()
        if onnx_bytes is None:
            raise RegistryError(
                f"the bytes of {name} version {found.version} were purged; there is nothing to export"
            )
        exchange.write(
            file, exchange.embed(onnx_bytes, {**found.to_json(), "golden": golden, "signature": signature})
        )
        return file

    @staticmethod
    def _check_name(name: str) -> None:
        if not MODEL_NAME.fullmatch(name):
            raise RegistryError(
                f"{shown(name)} cannot name a model; expected a lower-case letter, then lower-case letters, digits and _, "
                "at most 41 in all"
            )


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


def _promote(
    connection: Connection, name: str, version: int, reason: str, *, allow_unseen: bool = False
) -> None:
    allow = text("select set_config('modelpack.allow_unseen', :allow, true)")
    if allow_unseen:
        connection.execute(allow, {"allow": "on"})
    connection.execute(
        text("select modelpack.promote(:name, cast(:version as integer), :reason)"),
        {"name": name, "version": version, "reason": reason},
    )
    if allow_unseen:
        connection.execute(allow, {"allow": ""})


def _read(connection: Connection, name: str, number: int | None) -> Version:
    row = connection.execute(
        text(
            f"select {_COLUMNS} from modelpack.versions as v where v.model = :name and "
            "case when cast(:version as integer) is null then 'champion' = any (v.aliases) else v.version = :version end"
        ),
        {"name": name, "version": number},
    ).first()
    if row is None:
        raise _no_version(connection, name, number)
    return _version(row)


def _no_version(connection: Connection, name: str, number: int | None) -> RegistryError:
    found = connection.execute(
        text(
            "select m.model, array(select v.version from modelpack.versions as v where v.model = m.model order by v.version) "
            "from modelpack.model as m order by m.model"
        )
    ).all()
    known = {model: ", ".join(map(str, numbers)) for model, numbers in found}
    if name not in known:
        return RegistryError(
            f"there is no model {name}; there are: {', '.join(known) or 'none'}; publish a version first: "
            "modelpack publish MODEL --name …"
        )
    if number is None:
        return RegistryError(
            f"no version of the model {name} has been promoted; it has {known[name]}; run `modelpack promote {name} VERSION`"
        )
    return RegistryError(f"the model {name} has no version {number}; it has {known[name]}")


def _may_publish(connection: Connection) -> None:
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


def _numbers(metrics: Mapping[str, float] | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in (metrics or {}).items():
        try:
            found[str(key)] = float(value)
        except (TypeError, ValueError):
            raise RegistryError(f"the metric {key} is {value!r}, expected a number") from None
        if not math.isfinite(found[str(key)]):
            raise RegistryError(f"the metric {key} is {value}, expected a finite number")
    return found


def _json(value: Any) -> str:
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

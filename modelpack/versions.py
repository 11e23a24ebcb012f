"""Versions of models as the database has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from modelpack import notebook
from modelpack.errors import RegistryError

_COLUMNS = (
    "v.model, v.version, v.aliases, v.created_at, v.created_by::text, v.metrics, v.note, v.signature, v.parity, "
    "v.libraries, v.sha256, v.bytes, v.lineage, v.tags, v.notes, v.approved_by::text, v.retired_at, v.checked_at, v.onnxruntime, e.engine"
)
_FROM = "modelpack.versions as v join modelpack.version_engine as e using (model, version)"


HEADINGS = ("model", "version", "stands for", "published", "by", "metrics", "note")
"""Of a list of versions."""


@dataclass(frozen=True, repr=False)
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
    """The server's onnxruntime at that time; None where it does not score the version."""
    engine: str
    """What scores it: `onnx`, or `python`, from its formula (docs/engines.md)."""

    @property
    def is_champion(self) -> bool:
        """Whether this version scores."""
        return "champion" in self.aliases

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the signature."""
        return tuple(i["name"] for i in self.signature["inputs"])

    def __repr__(self) -> str:
        stands = f" ({', '.join(self.aliases)})" if self.aliases else ""
        figures = f", {self.figures}" if self.figures else ""
        return f"<{self.model} version {self.version}{stands}, published {self.created_at:%Y-%m-%d %H:%M} by {self.created_by}{figures}>"

    def _repr_html_(self) -> str:
        return notebook.table((), [(label, str(value)) for label, value in self.facts().items()])

    @property
    def figures(self) -> str:
        """Its metrics on one line."""
        return " ".join(f"{k}={v:g}" for k, v in self.metrics.items() if isinstance(v, int | float))

    def facts(self) -> dict[str, Any]:
        """What people want to know of it, in words."""
        output = self.signature["output"]
        inputs = [
            f"{i['name']} ({i['type']}{'' if i.get('missing') else ', never NULL'})"
            for i in self.signature["inputs"]
        ]
        kind = f"probability of {output.get('class')}" if output["kind"] == "probability" else "value"
        if isinstance(meaning := self.lineage.get("score"), str):
            kind = meaning
        return {
            "model": self.model,
            "version": self.version,
            "stands for": ", ".join(self.aliases) or "nothing",
            "published": f"{self.created_at:%Y-%m-%d %H:%M:%S %Z} by {self.created_by}",
            "inputs": ", ".join(inputs) or "none",
            "score": kind,
            "metrics": self.figures or "none",
            "parity": ", ".join(
                f"{k.replace('_', ' ')} {v:g}" for k, v in self.parity.items() if isinstance(v, int | float)
            )
            or "not given",
            "libraries": ", ".join(f"{k} {v}" for k, v in sorted(self.libraries.items())) or "not given",
            "note": self.note or "none",
            "tags": ", ".join(f"{k}={v}" if v else k for k, v in self.tags.items()) or "none",
            "approved": f"by {self.approved_by}" if self.approved_by else "no",
            "engine": self.engine,
            "checked": f"{self.checked_at:%Y-%m-%d %H:%M:%S %Z}"
            + (f" with onnxruntime {self.onnxruntime}" if self.onnxruntime else "")
            if self.checked_at
            else "never",
            "sha256": self.sha256,
            "bytes": "purged" if self.bytes is None else f"{self.bytes:,}",
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON; times in ISO 8601."""
        return {k: _plain(v) for k, v in asdict(self).items()}


class Versions(list[Version]):
    """Versions; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        return notebook.table(
            HEADINGS,
            [
                (
                    v.model,
                    str(v.version),
                    ", ".join(v.aliases),
                    f"{v.created_at:%Y-%m-%d %H:%M}",
                    v.created_by,
                    v.figures,
                    v.note,
                )
                for v in self
            ],
        )


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


def read_all(connection: Connection, name: str | None) -> Versions:
    """Versions of one model, or of all, oldest first. Raises RegistryError where there is no such model."""
    found = connection.execute(
        text(
            f"select {_COLUMNS} from {_FROM} "
            "where v.model = coalesce(cast(:name as text), v.model) order by v.model, v.version"
        ),
        {"name": name},
    ).all()
    if name is not None and not found:
        raise _no_version(connection, name, None)
    return Versions(_version(row) for row in found)


def read(connection: Connection, name: str, number: int | None) -> Version:
    """One version; without a number the champion. Raises RegistryError where there is none."""
    row = connection.execute(
        text(
            f"select {_COLUMNS} from {_FROM} where v.model = :name and "
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


def read_unseen(connection: Connection, name: str, version: int) -> list[Unseen]:
    """The text inputs of a version whose categories are known, held against a sample of each profile that it scores."""
    found = connection.execute(
        text(
            "select u.profile, u.score, u.input, u.rows, u.unseen, u.share, u.categories, u.examples "
            "from modelpack.unseen(:name, cast(:version as integer)) as u"
        ),
        {"name": name, "version": version},
    )
    return [Unseen(**{**row._mapping, "examples": tuple(row.examples)}) for row in found]

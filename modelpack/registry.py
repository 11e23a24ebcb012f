"""Versions of models in the database: publish, promote, roll back, score ad hoc, take out again.

    registry = Registry("postgresql://localhost/shop")
    version = registry.publish(estimator, name="churn", sample=frame, promote=True)
    registry.curation.set_tag("churn", version.version, "pilot")

Each call is one transaction: all of it happens, or nothing. Everything here is plain SQL underneath
(`select modelpack.promote('churn', 4)`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text

from modelpack import exchange, notebook, store, versions
from modelpack.connection import Database
from modelpack.curation import Curation
from modelpack.errors import RegistryError
from modelpack.lineage import lineage
from modelpack.publication import Publication
from modelpack.versions import Unseen, Version, Versions

if TYPE_CHECKING:
    import pandas as pd

    from modelpack.packager import Package


class Registry:
    """The registry of a database.

    Takes an engine, a DSN (default: MODELPACK_DSN), or a connection; with a connection, calls take part in its
    transaction, and the caller commits.
    """

    curation: Curation
    """What happens to versions after they are published: aliases, tags, approval, grants, retirement, comparison."""

    def __init__(self, database: Engine | Connection | str | None = None) -> None:
        self._database = Database(database)
        self.curation = Curation(self._database)

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
        background: bool = True,
        engine: str | None = None,
    ) -> Version:
        """Turn a model into normal form, prove parity here and on the server, and store it as the next version.

        `model`: a fitted estimator; an ONNX model of any origin as bytes; or where one is: a joblib file, an .onnx or .pmml
        file, a model of MLflow's (see `modelpack.packager.open_model`; all but .onnx files execute code of their
        author's). `sample`: rows like those to be scored; default: those that came along with a model of MLflow's.

        `training_data`: the rows that it was fitted on. All else is an option: see `modelpack.publication.Publication`.
        An ONNX or PMML model needs `expected`.

        The distributions of the sample's inputs and scores are kept with the version, and up to 100 of its rows, which
        explanations compare with; rows may be personal data: `background=False` keeps none.

        `engine`: what scores it on the server. `onnx`: onnxruntime. `python`: a function of Python made from the
        version's formula, which needs no wheels on the server. Default: `python` for linear models and trees of up to
        some thousand nodes, `onnx` for the rest (docs/engines.md).

        The version's lineage gets fingerprints of sample and training data, the revision of the code in the working
        directory, and where a file came from. Raises PackagingError where the model or the sample is not fit,
        ParityError where ONNX gives other results, RegistryError where the server refuses the version; nothing is
        stored then.
        """
        from modelpack.packager import open_model, package, watched

        store.check_name(name)
        store.check_engine(engine)
        publication = Publication(
            name=name,
            note=note,
            metrics=store.numbers(metrics),
            promote=promote,
            allow_unseen=allow_unseen,
            background=background,
            expected=expected,
            inputs=inputs,
            output=output,
            positive_class=positive_class,
            tolerance=tolerance,
            accept=accept,
            timeout=timeout,
            engine=engine,
        )
        with self._database.transaction() as connection:  # before the conversion, which takes its time
            store.check_right(connection)
        opened = open_model(model)
        rows = opened.sample if sample is None else sample
        with notebook.progress(f"publishing {name}") as tell:
            with opened.blamed(), watched(tell) if notebook.here() else nullcontext():
                made = package(opened.model, rows, opened.described(publication))
            tell("storing it, which the server tries first")
            return self._store(publication, made, {**lineage(rows, training_data), **opened.lineage})

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
        publication = Publication(
            name=name, note=note, metrics=metrics or {}, promote=promote, allow_unseen=allow_unseen
        )
        return self._store(publication, package, lineage or {})

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
        facts |= {k: found.facts.get(k) for k in ("reference", "background", "formula")}
        origin = {k: found.facts.get(k) for k in ("model", "version", "created_at", "created_by")}
        facts["lineage"] = {**(found.facts.get("lineage") or {}), "imported": origin}
        publication = Publication(
            name=name or str(found.facts.get("model")),
            note=str(found.facts.get("note") or ""),
            promote=promote,
        )
        return self._store_facts(publication, found.onnx, facts)

    def _store(self, publication: Publication, package: Package, lineage: Mapping[str, Any]) -> Version:
        facts = {
            "signature": package.signature.to_json(),
            "golden": package.golden.to_json(),
            "parity": package.parity.to_json(),
            "metrics": store.numbers({**package.metrics, **publication.metrics}),
            "libraries": package.libraries,
            "lineage": {"score": package.meaning, **lineage},
            "reference": package.reference,
            "background": package.background,
            "formula": package.formula,
        }
        return self._store_facts(publication, package.onnx, facts)

    def _store_facts(self, publication: Publication, onnx: bytes, facts: Mapping[str, Any]) -> Version:
        store.check_name(publication.name)
        with self._database.transaction() as connection:
            number = store.store(connection, publication, onnx, facts)
            return versions.read(connection, publication.name, number)

    def versions(self, name: str | None = None) -> Versions:
        """Versions of one model, or of all, oldest first. Raises RegistryError where there is no such model."""
        with self._database.transaction() as connection:
            return versions.read_all(connection, name)

    def version(self, name: str, number: int | None = None) -> Version:
        """One version; without a number the champion. Raises RegistryError where there is none."""
        with self._database.transaction() as connection:
            return versions.read(connection, name, number)

    def promote(
        self,
        name: str,
        version: int,
        reason: str = "",
        *,
        require: str | None = None,
        allow_unseen: bool = False,
    ) -> None:
        """Make a version the one that scores. Other sessions switch when this commits.

        The server runs the golden rows first. Raises RegistryError where it refuses; also where too many rows of a
        profile have a text that the model has never seen, unless `allow_unseen`. `require`: only where settled outcomes show
        what is asked for, as `auc not below champion by 0.01 at 95%`.
        """
        with self._database.transaction() as connection:
            store.promote(connection, name, version, reason, require=require, allow_unseen=allow_unseen)

    def unseen(self, name: str, version: int) -> list[Unseen]:
        """For each text input of a version, and each profile that it scores: how many rows have a text that the model has
        never seen, in a sample of the profile. Inputs whose categories are not known (free text) are left out.
        """
        with self._database.transaction() as connection:
            return versions.read_unseen(connection, name, version)

    def rollback(self, name: str, reason: str = "") -> int:
        """Return to the champion before this one; may be repeated. Returns its version."""
        with self._database.transaction() as connection:
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
        with self._database.transaction() as connection:
            number = version if version is not None else versions.read(connection, name, None).version
            score = float(
                connection.execute(
                    text(
                        "select modelpack.predict(:name, cast(:inputs as jsonb), cast(:version as integer))"
                    ),
                    {"name": name, "inputs": store.json_text(inputs), "version": number},
                ).scalar_one()
            )
            return score, number

    def formula(self, name: str, version: int | None = None) -> dict[str, Any]:
        """A version (None: the champion) as data that any language can evaluate, see docs/formula.md.

        Signature, formula, and golden rows with the scores that the formula gives. Needs the right to read the bytes of
        models, and the extra publish where the engine of the version is not python.

        Raises PackagingError where the version has no formula, or one that gives other scores than its golden rows.
        """
        with self._database.transaction() as connection:
            found = versions.read(connection, name, version)
            onnx_bytes, golden, signature, formula = _stored(connection, found)
        about = {"model": name, "version": found.version, "sha256": found.sha256}
        if formula is not None:  # what scores it on the server
            return {**about, "signature": signature, "formula": formula, "golden": golden}
        if onnx_bytes is None:
            raise RegistryError(f"the bytes of {name} version {found.version} were purged")
        from modelpack.packager import formula_for

        return {**about, **formula_for(bytes(onnx_bytes), signature, golden)}

    def export(self, name: str, version: int | None, path: str | Path) -> Path:
        """Write a version (None: the champion) as an .onnx file.

        The file's `metadata_props` carry `modelpack.signature`, `modelpack.golden` (inputs with the scores that
        every runtime has to give), where the version has them `modelpack.reference` and `modelpack.background` (the latter
        for who may manage the model), and the rest of what the registry knows, as JSON. Needs the right to read the
        bytes of models. Returns the path.
        """
        file = Path(path)
        exchange.need_folder(file)
        with self._database.transaction() as connection:
            found = versions.read(connection, name, version)
            onnx_bytes, golden, signature, formula = _stored(connection, found)
            reads = connection.execute(
                text("select has_table_privilege('modelpack.version_reference', 'select')")
            ).scalar_one()
            kept = connection.execute(
                text(
                    "select r.reference, r.background from modelpack.version_reference as r "
                    "where r.model = :name and r.version = :version"
                )
                if reads
                else text("select null as reference, null as background"),
                {"name": name, "version": found.version},
            ).first()
        if onnx_bytes is None:
            raise RegistryError(
                f"the bytes of {name} version {found.version} were purged; there is nothing to export"
            )
        sample = {} if kept is None else {k: v for k, v in kept._mapping.items() if v is not None}
        facts = {**found.to_json(), "golden": golden, "signature": signature, **sample}
        if formula is not None:
            facts["formula"] = formula
        exchange.write(file, exchange.embed(onnx_bytes, facts))
        return file


def _stored(connection: Connection, version: Version) -> tuple[Any, ...]:
    """Bytes, golden rows and signature of a version, and the formula that scores it, if one does."""
    taken, joined = (
        ("null", "")
        if version.engine == "onnx"
        else ("f.formula", " join modelpack.formula as f using (version_id)")
    )
    found = connection.execute(
        text(
            f"select a.onnx, v.golden, v.signature, {taken} from modelpack.version as v "
            f"join modelpack.artifact as a using (sha256){joined} where v.model = :name and v.version = :version"
        ),
        {"name": version.model, "version": version.version},
    ).one()
    return tuple(found)

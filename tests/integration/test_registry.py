"""Versions: published whole or not at all, promoted, rolled back, scored, exported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, text

from modelpack import InstallError, PackagingError, Registry, RegistryError, Version
from modelpack.packager import Golden, Signature
from tests.example import model, packaged, sample


@pytest.fixture
def registry(pooled: Callable[..., Engine]) -> Registry:
    return Registry(pooled())


@pytest.fixture
def member(pooled: Callable[..., Engine], new_role: Callable[..., str]) -> Callable[..., Registry]:
    """A function that makes a role with some of modelpack's roles, and gives the registry as it sees it."""

    def make(*groups: str) -> Registry:
        name = new_role(*(f"modelpack_{group}" for group in groups))
        return Registry(pooled(options=f"-c role={name}"))

    return make


@pytest.mark.usefixtures("here")
def test_an_estimator_becomes_a_version_with_all_that_belongs_to_it(registry: Registry) -> None:
    version = registry.publish(
        model(), name="churn", sample=sample(), metrics={"auc": np.float64(0.81)}, note="the first"
    )
    assert (version.model, version.version, version.aliases, version.note) == ("churn", 1, (), "the first")
    assert version.inputs == ("complaints", "spend")
    assert version.metrics == {"auc": 0.81}
    assert version.parity["max_difference"] < 1e-5
    assert version.libraries["scikit-learn"]
    assert version.created_by == "postgres"
    assert registry.version("churn", 1) == version


def test_versions_count_up_and_carry_the_metrics_of_their_package(registry: Registry) -> None:
    first = registry.publish_package(packaged(), name="churn", metrics={"lift": 2})
    second = registry.publish_package(packaged(-1), name="churn", promote=True, note="better")
    other = registry.publish_package(packaged(), name="fraud")
    assert [first.version, second.version, other.version] == [1, 2, 1]
    assert first.metrics == {"auc": 0.75, "lift": 2.0}
    assert second.is_champion
    assert registry.versions() == [first, second, other]
    assert registry.versions("churn") == [first, second]
    assert registry.version("churn") == second


def test_the_server_scores_like_the_estimator(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn", promote=True)
    rows = sample().head(5)
    expected = model().predict_proba(rows)[:, 1]
    for row, score in zip(rows.to_dict("records"), expected, strict=True):
        assert registry.predict("churn", row) == pytest.approx(score, abs=1e-5)


def test_promote_and_rollback_move_the_champion_and_keep_history(registry: Registry) -> None:
    for _ in range(3):
        registry.publish_package(packaged(), name="churn")
    for number in (1, 2, 3):
        registry.promote("churn", number, f"try {number}")
    assert registry.rollback("churn", "worse") == 2
    assert registry.rollback("churn") == 1
    assert registry.version("churn").version == 1
    steps = registry.curation.promotions("churn")
    assert [(s.action, s.previous, s.version) for s in steps] == [
        ("promote", None, 1),
        ("promote", 1, 2),
        ("promote", 2, 3),
        ("rollback", 3, 2),
        ("rollback", 2, 1),
    ]
    assert [s.reason for s in steps] == ["try 1", "try 2", "try 3", "worse", ""]
    with pytest.raises(RegistryError, match=r"no champion before version 1; .*modelpack\.promote"):
        registry.rollback("churn")


def test_a_version_predicts_without_being_the_champion(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn", promote=True)
    registry.publish_package(packaged(-1), name="churn")
    row = {"complaints": 5, "spend": 20}
    assert registry.predict("churn", row) > 0.5 > registry.predict("churn", row, version=2)


def test_golden_rows_that_the_server_does_not_confirm_store_nothing(registry: Registry) -> None:
    package = packaged(engine="onnx")
    wrong = replace(package, golden=Golden(package.golden.rows[:1], (0.123,)))
    with pytest.raises(
        RegistryError, match=r"golden row 1 gives 0\.\d+ on this server, expected 0\.123; onnxruntime: "
    ):
        registry.publish_package(wrong, name="churn", promote=True)
    assert registry.versions() == []


def test_a_package_without_golden_rows_is_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="has no golden rows"):
        registry.publish_package(replace(packaged(), golden=Golden((), ())), name="churn")


def test_a_model_that_cannot_be_loaded_is_refused(registry: Registry) -> None:
    broken = replace(packaged(), onnx=b"no model at all")
    with pytest.raises(RegistryError, match="the model is refused: its bytes are no ONNX"):
        registry.publish_package(broken, name="churn")


def test_a_callers_transaction_decides(engine: Engine, registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn", promote=True)
    with engine.connect() as connection:
        inside = Registry(connection)
        inside.publish_package(packaged(-1), name="churn", promote=True)
        assert inside.version("churn").version == 2
        assert registry.version("churn").version == 1, "seen before the commit"
        with pytest.raises(RegistryError):
            inside.promote("churn", 77)
        assert inside.version("churn").version == 2, "a refusal must not break the transaction"
        connection.rollback()
    assert [v.version for v in registry.versions("churn")] == [1]


def test_unknown_models_and_versions_are_answered_with_those_that_exist(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="no model churn; there are: none; publish"):
        registry.version("churn")
    registry.publish_package(packaged(), name="churn")
    for call in (lambda: registry.versions("chrn"), lambda: registry.promote("chrn", 1)):
        with pytest.raises(RegistryError, match=r"no model chrn[;.] [Tt]here are: churn[;.] [Pp]ublish"):
            call()
    with pytest.raises(RegistryError, match=r"no version 3.*: 1"):
        registry.promote("churn", 3)
    with pytest.raises(RegistryError, match="has no version 3; it has 1"):
        registry.version("churn", 3)
    with pytest.raises(
        RegistryError, match=r"no version of the model churn has been promoted.*modelpack promote"
    ):
        registry.version("churn")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"complaints": 1}, 'the input "spend" is missing'),
        ({"complaints": 1, "spend": 1, "age": 3}, 'has no input "age"'),
        ({"complaints": "many", "spend": 1}, "expected a number"),
    ],
)
def test_wrong_inputs_are_answered_with_the_signature(
    registry: Registry, inputs: dict[str, object], words: str
) -> None:
    registry.publish_package(packaged(), name="churn", promote=True)
    with pytest.raises(RegistryError, match=words) as caught:
        registry.predict("churn", inputs)
    assert "complaints (number), spend (number)" in str(caught.value) or "many" in str(caught.value)


@pytest.mark.parametrize("name", ["", "Churn", "1st", "a b", "x" * 42, "a;drop"])
def test_names_that_fit_no_generated_object_are_refused(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError, match="cannot name a model"):
        registry.publish_package(packaged(), name=name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "high"])
def test_metrics_are_finite_numbers(registry: Registry, value: Any) -> None:
    with pytest.raises(RegistryError, match=r"the metric auc is .*expected a"):
        registry.publish_package(packaged(), name="churn", metrics={"auc": value})


@pytest.mark.usefixtures("here")
def test_a_sample_without_the_models_columns_is_refused(registry: Registry) -> None:
    with pytest.raises(PackagingError, match="complaints"):
        registry.publish(model(), name="churn", sample=sample()[["spend"]])


def test_an_exported_file_proves_itself(registry: Registry, tmp_path: Path) -> None:
    published = registry.publish_package(packaged(engine="onnx"), name="churn", note="to take away")
    path = registry.export("churn", 1, tmp_path / "churn.onnx")
    facts = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert (facts["modelpack.model"], facts["modelpack.version"], facts["modelpack.note"]) == (
        "churn",
        "1",
        "to take away",
    )
    assert facts["modelpack.sha256"] == published.sha256
    golden = json.loads(facts["modelpack.golden"])
    feeds = Signature.from_json(json.loads(facts["modelpack.signature"])).pack(golden["rows"])
    scores = np.ravel(onnxruntime.InferenceSession(path).run(["score"], feeds)[0]).tolist()
    assert [None if np.isnan(s) else s for s in scores] == golden["scores"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_to_nowhere_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.publish_package(packaged(), name="churn")
    with pytest.raises(RegistryError, match="there is no folder"):
        registry.export("churn", 1, tmp_path / "no" / "churn.onnx")


@pytest.mark.usefixtures("here")
def test_a_publisher_needs_no_superuser_and_reads_no_bytes(
    member: Any, tmp_path: Path, psql: psycopg.Connection[Any]
) -> None:
    publisher = member("publisher")
    version = publisher.publish(model(), name="churn", sample=sample(), promote=True)
    assert isinstance(version, Version)
    assert publisher.predict("churn", {"complaints": 5, "spend": 3}) > 0.5
    with pytest.raises(
        RegistryError, match="only modelpack_owner reads the bytes of models; as a superuser: grant"
    ) as refused:
        publisher.export("churn", 1, tmp_path / "churn.onnx")
    assert not list(tmp_path.iterdir())
    statement = re.search(r"grant select on [\w., ]+ to ROLE", str(refused.value))
    assert statement
    psql.execute(statement[0].replace("ROLE", "modelpack_publisher"))
    assert publisher.export("churn", 1, tmp_path / "churn.onnx").stat().st_size > 500


def test_a_reader_reads_and_scores_only(member: Any, registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn", promote=True)
    reader = member("reader")
    assert reader.version("churn").is_champion
    registry.curation.grant("churn", "modelpack_reader", "predict")
    assert reader.predict("churn", {"complaints": 0, "spend": 3}) < 0.5
    with pytest.raises(
        RegistryError, match="may not publish; as a superuser: grant modelpack_publisher to mp_role_"
    ):
        reader.publish(model(), name="churn", sample=sample())
    with pytest.raises(RegistryError, match=r"permission denied.*grant modelpack_publisher"):
        reader.promote("churn", 1)


@pytest.mark.parametrize(
    "change",
    [
        "modelpack.version set signature = '{}'",
        "modelpack.version set golden = '{}'",
        "modelpack.artifact set onnx = 'x'",
    ],
)
def test_what_was_published_does_not_change(registry: Registry, psql: Any, change: str) -> None:
    registry.publish_package(packaged(), name="churn")
    with pytest.raises(psycopg.errors.RestrictViolation, match="what was published does not change"):
        psql.execute(f"update {change}")


def test_a_role_without_rights_is_told_which_it_needs(member: Any) -> None:
    with pytest.raises(RegistryError, match=r"permission denied for schema modelpack.*as a superuser: grant"):
        member().versions()


def test_a_database_without_the_schema_is_told_so(empty_database: str) -> None:
    with pytest.raises(InstallError, match="run `modelpack install`"):
        Registry(empty_database).versions()


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("postgresql://postgres@127.0.0.1:1/x", "no PostgreSQL server can be reached.*--dsn / MODELPACK_DSN"),
        ("host=/nowhere dbname=x", "no PostgreSQL server can be reached"),
        ("postgresql:///x?host=/nowhere&colour=red", 'invalid connection option "colour"'),
    ],
)
def test_a_server_that_cannot_be_reached_is_said_in_words(dsn: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        Registry(dsn).versions()


def test_a_database_or_role_that_does_not_exist_is_said_in_words(database: str) -> None:
    with pytest.raises(
        RegistryError, match='database "mp_nowhere" does not exist; run `createdb mp_nowhere`'
    ):
        Registry(make_conninfo(database, dbname="mp_nowhere")).versions()
    with pytest.raises(RegistryError, match=r"refuses the log-in: .*mp_nobody.*correct user and password"):
        Registry(make_conninfo(database, user="mp_nobody")).versions()


@pytest.mark.parametrize("dsn", ["mysql://localhost/x", "nonsense", "://"])
def test_what_is_no_dsn_is_refused(dsn: str) -> None:
    with pytest.raises(InstallError, match=r"is no (PostgreSQL )?DSN.*expected e\.g\. postgresql://"):
        Registry(dsn)


def test_no_dsn_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELPACK_DSN", raising=False)
    with pytest.raises(InstallError, match="pass --dsn"):
        Registry()


def test_cancel_and_deadlock_pass_as_they_are(engine: Engine) -> None:
    from sqlalchemy.exc import OperationalError

    Registry(engine).publish_package(packaged(), name="churn")
    with engine.connect() as holder, engine.connect() as waiter:
        holder.execute(text("lock table modelpack.turn in exclusive mode"))
        waiter.execute(text("set local lock_timeout = '20ms'"))
        with pytest.raises(RegistryError, match="another transaction publishes, promotes"):
            Registry(waiter).promote("churn", 1)
        waiter.rollback()
        waiter.execute(text("set local statement_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="canceling statement"):
            Registry(waiter).promote("churn", 1)

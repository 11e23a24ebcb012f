"""References in the registry: stored with the publication, once, in bounds, and read by those who may."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sqlalchemy import Engine

from modelpack import Registry, RegistryError
from modelpack.connection import make_engine
from modelpack.install import install
from modelpack.packager import Package, Publication, package
from tests.example import model, packaged, sample
from tests.support import Session, publish, row, rows, value

pytestmark = pytest.mark.usefixtures("here")

READ = "select reference, background from modelpack.reference"
SET = "select modelpack.set_reference('churn', 1, %s, %s)"


@pytest.fixture
def registry(pooled: Callable[..., Engine]) -> Registry:
    return Registry(pooled())


@pytest.fixture
def login(database: str, new_role: Callable[..., str]) -> Iterator[Callable[..., Session]]:
    """A function that logs a role of its own in, with some of modelpack's roles."""
    opened: list[Session] = []

    def make(*groups: str) -> Session:
        opened.append(psycopg.connect(make_conninfo(database, user=new_role(*groups)), autocommit=True))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


def test_a_publication_keeps_what_its_package_says(registry: Registry, psql: Session) -> None:
    registry.publish(model(), name="churn", sample=sample(), promote=True)
    made = packaged()
    assert made.background is not None
    assert rows(psql, READ) == [(made.reference, [list(r) for r in made.background])]
    assert row(psql, "select model, version, background_rows from modelpack.version_reference") == (
        "churn",
        1,
        80,
    )


def test_no_rows_are_kept_where_none_are_wanted(registry: Registry, psql: Session) -> None:
    registry.publish(model(), name="churn", sample=sample(), background=False)
    assert row(psql, READ) == (packaged().reference, None)


def test_a_version_that_is_refused_leaves_no_reference(registry: Registry, psql: Session) -> None:
    wrong = replace(packaged(), reference={"format": 1})
    with pytest.raises(RegistryError, match="the reference is of another shape"):
        registry.publish_package(wrong, name="churn")
    assert row(
        psql, "select (select count(*) from modelpack.version), (select count(*) from modelpack.reference)"
    ) == (0, 0)


def test_versions_without_a_reference_can_be_published(
    registry: Registry, psql: Session, tmp_path: Path
) -> None:
    publish(psql, "churn", ["complaints"], [1.0])
    registry.publish_dummy(0.5, ["spend"], name="dummy")
    assert rows(psql, READ) == []
    registry.export("churn", 1, tmp_path / "churn.onnx")
    registry.import_file(tmp_path / "churn.onnx")
    assert rows(psql, READ) == []


@pytest.mark.parametrize("background", [True, False])
def test_files_carry_both_from_database_to_database(
    registry: Registry, psql: Session, tmp_path: Path, background: bool
) -> None:
    made = packaged() if background else replace(packaged(), background=None)
    registry.publish_package(made, name="churn")
    path = registry.export("churn", 1, tmp_path / "churn.onnx")
    assert (b"modelpack.background" in path.read_bytes()) == background
    registry.import_file(path, name="other")
    one, two = rows(psql, f"{READ} order by version_id")
    assert one == two
    assert two == (made.reference, json.loads(json.dumps(made.background)))


def test_a_reference_is_set_once(registry: Registry, psql: Session) -> None:
    registry.publish_package(packaged(), name="churn")
    with pytest.raises(errors.RestrictViolation, match="churn version 1 has a reference already"):
        psql.execute(SET, [json.dumps(packaged().reference), None])


def test_who_publishes_a_version_of_somebody_elses_model_says_what_he_made_it_from(
    registry: Registry, database: str, login: Callable[..., Session], psql: Session
) -> None:
    registry.publish_package(replace(packaged(), reference=None), name="churn")
    publisher = login("modelpack_publisher")
    with pytest.raises(
        errors.InsufficientPrivilege, match="may not set the reference of a version of the model churn"
    ):
        publisher.execute(SET, [json.dumps(packaged().reference), None])
    his = Registry(make_conninfo(database, user=publisher.info.user))
    his.publish_package(packaged(), name="churn")
    assert rows(psql, "select version, created_by::text from modelpack.version_reference") == [
        (2, publisher.info.user)
    ]
    psql.execute(f"select modelpack.grant_model('churn', '{publisher.info.user}')")
    publisher.execute(SET, [json.dumps(packaged().reference), None])


def test_background_rows_are_read_by_the_owner_role_and_who_may_manage_the_model(
    registry: Registry, psql: Session, login: Callable[..., Session]
) -> None:
    registry.publish_package(packaged(), name="churn")
    seen = "select reference, background is not null, background_rows from modelpack.version_reference"
    for role, reference in (("modelpack_monitor", packaged().reference), ("modelpack_publisher", None)):
        session = login(role)
        # its categories are texts of rows
        assert row(session, seen) == (reference, False, 80)
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("select reference from modelpack.reference")
        psql.execute(f"select modelpack.grant_model('churn', '{session.info.user}', 'predict')")
        assert row(session, seen) == (packaged().reference, False, 80)
        psql.execute(f"select modelpack.grant_model('churn', '{session.info.user}')")
        assert row(session, seen) == (packaged().reference, True, 80)
    owner = login("modelpack_owner")
    assert row(owner, seen) == (packaged().reference, True, 80)
    assert len(value(owner, "select background from modelpack.reference")) == 80
    for role in ("modelpack_reader", "modelpack_approver"):
        for statement in (seen, "select reference from modelpack.reference"):
            with pytest.raises(errors.InsufficientPrivilege):
                login(role).execute(statement)


def test_background_rows_go_when_a_retired_version_is_purged(registry: Registry, psql: Session) -> None:
    for _ in range(3):
        registry.publish_package(packaged(), name="churn")
    registry.publish_package(packaged(-1), name="churn")
    psql.execute("select modelpack.retire('churn', 1), modelpack.retire('churn', 4)")
    psql.execute("select modelpack.purge()")
    kept = "select version from modelpack.version_reference where background is not null order by 1"
    assert [v for (v,) in rows(psql, kept)] == [1, 2, 3, 4]
    assert len(rows(psql, "select * from modelpack.purge('0 days')")) == 1
    assert [v for (v,) in rows(psql, kept)] == [2, 3]
    assert value(psql, "select count(reference) from modelpack.reference") == 4
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="retired"):
        psql.execute(SET, [json.dumps(packaged().reference), "[[1, 2]]"])


def described() -> Package:
    """A package whose model has a category and a number that may be missing in neither."""
    frame = sample().assign(plan=["basic", "pro", "Łódź", "basic"] * 20)
    reader = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]), remainder="passthrough"
    )
    return package(
        make_pipeline(reader, LogisticRegression()).fit(frame, frame["complaints"] > 2), frame, Publication()
    )


NO = object()


def changed(path: tuple[Any, ...], new: Any) -> Callable[[dict[str, Any]], None]:
    def change(form: dict[str, Any]) -> None:
        part: Any = form
        for step in path[:-1]:
            part = part[step]
        if new is NO:
            del part[path[-1]]
        else:
            part[path[-1]] = new(part[path[-1]]) if callable(new) else new

    return change


SPEND, PLAN = ("reference", "inputs", "spend"), ("reference", "inputs", "plan")
HOSTILE: dict[str, tuple[tuple[Any, ...], Any]] = {
    "no object": (("reference",), []),
    "text": (("reference",), "x"),
    "null": (("reference",), None),
    "another format": (("reference", "format"), 2),
    "more keys": (("reference", "rows_of"), [1]),
    "no rows": (("reference", "rows"), NO),
    "rows below nothing": (("reference", "rows"), -1),
    "rows in part": (("reference", "rows"), 1.5),
    "rows as text": (("reference", "rows"), "80"),
    "inputs as a list": (("reference", "inputs"), []),
    "an input less": (SPEND, NO),
    "an input more": (("reference", "inputs", "more"), {}),
    "an input that is none": (SPEND, 1),
    "another type": ((*SPEND, "type"), "text"),
    "edges as text": ((*SPEND, "edges"), "1"),
    "edges of text": ((*SPEND, "edges", 0), "1"),
    "edges that are null": ((*SPEND, "edges", 0), None),
    "an edge beyond float32": ((*SPEND, "edges", -1), 1e39),
    "an edge beyond double": ((*SPEND, "edges", -1), 10**400),
    "edges that fall": ((*SPEND, "edges"), lambda e: e[::-1]),
    "equal edges": ((*SPEND, "edges"), lambda e: [e[0], *e[:-1]]),
    "more edges": ((*SPEND, "edges"), lambda _: list(range(21))),
    "fewer counts": ((*SPEND, "counts"), lambda c: c[:-1]),
    "a count below nothing": ((*SPEND, "counts"), lambda c: [-1, c[0] + c[1] + 1, *c[2:]]),
    "a count in part": ((*SPEND, "counts"), lambda c: [0.5, c[0] + c[1] - 0.5, *c[2:]]),
    "counts of other rows": ((*SPEND, "counts", 0), 70),
    "missing as text": ((*SPEND, "missing"), "0"),
    "a mean that is text": ((*SPEND, "mean"), "1"),
    "a mean that no double is": ((*SPEND, "mean"), 10**310),
    "a deviation that is a list": ((*SPEND, "deviation"), []),
    "no minimum": ((*SPEND, "minimum"), NO),
    "more of an input": ((*SPEND, "rows"), [[1]]),
    "categories as a list": ((*PLAN, "categories"), []),
    "a category without a number": ((*PLAN, "categories", "pro"), None),
    "a category that steers": ((*PLAN, "categories"), lambda c: {**c, "\x1b[2J": 0}),
    "a long category": ((*PLAN, "categories"), lambda c: {**c, "x" * 201: 0}),
    "more categories": ((*PLAN, "categories"), lambda c: {**c, **{f"c{n}": 0 for n in range(50)}}),
    "categories of other rows": ((*PLAN, "other"), 5),
    "unseen below nothing": ((*PLAN, "unseen"), -1),
    "unseen as text": ((*PLAN, "unseen"), "x"),
    "free where the model knows categories": ((*PLAN,), {"type": "text", "free": True, "missing": 0, "unseen": 0}),
    "no score": (("reference", "score"), NO),
    "a score that is text": (("reference", "score"), "x"),
    "a score of categories": (("reference", "score"), {"type": "text", "missing": 0, "categories": {}, "other": 80, "unseen": 0}),
    "a score that is missing": (("reference", "score", "missing"), 0),
    "too large": (("reference", "inputs", "spend", "edges"), ["x" * (1 << 23)]),
    "a background that is an object": (("background",), {"rows": []}),
    "a background of no rows": (("background",), []),
    "a background of 101 rows": (("background",), lambda b: (b * 2)[:101]),
    "a background row that is none": (("background", 0), 1),
    "a short background row": (("background", 0), lambda r: r[:-1]),
    "a number that is text": (("background", 0), lambda r: ["x"] * len(r)),
    "a text that is a number": (("background", 0), lambda r: [1] * len(r)),
    "a cell that is a list": (("background", 0, 0), []),
    "a cell that is true": (("background", 0, 0), True),
    "a number beyond float32": (("background", 0), lambda r: [c if isinstance(c, str) else 1e39 for c in r]),
    "a missing number that the model does not take": (("background", 0), lambda r: [c if isinstance(c, str) else None for c in r]),
    "a background too large": (("background", 0), lambda r: [c * (1 << 22) if isinstance(c, str) else c for c in r]),
}  # fmt: skip


def test_what_a_hostile_publisher_passes_is_refused_in_words(registry: Registry, psql: Session) -> None:
    made = described()
    registry.publish_package(replace(made, reference=None), name="churn")
    good = {"reference": made.reference, "background": json.loads(json.dumps(made.background))}
    good["background"] = [r for r in good["background"] if "Łódź" not in r] * 2
    good["background"] = good["background"][:100]
    for name, (path, new) in HOSTILE.items():
        form = copy.deepcopy(good)
        changed(path, new)(form)
        with pytest.raises((errors.InvalidParameterValue, errors.ProgramLimitExceeded)) as refused:
            psql.execute(SET, [json.dumps(form["reference"]), json.dumps(form["background"])])
        assert len(refused.value.diag.message_primary or "") < 250, name
        assert (refused.value.diag.message_detail or "").startswith("Expected: "), name
    assert rows(psql, READ) == []
    psql.execute(SET, [json.dumps(good["reference"]), json.dumps(good["background"])])
    assert row(psql, READ) == (good["reference"], good["background"])


def test_what_is_proved_by_another_is_no_call_of_ones_own(
    registry: Registry, login: Callable[..., Session]
) -> None:
    registry.publish_package(packaged(), name="churn")
    publisher = login("modelpack_publisher")
    with pytest.raises(errors.InsufficientPrivilege):
        publisher.execute(
            "select modelpack.set_reference(row('postgres', 'x')::modelpack.me, 'churn', 1, '{}', null)"
        )
    with pytest.raises(errors.InsufficientPrivilege):
        publisher.execute(
            "insert into modelpack.reference (version_id, reference, created_by) values (9, '{}', 'x')"
        )


def test_texts_that_the_database_cannot_hold_keep_no_version_from_it(
    server: str, template: str, server_wheels: Path | None
) -> None:
    assert template
    name = f"mp_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(
            f"create database {name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"
        )
    engine = make_engine(make_conninfo(server, dbname=name))
    try:
        with engine.begin() as connection:
            install(connection, server_wheels)
        frame = sample().assign(plan=["basic", "pro", "Łódź", "é"] * 20)
        reader = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", categories=[["basic", "pro", "é"]]), ["plan"]),
            remainder="passthrough",
        )
        made = package(
            make_pipeline(reader, LogisticRegression()).fit(frame, frame["complaints"] > 2),
            frame,
            Publication(),
        )
        assert made.reference is not None
        assert made.reference["inputs"]["plan"]["categories"]["Łódź"] == 20
        Registry(engine).publish_package(made, name="churn")
        with engine.connect() as connection:
            reference, background = connection.exec_driver_sql(READ).one()
    finally:
        engine.dispose()
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")
    assert reference["inputs"]["plan"]["categories"] == {"basic": 20, "pro": 20, "é": 20}
    assert reference["inputs"]["plan"]["other"] == 20
    assert len(background) == 60
    assert pd.Series([r[0] if isinstance(r[0], str) else r[-1] for r in background]).nunique() == 3

"""What happens to versions after they are published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine

from modelpack import Registry, RegistryError
from modelpack.errors import PackagingError
from modelpack.lineage import code_revision, fingerprint
from tests.example import model, packaged, sample


@pytest.fixture
def registry(pooled: Callable[..., Engine]) -> Registry:
    return Registry(pooled())


@pytest.fixture
def person(pooled: Callable[..., Engine], new_role: Callable[..., str]) -> Callable[..., Registry]:
    """A function that makes somebody who logs in, with some of modelpack's roles: session_user, not SET ROLE."""

    def make(*groups: str) -> Registry:
        name = new_role(*(f"modelpack_{group}" for group in groups))
        registry = Registry(pooled(user=name))
        registry.who = name  # type: ignore[attr-defined]  # for the tests alone
        return registry

    return make


def who(registry: Registry) -> str:
    return str(registry.__dict__["who"])


# -- aliases and words -----------------------------------------------------------------------------------------


def test_any_name_stands_for_a_version_and_moves(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn")
    registry.publish_package(packaged(-1), name="churn")
    registry.curation.set_alias("churn", "challenger", 1)
    registry.curation.set_alias("churn", "challenger", 2, "looks better")
    registry.curation.set_alias("churn", "champion", 1)
    assert [v.aliases for v in registry.versions("churn")] == [("champion",), ("challenger",)]
    assert [
        (s.action, s.alias, s.previous, s.version, s.reason) for s in registry.curation.history("churn")
    ] == [
        ("alias", "challenger", None, 1, ""),
        ("alias", "challenger", 1, 2, "looks better"),
        ("promote", "champion", None, 1, ""),
    ]
    registry.curation.drop_alias("churn", "challenger")
    assert registry.version("churn", 2).aliases == ()
    for alias, words in (("champion", "something has to score"), ("challenger", "has no alias challenger")):
        with pytest.raises(RegistryError, match=words):
            registry.curation.drop_alias("churn", alias)


def test_another_alias_does_not_disturb_a_rollback(registry: Registry) -> None:
    for sign in (1, -1):
        registry.publish_package(packaged(sign), name="churn", promote=True)
        registry.curation.set_alias("churn", "challenger", 1)
        registry.curation.set_alias("churn", "blue", 1)
    assert registry.rollback("churn") == 1


def test_an_alias_of_a_version_that_is_not_there_is_refused(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn")
    with pytest.raises(RegistryError, match=r"has no version 9.*It has: 1"):
        registry.curation.set_alias("churn", "challenger", 9)
    with pytest.raises(RegistryError, match=r"there is no model chrun.*There are: churn"):
        registry.curation.set_alias("chrun", "challenger", 1)


def test_tags_notes_and_metrics_come_and_go_and_their_history_stays(
    registry: Registry, psql: psycopg.Connection[Any]
) -> None:
    registry.publish_package(packaged(), name="churn", metrics={"auc": 0.75, "lift": 2.0})
    registry.curation.set_tag("churn", 1, "team", "crm")
    registry.curation.set_tag("churn", 1, "team", "sales")
    registry.curation.set_tag("churn", 1, "reviewed")
    registry.curation.set_tag("churn", 1, "gone", "soon")
    registry.curation.set_tag("churn", 1, "gone", None)
    registry.curation.add_note("churn", 1, "one")
    registry.curation.add_note("churn", 1, "two")
    registry.curation.set_metric("churn", 1, "auc", 0.71)
    found = registry.version("churn", 1)
    assert found.tags == {"team": "sales", "reviewed": ""}
    assert [n["note"] for n in found.notes] == ["one", "two"]
    assert found.metrics == {"auc": 0.71, "lift": 2.0}
    assert psql.execute("select count(*) from modelpack.annotation").fetchone() == (8,)


# -- lineage ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_a_version_knows_the_data_and_the_code_that_it_comes_from(registry: Registry) -> None:
    version = registry.publish(model(), name="churn", sample=sample(), training_data=sample())
    assert version.lineage["training_data"] == fingerprint(sample()) == version.lineage["sample"]
    assert version.lineage["training_data"]["rows"] == 80
    assert version.lineage.get("code") == code_revision()


def test_a_fingerprint_changes_with_a_value_a_name_a_type_and_the_order() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    others = [
        pd.DataFrame({"a": [1.0, 3.0], "b": ["x", None]}),
        frame.rename(columns={"a": "c"}),
        frame.astype({"a": "float32"}),
        frame.iloc[::-1],
        frame[["b", "a"]],
    ]
    found = {fingerprint(f)["sha256"] for f in (frame, *others)}
    assert len(found) == 6
    assert fingerprint(frame.set_index(pd.Index([7, 8]))) == fingerprint(frame)


def test_outside_of_a_checkout_there_is_no_revision(tmp_path: Path) -> None:
    assert code_revision(tmp_path) is None


# -- retirement ------------------------------------------------------------------------------------------------


def test_a_retired_version_is_out_of_use_and_its_bytes_go_when_nothing_names_them(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn")
    registry.publish_package(packaged(), name="other")  # the same bytes
    registry.publish_package(packaged(-1), name="churn", promote=True)
    registry.curation.retire("churn", 1, "too old")
    for refused in (registry.promote, registry.curation.retire):
        with pytest.raises(RegistryError, match=r"churn version 1 is retired.*too old"):
            refused("churn", 1)
    with pytest.raises(RegistryError, match="is retired"):
        registry.curation.set_alias("churn", "challenger", 1)
    assert registry.curation.purge("0 days") == {}  # the other model names them
    registry.curation.retire("other", 1)
    assert registry.curation.purge() == {}  # kept for 30 days
    size = len(packaged().onnx)
    assert registry.curation.purge("0 days") == {packaged().sha256: size}
    found = registry.version("churn", 1)
    assert (found.bytes, found.signature["inputs"][0]["name"]) == (None, "complaints")
    with pytest.raises(RegistryError, match=r"gives no score.*purged"):
        registry.predict("churn", {"complaints": 1, "spend": 1}, 1)
    with pytest.raises(RegistryError, match="purged"):
        registry.export("churn", 1, Path("nowhere.onnx"))
    # published again, they are back
    assert registry.publish_package(packaged(), name="churn", promote=True).bytes == size


def test_what_stands_for_something_is_not_retired(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn", promote=True)
    registry.curation.set_alias("churn", "blue", 1)
    with pytest.raises(RegistryError, match="stands for blue, champion"):
        registry.curation.retire("churn", 1)


def test_a_rollback_passes_over_retired_versions_and_can_be_repeated(registry: Registry) -> None:
    for sign in (1, -1, 1, -1):
        registry.publish_package(packaged(sign), name="churn", promote=True)
    registry.curation.retire("churn", 3)
    assert registry.rollback("churn") == 2
    assert registry.rollback("churn") == 1
    with pytest.raises(RegistryError, match="no champion before version 1"):
        registry.rollback("churn")
    registry.promote("churn", 4)
    assert registry.rollback("churn") == 1


# -- grants and approval ---------------------------------------------------------------------------------------


def test_a_publisher_promotes_only_models_that_are_granted(
    registry: Registry, person: Callable[..., Registry]
) -> None:
    ann, bob = person("publisher"), person("publisher")
    ann.publish_package(packaged(), name="churn", promote=True)  # who begins a model has it granted
    assert registry.curation.grants("churn") == {who(ann): "manage"}
    bob.publish_package(packaged(-1), name="churn")  # publishing is for all publishers: it does not score
    refused: list[Callable[[], Any]] = [
        lambda: bob.promote("churn", 2),
        lambda: bob.rollback("churn"),
        lambda: bob.curation.set_alias("churn", "challenger", 2),
        lambda: bob.curation.drop_alias("churn", "challenger"),
        lambda: bob.curation.set_tag("churn", 2, "x"),
        lambda: bob.curation.add_note("churn", 2, "x"),
        lambda: bob.curation.set_metric("churn", 2, "x", 1.0),
        lambda: bob.curation.retire("churn", 2),
    ]
    for call in refused:
        with pytest.raises(RegistryError, match=f"{who(bob)} may not .* it is granted to {who(ann)}.*grant"):
            call()
    for outsider in (ann, bob):
        with pytest.raises(RegistryError, match="permission denied"):
            outsider.curation.grant("churn", who(bob))
    registry.curation.grant("churn", who(bob))
    bob.promote("churn", 2)
    registry.curation.revoke("churn", who(bob))
    with pytest.raises(RegistryError, match="may not roll back"):
        bob.rollback("churn")
    with pytest.raises(RegistryError, match="there is no role nobody_at_all"):
        registry.curation.grant("churn", "nobody_at_all")


def test_set_role_lends_nobody_a_grant(person: Callable[..., Registry], database: str) -> None:
    ann, bob = person("publisher"), person("publisher")
    ann.publish_package(packaged(), name="churn")
    disguised = Registry(make_conninfo(database, user=who(bob), options="-c role=modelpack_publisher"))
    with pytest.raises(RegistryError, match="modelpack_publisher may not promote"):
        disguised.promote("churn", 1)
    with pytest.raises(RegistryError, match=r"permission denied to set role|permission denied"):
        Registry(make_conninfo(database, user=who(bob), options=f"-c role={who(ann)}")).promote("churn", 1)


def test_four_eyes_see_a_version_before_it_scores(
    registry: Registry, person: Callable[..., Registry]
) -> None:
    ann = person("publisher", "approver")
    eve = person("approver")
    ann.publish_package(packaged(), name="churn", promote=True)
    registry.curation.require_approval("churn")
    ann.publish_package(packaged(-1), name="churn")
    with pytest.raises(RegistryError, match=r"churn version 2 is not approved.*modelpack approve churn 2"):
        ann.promote("churn", 2)
    with pytest.raises(RegistryError, match="not approved"):
        ann.curation.set_alias("churn", "champion", 2)
    with pytest.raises(RegistryError, match=f"{who(ann)} published churn version 2.*Somebody else"):
        ann.curation.approve("churn", 2)
    with pytest.raises(RegistryError, match=r"permission denied|may not"):
        eve.promote("churn", 2)
    with pytest.raises(RegistryError, match="permission denied"):
        ann.curation.require_approval("churn", False)
    eve.curation.approve("churn", 2, "seen")
    ann.promote("churn", 2)
    assert registry.version("churn").approved_by == who(eve)
    assert ann.rollback("churn") == 1  # it scored before: no new approval
    assert [s.action for s in registry.curation.history("churn")] == [
        "promote",
        "approve",
        "promote",
        "rollback",
    ]
    registry.curation.require_approval("churn", False)
    ann.publish_package(packaged(-1), name="churn", promote=True)


def test_an_approval_is_taken_back(registry: Registry, person: Callable[..., Registry]) -> None:
    ann, eve = person("publisher"), person("approver")
    registry.curation.require_approval("churn")
    ann.publish_package(packaged(), name="churn")
    registry.curation.grant("churn", who(ann))
    with pytest.raises(RegistryError, match="churn version 1 is not approved"):
        eve.curation.withdraw_approval("churn", 1)
    eve.curation.approve("churn", 1)
    with pytest.raises(RegistryError, match="permission denied"):
        ann.curation.withdraw_approval("churn", 1)
    eve.curation.withdraw_approval("churn", 1, "seen too late")
    assert registry.version("churn", 1).approved_by is None
    with pytest.raises(RegistryError, match="churn version 1 is not approved"):
        ann.promote("churn", 1)
    eve.curation.approve("churn", 1)
    ann.promote("churn", 1)
    assert [(s.action, s.by, s.reason) for s in registry.curation.history("churn")][1] == (
        "withdraw",
        who(eve),
        "seen too late",
    )


def test_a_rollback_passes_over_what_is_approved_no_more(
    registry: Registry, person: Callable[..., Registry]
) -> None:
    ann, eve = person("publisher"), person("approver")
    for number, sign in enumerate((1, -1, 1), start=1):
        ann.publish_package(packaged(sign), name="churn")
        registry.curation.require_approval("churn")
        eve.curation.approve("churn", number)
        ann.promote("churn", number)
    eve.curation.withdraw_approval("churn", 3)
    assert registry.version("churn").version == 3, "it scores on"
    eve.curation.withdraw_approval("churn", 2)
    assert ann.rollback("churn") == 1
    eve.curation.approve("churn", 2)
    ann.promote("churn", 2)
    assert registry.version("churn").version == 2


def test_nobody_scores_with_a_model_that_is_not_granted(
    registry: Registry, person: Callable[..., Registry]
) -> None:
    ann, bob, cat, eve = person("publisher"), person("publisher"), person("reader"), person("approver")
    for sign in (1, -1):
        ann.publish_package(packaged(sign), name="churn", promote=True)
    inputs = {"complaints": 3, "spend": 10.0}
    score = ann.predict("churn", inputs)
    for outsider in (bob, cat):
        with pytest.raises(
            RegistryError,
            match=rf"{who(outsider)} may not score with the model churn.*{who(outsider)} --predict",
        ):
            outsider.predict("churn", inputs)
        with pytest.raises(RegistryError, match="may not score with"):
            outsider.curation.diff("churn", 1, 2)
    with pytest.raises(RegistryError, match="permission denied"):
        eve.predict("churn", inputs)
    assert [d for d in eve.curation.diff("churn", 1, 2) if d.part == "score"], (
        "an approver sees what there is to approve"
    )
    registry.curation.grant("churn", who(cat), "predict")
    assert cat.predict("churn", inputs) == score
    assert cat.predict("churn", inputs, 1) != score
    registry.curation.grant("churn", who(bob), "predict")
    assert bob.predict("churn", inputs) == score
    with pytest.raises(RegistryError, match=rf"{who(bob)} may not promote .* granted to {who(ann)};?"):
        bob.promote("churn", 1)
    registry.curation.grant("churn", who(bob))
    registry.curation.grant("churn", who(bob), "predict")
    assert registry.curation.grants("churn") == {who(ann): "manage", who(bob): "manage", who(cat): "predict"}
    registry.curation.revoke("churn", who(cat))
    with pytest.raises(RegistryError, match="may not score with"):
        cat.predict("churn", inputs)
    registry.curation.grant("churn", "modelpack_reader", "predict")
    assert cat.predict("churn", inputs) == score
    with pytest.raises(RegistryError, match=r"a grant of all is unknown.*manage or predict"):
        registry.curation.grant("churn", who(cat), "all")


def test_set_role_makes_no_second_pair_of_eyes(
    registry: Registry, person: Callable[..., Registry], database: str
) -> None:
    ann = person("publisher", "approver")
    ann.publish_package(packaged(), name="churn")
    registry.curation.require_approval("churn")
    disguised = Registry(make_conninfo(database, user=who(ann), options="-c role=modelpack_approver"))
    with pytest.raises(RegistryError, match=f"{who(ann)} published churn version 1"):
        disguised.curation.approve("churn", 1)


def test_a_model_is_stopped_by_those_it_is_granted_to_and_by_approvers(
    person: Callable[..., Registry], database: str
) -> None:
    ann, bob, eve = person("publisher"), person("publisher"), person("approver")
    ann.publish_package(packaged(), name="churn", promote=True)
    for one, allowed in ((ann, True), (bob, False), (eve, True)):
        with psycopg.connect(make_conninfo(database, user=who(one))) as session:
            if allowed:
                session.execute("select modelpack.disable('churn'), modelpack.enable('churn')")
            else:
                with pytest.raises(psycopg.Error, match="may not disable"):
                    session.execute("select modelpack.disable('churn')")


# -- dummies, files, comparison --------------------------------------------------------------------------------


def test_a_dummy_scores_every_row_the_same(registry: Registry) -> None:
    version = registry.publish_dummy(0.1, ["complaints", "spend", "plan:text"], name="churn", promote=True)
    assert version.inputs == ("complaints", "spend", "plan")
    for plan in ("basic", None):
        score = registry.predict("churn", {"complaints": 3, "spend": None, "plan": plan})
        assert score == np.float32(0.1)
    assert registry.publish_dummy(2, ["plan:text"], name="words").version == 1


@pytest.mark.parametrize(
    ("score", "inputs", "words"),
    [
        (float("nan"), ["a"], "finite"),
        (1e39, ["a"], "finite"),
        (0.1, [], "needs inputs"),
        (0.1, ["a:date"], "NAME:text"),
        (0.1, ["a", "a:text"], "comes twice"),
    ],
)
def test_a_dummy_that_makes_no_sense_is_refused(
    registry: Registry, score: float, inputs: list[str], words: str
) -> None:
    with pytest.raises(PackagingError, match=words):
        registry.publish_dummy(score, inputs, name="churn")


def test_a_version_travels_as_a_file_and_any_runtime_proves_it(registry: Registry, tmp_path: Path) -> None:
    first = registry.publish_package(packaged(), name="churn", metrics={"lift": 2.0}, note="the first")
    path = registry.export("churn", 1, tmp_path / "churn.onnx")
    assert (
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_outputs()[0].name
        == "score"
    )
    second = registry.import_file(path, name="elsewhere", promote=True)
    assert (second.sha256, second.signature, second.metrics, second.note) == (
        first.sha256,
        first.signature,
        first.metrics,
        first.note,
    )
    assert second.lineage["imported"]["model"] == "churn"
    assert first.lineage
    assert {name: second.lineage.get(name) for name in first.lineage} == first.lineage
    assert registry.import_file(path).version == 2
    row = {"complaints": 4, "spend": 10}
    assert registry.predict("elsewhere", row) == registry.predict("churn", row, 1)


def test_names_and_notes_that_could_be_read_as_json_come_back_as_texts(
    registry: Registry, tmp_path: Path
) -> None:
    for name, note in (("true", "1e3"), ("null", "null"), ("nan", '{"a": 1}')):
        first = registry.publish_package(packaged(), name=name, note=note)
        second = registry.import_file(registry.export(name, 1, tmp_path / f"{name}.onnx"))
        assert (second.model, second.version, second.note) == (name, 2, note)
        assert second.lineage["imported"]["model"] == name
        assert second.lineage["imported"]["created_by"] == first.created_by


def test_a_file_that_was_changed_or_is_none_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.publish_package(packaged(), name="churn")
    whole = registry.export("churn", 1, tmp_path / "churn.onnx").read_bytes()
    for content, words in (
        (whole[:300], "no ONNX model|not exported"),
        (whole.replace(b"Identity", b"Identitx").replace(b"score", b"scorx", 1), "changed after its export"),
        (packaged().onnx, "not exported by modelpack"),
        (b"\xff" * 50, "no ONNX model"),
        (b"", "not exported"),
    ):
        (tmp_path / "other.onnx").write_bytes(content)
        with pytest.raises(RegistryError, match=words):
            registry.import_file(tmp_path / "other.onnx")
    with pytest.raises(RegistryError, match="cannot be read"):
        registry.import_file(tmp_path / "absent.onnx")


def test_two_versions_are_held_side_by_side(registry: Registry) -> None:
    registry.publish_package(packaged(), name="churn", metrics={"auc": 0.7})
    registry.publish_package(packaged(-1), name="churn", metrics={"auc": 0.8})
    registry.publish_dummy(0.5, ["complaints", "plan:text"], name="churn")
    found = registry.curation.diff("churn", 1, 2)
    assert [(d.name, d.first, d.second) for d in found if d.part == "metric"] == [("auc", "0.7", "0.8")]
    scores = [d for d in found if d.part == "score"]
    assert len(scores) == len(packaged().golden.rows)
    assert float(scores[0].first or 0) == pytest.approx(1 - float(scores[0].second or 0), abs=1e-5)
    other = {
        (d.part, d.name): (d.first, d.second)
        for d in registry.curation.diff("churn", 1, 3, [{"complaints": 1, "spend": 2, "plan": "x"}])
    }
    assert other["input", "spend"] == ("2. number, never NULL", None)
    assert other["input", "plan"] == (None, "2. text")
    assert other["output", "kind"] == ("probability", "value")
    assert other["score", "1"][1] == "0.5"
    assert not [d for d in registry.curation.diff("churn", 1, 1) if d.part != "score"]
    assert "is missing" in str(registry.curation.diff("churn", 1, 3, [{"complaints": 1}])[-1].first)


def test_a_version_is_verified_again_and_what_fails_now_is_said(
    registry: Registry, psql: psycopg.Connection[Any]
) -> None:
    registry.publish_package(packaged(engine="onnx"), name="churn", promote=True)
    assert registry.curation.recheck("churn")["onnxruntime"].count(".") == 2
    psql.execute("alter table modelpack.version disable trigger all")
    psql.execute("update modelpack.version set golden = jsonb_set(golden, '{scores,0}', '7')")
    with pytest.raises(RegistryError, match=r"golden row 1 gives .* expected 7"):
        registry.curation.recheck("churn", 1)

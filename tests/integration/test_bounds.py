"""What others give is bounded at the door, and what errors, logs and reports repeat of it is neither long nor secret."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from onnx import TensorProto, helper
from psycopg.conninfo import make_conninfo

from modelpack import Event, Profile, Score, count, expression
from tests.hostile import info, proto, tensor
from tests.support import Session, attach, linear_model, publish, row, rows, user, value, wait_for

LONG = 5_000_000
SIGNATURE = {
    "format": 1,
    "inputs": [{"name": "a", "type": "number", "missing": True}],
    "output": {"kind": "value"},
}
GOLDEN = {"rows": [[0]], "scores": [0.5]}
ESCAPES = "\x1b]0;title\x07\x1b[2J\rforged"


def _publish(session: Session, **facts: Any) -> None:
    given = {"signature": SIGNATURE, "golden": GOLDEN, **facts}
    names = ", ".join(f"{name} => %s" for name in given)
    session.execute(
        f"select modelpack.publish('other', {names}, onnx => %s)",
        [v if isinstance(v, str) else json.dumps(v) for v in given.values()] + [linear_model([1.0], 0.0)],
    )


LONG_TEXTS = [
    "select modelpack.predict('churn', jsonb_build_object(repeat('k', 900000), 1))",
    f"select modelpack.predict('churn', jsonb_build_object(repeat('k', {LONG}), 1))",
    "select modelpack.predict('churn', jsonb_build_object('a', repeat('k', 900000)))",
    "select modelpack.predict('churn', jsonb_build_object('a', array_fill(1, array[90000])))",
    "select modelpack.predict('churn', (select jsonb_agg(g) from generate_series(1, 90000) as g))",
    f"select modelpack.publish(repeat('m', {LONG}), '\\x00', '{{}}', '{{}}')",
    f"select modelpack.add_note('churn', 1, repeat('n', {LONG}))",
    f"select modelpack.set_tag('churn', 1, 'a', repeat('t', {LONG}))",
    f"select modelpack.set_tag('churn', 1, repeat('t', {LONG}), 'a')",
    f"select modelpack.set_metric('churn', 1, repeat('t', {LONG}), 1)",
    f"select modelpack.predict(repeat('m', {LONG}), '{{}}')",
    f"select modelpack.promote(repeat('m', {LONG}), 1)",
    f"select modelpack.recheck(repeat('m', {LONG}), 1)",
    f"select modelpack.disable(repeat('m', {LONG}))",
    f"select modelpack.set_alias('churn', repeat('m', {LONG}), 1)",
    f"select modelpack.drop_alias('churn', repeat('m', {LONG}))",
    *(
        f"select modelpack.{call}"
        for call in (
            f"disable('churn', repeat('r', {LONG}))",
            f"promote('churn', 3, repeat('r', {LONG}))",
            f"rollback('churn', repeat('r', {LONG}))",
            f"set_alias('churn', 'next', 3, repeat('r', {LONG}))",
            f"retire('churn', 3, repeat('r', {LONG}))",
            "disable('churn', E'\\x1b[2J')",
            "promote('churn', 3, E'\\x1b[2J')",
            "promote('churn', 3, E'\\r')",
        )
    ),
]


@pytest.mark.parametrize("query", LONG_TEXTS, ids=range(len(LONG_TEXTS)))
def test_an_error_repeats_little_of_what_was_given(psql: Session, query: str) -> None:
    publish(psql, "churn", ["a"], [0.5])
    publish(psql, "churn", ["a"], [1.0])
    psql.execute("select modelpack.promote('churn', 1)")
    publish(psql, "churn", ["a"], [1.5], promote=False)
    started = time.monotonic()
    with pytest.raises(psycopg.Error) as refusal:
        psql.execute(query)
    said = refusal.value.diag
    assert len(f"{said.message_primary}{said.message_detail}{said.message_hint}") < 1000
    assert str(said.sqlstate).startswith(("22", "54", "42"))
    assert time.monotonic() - started < 20
    assert rows(psql, "select from modelpack.annotation") == []


def test_a_reason_of_a_row_repeats_little_of_it(psql: Session) -> None:
    publish(psql, "churn", ["a"], [1.0])
    given = json.dumps([{"k" * 100_000: 1}, {"a": "v" * 100_000}, {}, 7, {"a": True}, {"a": 1e300}])
    found = rows(psql, "select place, score, reason from modelpack.score_rows('churn', 1, %s)", given)
    assert [place for place, _, _ in found] == [1, 2, 3, 4, 5, 6]
    assert [score is None for _, score, _ in found] == [True, True, True, True, False, True]
    words = [
        "no input",
        "expected a number",
        'input "a" is missing',
        "expected a JSON object",
        None,
        "float32",
    ]
    for word, (_, _, reason) in zip(words, found, strict=True):
        assert word is None or (word in reason and len(reason) < 300)


BAD_FACTS = [
    *(
        {part: shape}
        for part in ("parity", "metrics", "libraries", "lineage")
        for shape in ([1], 5, None, True)
    ),
    {"metrics": {"auc": "high"}},
    {"metrics": {"auc": None}},
    {"metrics": {"auc": [1]}},
    {"metrics": {"": 1}},
    {"metrics": {"a\x1b[2J": 1}},
    {"metrics": {"m" * 64: 1}},
    {"libraries": {"numpy": 7}},
    {"libraries": {"numpy": "9" * 101}},
    {"lineage": {"data": "d" * 70_000}},
    {"lineage": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}},
    {"note": ESCAPES},
    {"note": "n" * 10_001},
    {"description": ESCAPES},
    {"signature": [1]},
    {"signature": {**SIGNATURE, "output": {"kind": "value", "class": {"a": 1}}}},
    {"signature": {**SIGNATURE, "output": {"kind": "value", "class": "\u202e"}}},
    {"signature": {**SIGNATURE, "inputs": [{"name": "a\u202e", "type": "number", "missing": True}]}},
    {"golden": 1},
]


@pytest.mark.parametrize("facts", BAD_FACTS, ids=lambda facts: json.dumps(facts)[:40])
def test_metadata_of_another_shape_is_refused_at_the_door(psql: Session, facts: dict[str, Any]) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        _publish(psql, **{k: json.dumps(v) if v is None else v for k, v in facts.items()})
    assert str(refusal.value.diag.sqlstate) in ("22023", "54000", "22001", "23514")
    assert rows(psql, "select from modelpack.version") == []


@pytest.mark.parametrize("part", ["signature", "golden", "parity", "metrics", "libraries", "lineage"])
def test_no_version_holds_facts_that_are_no_object(psql: Session, part: str) -> None:
    """Not even one that a member of modelpack_owner writes past the door."""
    with pytest.raises(psycopg.errors.CheckViolation, match="version_facts_are_objects"):
        psql.execute(
            "with m as (insert into modelpack.model values ('m') returning model),"
            " a as (insert into modelpack.artifact (sha256) values ('x') returning sha256)"
            " insert into modelpack.version (model, version, sha256, signature, golden, parity, metrics, libraries, lineage)"
            f" select model, 1, sha256, {', '.join(repr('[1]' if p == part else '{}') for p in PARTS)} from m, a"
        )


PARTS = ("signature", "golden", "parity", "metrics", "libraries", "lineage")


@pytest.mark.parametrize(
    "call",
    [
        "set_metric('churn', 1, 'auc', 'NaN')",
        "set_metric('churn', 1, 'auc', '-Infinity')",
        "set_metric('churn', 1, E'a\\x1bb', 1)",
        "set_tag('churn', 1, E'a\\nb', 'x')",
        "set_tag('churn', 1, '', 'x')",
        "set_tag('churn', 1, 'a', E'x\\ny')",
        "set_tag('churn', 1, 'a', E'\\x1b[2J')",
        "add_note('churn', 1, E'\\x1b[2J')",
    ],
)
def test_words_that_no_list_could_show_are_refused(psql: Session, call: str) -> None:
    publish(psql, "churn", ["a"], [1.0])
    with pytest.raises(psycopg.Error) as refusal:
        psql.execute(f"select modelpack.{call}")
    assert refusal.value.diag.sqlstate == "22023"
    psql.execute(
        "select modelpack.add_note('churn', 1, E'two\\nlines'), modelpack.set_tag('churn', 1, 'a', 'é ü')"
    )


def test_two_versions_are_compared_on_ten_thousand_rows_at_once(psql: Session) -> None:
    publish(psql, "churn", ["a", "b"], [1.0, 0.5])
    publish(psql, "churn", ["b"], [0.5])
    given = [{"a": n % 7, "b": None if n % 5 == 0 else n % 11} for n in range(10_000)]
    given[17] = {"a": 1}  # no b: neither version scores it
    psql.execute("select modelpack.warm()")
    started = time.monotonic()
    found = rows(
        psql,
        "select name, first_value::double precision, second_value from modelpack.diff('churn', 1, 2, %s)"
        " where part = 'score' and name <> '18' order by name::integer",
        json.dumps(given),
    )
    assert time.monotonic() - started < 10  # well under a second on a machine that does nothing else
    assert len(found) == 9_999
    for name, first, second in found[::97]:
        a, b = given[int(name) - 1]["a"] or 0, given[int(name) - 1]["b"] or 0
        assert first == pytest.approx(1 / (1 + np.exp(-(a + 0.5 * b))), abs=1e-6)
        assert float(second) == pytest.approx(1 / (1 + np.exp(-0.5 * b)), abs=1e-6)
    one = row(
        psql,
        "select first_value, second_value from modelpack.diff('churn', 1, 2, '[{\"a\": 1}]') where part = 'score'",
    )
    assert all('input "b" is missing' in said for said in one)


def test_a_batch_of_named_rows_scores_as_predict_does(psql: Session) -> None:
    publish(psql, "churn", ["a", "b"], [0.37, -0.11], missing=False)
    given = [{"a": n / 3, "b": n * n / 7} for n in range(200)] + [{"a": None, "b": 1}]
    found = rows(psql, "select score, reason from modelpack.score_rows('churn', 1, %s)", json.dumps(given))
    for one, (score, _) in zip(given[:-1], found, strict=False):
        assert score == value(psql, "select modelpack.predict('churn', %s, 1)", json.dumps(one))
    assert found[-1] == (None, "input a is NULL, which the model does not take")


# -- what a row says is not told to who may not read it ---------------------------------------------------------

SECRET = 54321


def _fails_with_its_input() -> bytes:
    """Looks the number up in a table of one row: onnxruntime's message names the place that there is not."""
    nodes = [
        helper.make_node("Cast", ["number"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["score"], axis=0),
    ]
    made: bytes = proto(
        nodes, [tensor("table", [0.5])], inputs=[info("number", ["N", 1])], outputs=[info("score", ["N", 1])]
    ).SerializeToString()
    return made


@pytest.fixture
def payroll(database: str, new_role: Callable[..., str]) -> Iterator[Session]:
    """Salaries that nobody but the owner of the table may see, and a publisher."""
    owner = new_role()  # no superuser: row security hides no row from who owns the table
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(
            "create table customer (customer_id bigint primary key, salary numeric, rate text);"
            "create table visit (customer_id bigint, at timestamptz default now());"
            f"alter table customer owner to {owner}; alter table visit owner to {owner}"
        )
        attach(
            database,
            Profile(
                "customer",
                key="customer_id",
                events=[Event("visit", at="at", features={"n": count()})],
                scores=[
                    Score("churn", inputs={"a": expression("salary")}),
                    Score(
                        "risk",
                        model="risk",
                        inputs={"a": expression("salary / (n - 1)"), "b": expression("rate::numeric")},
                    ),
                ],
            ),
        )
        yield session


def _seen_by(session: Session, role: str, *queries: str) -> str:
    """All that a role sees of some queries, errors and notices included."""
    seen: list[str] = []
    session.add_notice_handler(
        lambda notice: seen.append(f"{notice.message_primary} {notice.message_detail}")
    )
    session.execute(f"set role {role}")
    try:
        for query in queries:
            try:
                found = session.execute(query)
                seen.append(repr(found.fetchall()) if found.description else "")
            except psycopg.Error as error:
                seen.append(f"{error} {error.diag.message_detail}")
    finally:
        session.execute("reset role")
    return "\n".join(seen)


REPORTS = (
    "select * from modelpack.failures",
    "select * from modelpack.failure_log",
    "select * from modelpack.verify('customer')",
    "select * from modelpack.verify('customer', array['77'])",
    "select * from modelpack.doctor()",
    "call modelpack.rescore('customer', everything => true)",
    "call modelpack.refresh('customer')",
)


def test_a_model_that_fails_tells_nobody_the_value_that_it_failed_with(payroll: Session) -> None:
    golden = {"rows": [[0]], "scores": [0.5]}
    signature = {**SIGNATURE, "inputs": [{"name": "a", "type": "number", "missing": False}]}
    # the probes of the trial would fail, too: so the version is put past it
    publish(payroll, "churn", ["a"], [0.0], missing=False, engine="onnx")
    payroll.execute(
        "alter table modelpack.version disable trigger all; alter table modelpack.artifact disable trigger all"
    )
    payroll.execute(
        "with a as (insert into modelpack.artifact (sha256, onnx) values (encode(sha256(%(o)s::bytea), 'hex'), %(o)s) returning sha256)"
        " update modelpack.version set sha256 = (select sha256 from a), signature = %(s)s, golden = %(g)s where model = 'churn'",
        {"o": _fails_with_its_input(), "s": json.dumps(signature), "g": json.dumps(golden)},
    )
    payroll.execute(
        "update modelpack.inspection as i set sha256 = v.sha256 from modelpack.version as v where v.version_id = i.version_id"
    )
    publish(payroll, "risk", ["a", "b"], [0.1, 0.1], missing=False)
    payroll.execute("insert into customer values (77, %s, 'x%s')", [SECRET, SECRET])
    payroll.execute("insert into visit values (77)")
    payroll.execute("insert into visit values (77)")
    stale = row(payroll, "select churn_stale, risk_stale from customer")
    assert "the model fails" in stale[0]
    assert "an input cannot be computed: a text has another form" in stale[1]
    assert str(SECRET) not in repr(stale)
    payroll.execute("update customer set rate = '1', salary = 1e39")
    assert "input a is beyond what float32 holds" in value(payroll, "select churn_stale from customer")
    for role in ("modelpack_monitor", "modelpack_publisher"):
        seen = _seen_by(payroll, role, *REPORTS)
        assert ("the model fails" in seen) is (role == "modelpack_monitor")
        assert ("float32" in seen) is (role == "modelpack_monitor")
        assert str(SECRET) not in seen
        assert "1000000000000000000000" not in seen


def _is_alice() -> bytes:
    """Gives no number for one text, and 0 for all others."""
    node = helper.make_node(
        "LabelEncoder",
        ["text"],
        ["score"],
        domain="ai.onnx.ml",
        keys_strings=["alice"],
        values_floats=[math.nan],
        default_float=0.0,
    )
    made: bytes = proto([node], inputs=[info("text", ["N", 1], TensorProto.STRING)]).SerializeToString()
    return made


def test_a_model_that_fails_at_a_chosen_text_tells_its_publisher_of_no_row(
    payroll: Session, people: Callable[..., Session]
) -> None:
    ann = people("modelpack_publisher")
    payroll.execute("insert into customer (customer_id, rate) values (1, 'alice'), (2, 'bob')")
    signature = {**SIGNATURE, "inputs": [{"name": "rate", "type": "text", "missing": True}]}
    golden = {"rows": [["bob"]], "scores": [0.0]}
    ann.execute(
        "select modelpack.publish('churn', %s, %s, %s)",
        [_is_alice(), json.dumps(signature), json.dumps(golden)],
    )
    ann.execute("select modelpack.promote('churn', 1)")
    ann.execute("call modelpack.rescore('customer')")
    failures = "select kind, reason from modelpack.failures"
    assert rows(payroll, failures) == [("output", "the model gives nan")]
    assert value(payroll, "select churn_stale from customer where customer_id = 1") == "the model gives nan"
    assert rows(ann, failures) == []
    doctor = (
        'select "check", found from modelpack.doctor() where "check" ~ \'stale|failures|behind\' order by 1'
    )
    assert rows(ann, doctor)[0] == (
        "stale rows of public.customer",
        "some, not counted here: that takes SELECT on the profile",
    )
    assert "the model gives" not in str(rows(ann, doctor))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ann.execute("select * from modelpack.failure_log")
    # what a view filters, no function of a reader's sees before
    ann.execute(
        "create function pg_temp.spy(text) returns boolean language plpgsql cost 0.0001 as $$ begin raise notice '%', $1; return true; end $$"
    )
    heard: list[str] = []
    ann.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
    assert rows(ann, f"{failures} where pg_temp.spy(reason)") == []
    assert heard == []
    payroll.execute(f"grant select on customer to {user(ann)}")
    assert rows(ann, failures) == [("output", "the model gives nan")]
    assert "such as: the model gives nan" in str(rows(ann, doctor))


def test_an_error_of_a_table_tells_who_may_not_read_it_no_row(payroll: Session) -> None:
    publish(payroll, "churn", ["a"], [0.0])
    payroll.execute("insert into customer (customer_id, salary) values (77, %s)", [SECRET])
    payroll.execute("alter table customer add check (salary is null) not valid")
    call = "call modelpack.rescore('customer', everything => true)"
    with pytest.raises(psycopg.errors.CheckViolation, match=str(SECRET)):
        payroll.execute(call)
    seen = _seen_by(payroll, "modelpack_publisher", call)
    assert "rescore of public.customer ends: SQLSTATE 23514" in seen
    assert str(SECRET) not in seen


def test_who_may_not_read_a_profile_learns_only_that_features_differ(payroll: Session) -> None:
    payroll.execute("insert into visit values (77)")
    payroll.execute("update customer set n = %s", [SECRET])
    seen = _seen_by(payroll, "modelpack_publisher", *REPORTS[:5])
    assert "not shown: that takes SELECT on the profile" in seen
    assert str(SECRET) not in seen
    assert "77" not in seen
    payroll.execute("grant select on customer to modelpack_publisher")
    assert str(SECRET) in _seen_by(payroll, "modelpack_publisher", *REPORTS[:5])
    payroll.execute("alter table customer enable row level security")
    assert str(SECRET) not in _seen_by(payroll, "modelpack_publisher", *REPORTS[:5])
    assert value(payroll, "select stored from modelpack.verify('customer')") == str(SECRET)


def test_the_gate_tells_no_cell_of_a_golden_row(payroll: Session) -> None:
    """Golden rows are rows of a sample; whoever verifies a version need not have seen it."""
    publish(payroll, "churn", ["a"], [0.0])
    payroll.execute("alter table modelpack.version disable trigger all")
    payroll.execute(
        "update modelpack.version set golden = %s", [json.dumps({"rows": [[SECRET]], "scores": [0.9]})]
    )
    seen = _seen_by(
        payroll,
        "modelpack_publisher",
        "select modelpack.recheck('churn', 1)",
        "select modelpack.promote('churn', 1)",
    )
    assert "golden row 1 gives 0.5" in seen
    assert str(SECRET) not in seen


# -- where ignored events meet their profile --------------------------------------------------------------------


def test_what_ignored_events_leave_goes_when_nobody_is_left_who_began_before(
    database: str, psql: Session
) -> None:
    psql.execute(
        "create table customer (customer_id text primary key); create table visit (customer_id text, at timestamptz default now())"
    )
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[Event("visit", at="at", missing="ignore", features={"n": count()})],
        ),
    )
    left: Callable[[], int] = lambda: int(value(psql, "select count(*) from modelpack.ignored"))  # noqa: E731
    maintain = "select count(*) from modelpack.maintain()"
    psql.execute("insert into visit select 'nobody ' || g from generate_series(1, 500) as g")
    assert left() == 500
    with psycopg.connect(database) as older, psycopg.connect(database) as ignoring:
        older.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        older.execute("select count(*) from visit")
        psql.execute(maintain)
        assert left() == 500  # the older snapshot must meet them
        psql.execute("insert into visit values ('late')")
        with pytest.raises(psycopg.errors.SerializationFailure):
            older.execute("insert into customer values ('late')")
        older.rollback()
        ignoring.execute("insert into visit values ('nobody 1'), ('now')")
        psql.execute(maintain)
        assert left() == 501
        ignoring.commit()
    # a snapshot of another database is of no concern; numbers of transactions that write are the server's
    with psycopg.connect(make_conninfo(database, dbname="postgres")) as elsewhere:
        elsewhere.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        elsewhere.execute("select 1")
        wait_for(psql, f"select ({maintain}) is not null and not exists (select from modelpack.ignored)")
    psql.execute("insert into customer values ('nobody 3')")
    assert value(psql, "select n from customer") == 1

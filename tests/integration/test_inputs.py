"""What a model receives: the same value in the training set, from the trigger and from SQL, for every type of column."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from psycopg.conninfo import make_conninfo
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelpack import Event, Profile, Score, count, expression, total
from modelpack.connection import make_engine
from modelpack.errors import RegistryError
from modelpack.packager import dummy
from modelpack.registry import Registry
from modelpack.training import training_set
from tests.support import Session, attach, row, rows, value

TOKEN = "\x1a"

TEXTS = {
    "text": "text",
    "varying": "character varying(12)",
    "fixed": "character(6)",
    "name": "name",
    "enum": "plan",
    "domain": "code",
    "padded_domain": "padded",
    "enum_domain": "chosen",
    "citext": "citext",
}
NUMBERS = {
    "flag": "boolean",
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "small": "real",
    "double": "double precision",
    "amount": "numeric",
    "scaled": "numeric(8, 2)",
    "share": "share",
}
NEITHER = {
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "interval": "interval",
    "uuid": "uuid",
    "json": "jsonb",
    "bytea": "bytea",
    "texts": "text[]",
    "numbers": "integer[]",
    "one": '"char"',
    "inet": "inet",
    "range": "int4range",
}
TYPES = """
create extension if not exists citext;
create type plan as enum ('basic', 'Plus', '007');
create domain code as varchar(8);
create domain padded as character(6);
create domain chosen as plan;
create domain share as numeric(6, 4) check (value >= 0);
"""


def make(dsn: str, psql: Session, columns: dict[str, str], **score: Any) -> Profile:
    psql.execute(TYPES)
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    psql.execute(f"create table customer (customer_id bigint primary key, {listed})")
    psql.execute(
        "create table purchase (customer_id bigint, at timestamptz not null default now(), amount numeric)"
    )
    event = Event("purchase", at="at", features={"n": count(), "spend": total("amount")})
    profile = Profile(
        "customer", key="customer_id", events=[event], scores=[Score("churn", model="churn", **score)]
    )
    attach(dsn, profile)
    return profile


def publish_dummy(dsn: str, inputs: list[str]) -> None:
    engine = make_engine(dsn)
    Registry(engine).publish_package(dummy(0.5, inputs), name="churn", promote=True)
    engine.dispose()


WORDS = st.sampled_from(
    ["", " ", "a", "A ", " a", "007", "1.0", "NA", "null", "True", "Ünï", "é", "x\ty", "ß" * 3]
)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(["text", "varying", "domain", "citext", "name", "fixed", "padded_domain"], WORDS),
    **dict.fromkeys(["enum", "enum_domain"], st.sampled_from(["basic", "Plus", "007"])),
    "flag": st.booleans(),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.sampled_from([0, 2**24 + 1, 2**53 + 1, -(2**63), 2**63 - 1, 900000001]),
    "small": st.floats(width=32),
    "double": st.floats(),
    "amount": st.sampled_from(["0.1", "1e-400", "1e400", "-1e400", "NaN", "Infinity", "123456789012345678901.5", "-0.30"]),
    "scaled": st.decimals(-9999, 9999, places=2),
    "share": st.decimals(0, 99, places=4),
}  # fmt: skip


def test_the_training_set_has_the_values_that_the_trigger_sends(database: str, psql: Session) -> None:
    columns = {**TEXTS, **NUMBERS}
    profile = make(database, psql, columns)
    publish_dummy(database, [*(f"{n}:text" for n in TEXTS), *NUMBERS, "n", "spend"])
    signature = value(psql, "select signature from modelpack.version")["inputs"]
    texts = [i["name"] for i in signature if i["type"] == "text"]
    numbers = [i["name"] for i in signature if i["type"] == "number"]
    engine = make_engine(database)

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.fixed_dictionaries({n: st.none() | s for n, s in CELLS.items()}), min_size=1, max_size=3)
    )
    def same(customers: list[dict[str, Any]]) -> None:
        psql.execute("truncate customer, purchase, modelpack.prediction")
        for key, cells in enumerate(customers):
            listed = ", ".join(f'"{name}"' for name in cells)
            casts = ", ".join(f"%s::text::{columns[name]}" for name in cells)
            values = [None if v is None else str(v) for v in cells.values()]
            psql.execute(f"insert into customer (customer_id, {listed}) values (%s, {casts})", [key, *values])
        psql.execute("insert into purchase select c.customer_id, now(), 0.1 from customer as c")
        sent = {
            key: dict(zip([*numbers, *texts], [*n, *t], strict=True))
            for key, n, t in rows(
                psql,
                "select distinct on (entity_key) entity_key, inputs, text_inputs from modelpack.prediction "
                "order by entity_key, scored_at desc",
            )
        }
        with engine.connect() as connection:
            frame = training_set(connection, profile, at=["2100-01-01"])
        assert len(frame) == len(customers)
        for found in frame.to_dict("records"):
            there = sent.get(str(found["customer_id"]))
            if there is None:  # not scored: a number beyond float32, or NaN where none may be missing
                continue
            for name in texts:
                assert _text(found[name]) == there[name], name
            for name in numbers:
                assert isinstance(found[name], float), name
                assert _number(found[name]) == _number(there[name]), name

    same()
    engine.dispose()


def _text(cell: Any) -> str | None:
    return None if pd.isna(cell) else cell


def _number(cell: Any) -> str:
    return "missing" if cell is None or math.isnan(cell) else float(cell).hex()


def test_an_input_takes_no_column_of_another_type(database: str, psql: Session) -> None:
    make(database, psql, {**TEXTS, **NUMBERS, **NEITHER})
    with pytest.raises(RegistryError, match=r"cannot feed version 1") as refused:
        publish_dummy(database, [*(f"{n}:text" for n in [*NUMBERS, *NEITHER, "n", "spend"]), *TEXTS])
    words = str(refused.value)
    for name in [*NUMBERS, *NEITHER, "n", "spend"]:
        assert f"{name} (text): it is" in words
    for name in TEXTS:
        assert f"{name} (number): it is" in words
    for way in ('"amount": expression("amount::text")', '"text": expression("text::double precision")'):
        assert way in words
    with pytest.raises(RegistryError, match=r"cannot feed version 1") as refused:
        publish_dummy(database, [*NEITHER])
    for name in NEITHER:
        assert f"{name} (number): it is" in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "fits", "sent"),
    [
        ("store::text", "text", "7"),
        ("lower(plan)", "text", "gold"),
        ("store", "number", 7.0),
        ("store > 3", "number", 1.0),
        ("0.1::numeric * store", "number", 0.7),
        ("case when store > 3 then 'far' end", "text", "far"),
    ],
)
def test_an_expression_feeds_the_input_of_its_type_alone(
    database: str, psql: Session, sql: str, fits: str, sent: Any
) -> None:
    make(database, psql, {"store": "integer", "plan": "text"}, inputs={"x": expression(sql)})
    other = {"text": "x", "number": "x:text"}[fits]
    with pytest.raises(Exception, match="cannot feed version 1"):
        publish_dummy(database, [other])
    publish_dummy(database, [{"text": "x:text", "number": "x"}[fits]])
    psql.execute("insert into customer (customer_id, store, plan) values (1, 7, 'GOLD')")
    logged = row(psql, "select inputs, text_inputs from modelpack.prediction")
    assert logged == (([], [sent]) if fits == "text" else ([sent], None))


# --- missing texts -----------------------------------------------------------------------------------------------


def publish_lookup(
    session: Session,
    *,
    missing: bool,
    token: str | None = TOKEN,
    categories: list[str] | None = None,
    promote: bool = True,
) -> None:
    """A model that knows the texts 'gold' (0.25) and the missing one (0.75); anything else is 0.5."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "LabelEncoder", ["text"], ["score"], domain="ai.onnx.ml", keys_strings=["gold", TOKEN],
                values_floats=[0.25, 0.75], default_float=0.5,
            )
        ],
        "lookup",
        [helper.make_tensor_value_info("text", TensorProto.STRING, [None, 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    onnx = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    entry = {
        "name": "plan",
        "type": "text",
        "missing": missing,
        "missing_token": token,
        "categories": categories,
    }
    signature = {"format": 1, "inputs": [entry], "output": {"name": "score", "kind": "value"}}
    golden = {"rows": [["gold"], ["new"]], "scores": [0.25, 0.5]}
    session.execute(
        "select modelpack.publish('churn', %s, %s, %s)", [onnx, json.dumps(signature), json.dumps(golden)]
    )
    if promote:
        session.execute("select modelpack.promote('churn', 1)")


@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_text_is_scored_only_where_the_signature_takes_one(
    database: str, psql: Session, missing: bool
) -> None:
    make(database, psql, {"plan": "text"})
    publish_lookup(psql, missing=missing)
    psql.execute(
        "insert into customer (customer_id, plan) values (1, 'gold'), (2, null), (3, ''), (4, 'silver')"
    )
    reason = None if missing else "input plan is NULL, which the model does not take"
    assert rows(psql, "select churn, churn_stale from customer order by customer_id") == [
        (0.25, None),
        (0.75 if missing else None, reason),
        (0.5, None),
        (0.5, None),
    ]
    assert rows(psql, "select text_inputs from modelpack.prediction order by entity_key") == [
        (["gold"],), *([([None],)] if missing else []), ([""],), (["silver"],)
    ]  # fmt: skip
    if missing:
        assert value(psql, """select modelpack.predict('churn', '{"plan": null}')""") == 0.75
    else:
        with pytest.raises(psycopg.errors.DataException, match="gives no score") as refused:
            psql.execute("""select modelpack.predict('churn', '{"plan": null}')""")
        assert refused.value.diag.message_detail == reason


def test_the_text_that_stands_for_a_missing_one_is_not_scored_as_missing(
    database: str, psql: Session
) -> None:
    make(database, psql, {"plan": "text"})
    publish_lookup(psql, missing=True)
    psql.execute("insert into customer (customer_id, plan) values (1, %s)", [TOKEN])
    assert row(psql, "select churn, churn_stale from customer") == (
        None,
        "input plan is the text that stands for a missing one, '\\x1a'",
    )


def test_numbers_of_the_training_set_are_floats_though_all_are_missing(database: str, psql: Session) -> None:
    profile = make(database, psql, {"age": "integer", "active": "boolean", "plan": "text"})
    psql.execute("insert into purchase values (1, '2020-01-01', 2)")
    engine = make_engine(database)
    with engine.connect() as connection:
        frame = training_set(connection, profile, at=["2020-01-02"])
    engine.dispose()
    assert [frame[n].dtype for n in ("age", "active", "n", "spend")] == [np.dtype("float64")] * 4
    assert frame["customer_id"].dtype == np.dtype("int64")


@pytest.mark.usefixtures("here")
def test_a_text_vectoriser_scores_in_the_database_as_in_python(database: str, psql: Session) -> None:
    make(database, psql, {"note": "text"})
    rng = np.random.default_rng(0)
    words = ["refund", "late", "don't", "café", "größe", "e-mail", "order", "x2", "a"]
    sample = pd.DataFrame({"note": [" ".join(rng.choice(words, 5)) for _ in range(120)]})
    label = sample["note"].str.contains("refund")
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), strip_accents="unicode", stop_words=["late"])
    model = make_pipeline(make_column_transformer((vectoriser, "note")), LogisticRegression(C=5)).fit(
        sample, label
    )
    engine = make_engine(database)
    registry = Registry(engine)
    registry.publish(model, name="churn", sample=sample, promote=True)
    notes = [
        "Refund, please: the CAFÉ's order",
        "GRÖSSE x2\ne-mail\trefund",
        "",
        "नमस्ते 🎉 refund",
        "the order" * 900,
        "İ Σ",
    ]
    psql.cursor().executemany(
        "insert into customer (customer_id, note) values (%s, %s)", list(enumerate(notes))
    )
    psql.execute("insert into customer (customer_id) values (99)")
    expected = model.predict_proba(pd.DataFrame({"note": notes}))[:, 1].tolist()
    stored = rows(psql, "select churn, churn_stale from customer order by customer_id")
    assert [score for score, _ in stored[:-1]] == pytest.approx(expected, abs=1e-6)
    assert stored[-1] == (None, "input note is NULL, which the model does not take")
    assert registry.predict("churn", {"note": notes[0]}) == pytest.approx(expected[0], abs=1e-6)
    assert rows(psql, "select text_inputs[1] from modelpack.prediction order by entity_key::integer") == [
        (n,) for n in notes
    ]
    assert value(psql, "select modelpack.examine_golden(version_id) from modelpack.version") is None
    engine.dispose()


# --- texts that the model has never seen --------------------------------------------------------------------------


def test_promoting_refuses_a_version_that_has_never_seen_the_texts_of_the_profile(
    database: str, psql: Session
) -> None:
    make(database, psql, {"plan": "text"}, inputs={"plan": expression("lower(plan)")})
    engine = make_engine(database)
    registry = Registry(engine)
    publish_lookup(psql, missing=True, categories=["gold", "silver"], promote=False)
    registry.promote("churn", 1)  # no row yet
    assert "categories" not in registry.version("churn", 1).inputs[0]  # they tell of the training data
    (found,) = registry.unseen("churn", 1)
    assert (found.rows, found.unseen, found.categories, found.examples) == (0, 0, 2, ("gold", "silver"))
    assert str(found).startswith("plan: no row of public.customer has a text yet")
    publish_lookup(psql, missing=True, categories=["gold", "silver"], promote=False)
    psql.execute(
        "insert into customer (customer_id, plan) "
        "select n, case when n <= 6 then 'GOLD' when n <= 8 then 'silver ' when n <= 10 then 'bronze' end from generate_series(1, 12) as n"
    )
    with pytest.raises(RegistryError) as refused:
        registry.promote("churn", 2)
    words = str(refused.value)
    assert 'has never seen the text of its input "plan" in 4 of 10 rows of public.customer' in words
    assert "It knows 'gold', 'silver' (2 in all). Expected: at most 30 %" in words
    assert "bronze" not in words  # who promotes may not be allowed to read the profile
    assert value(psql, "select version from modelpack.alias where alias = 'champion'") == 1
    registry.promote("churn", 2, allow_unseen=True)
    (found,) = registry.unseen("churn", 2)
    assert (found.rows, found.unseen) == (10, 4)
    assert str(found).startswith(
        "plan: 40 % of 10 rows of public.customer have a text that the model has never seen"
    )
    registry.rollback("churn")  # is never refused
    psql.execute("update modelpack.setting set value = '40' where name = 'unseen_percent'")
    registry.promote("churn", 2)
    engine.dispose()


HIS = """
create schema his authorization {owner};
set role {owner};
create function his.spied(text) returns text language plpgsql immutable as $$
begin
  perform set_config('his.seen', concat_ws(' ', nullif(current_setting('his.seen', true), ''), current_user), false);
  if $1 = 'SECRET' then
    raise exception 'the text is %', $1;
  end if;
  return lower($1);
end $$;
create domain his.plan as text check (his.spied(value) is distinct from 'never');
create table his.purchase (customer_id bigint, at timestamptz default now(), amount numeric);
create table his.customer (customer_id bigint primary key, plan his.plan, other text, code text){partitions};
reset role;
"""
PARTITIONS = """ partition by hash (customer_id);
create table his.customer_0 partition of his.customer for values with (modulus 2, remainder 0);
create table his.customer_1 partition of his.customer for values with (modulus 2, remainder 1)"""


@pytest.mark.parametrize("partitions", ["", PARTITIONS], ids=["one table", "partitions"])
def test_who_promotes_is_told_of_texts_in_a_table_that_he_may_not_read(
    database: str, psql: Session, new_role: Callable[..., str], partitions: str
) -> None:
    owner, publisher = new_role(), new_role("modelpack_publisher")
    psql.execute(HIS.format(owner=owner, partitions=partitions))
    scores = [
        Score("churn", model="churn", inputs={"plan": expression("his.spied(plan)")}),
        Score(
            "second",
            model="churn",
            inputs={"plan": "case when code = 'x' then (1 / (length(code) - 1))::text else code end"},
        ),
        Score("risk", model="risk"),
    ]
    event = Event("his.purchase", at="at", features={"n": count()})
    attach(database, Profile("his.customer", key="customer_id", events=[event], scores=scores))
    psql.execute(
        "insert into his.customer (customer_id, plan, code) select n, case when n <= 60 then 'GOLD' else 'bronze' end,"
        " case when n <= 10 then 'x' when n <= 40 then 'silver' else 'GOLD' end from generate_series(1, 100) as n"
    )
    with psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as his:
        publish_lookup(his, missing=True, categories=["gold", "silver"], promote=False)
        # before it is promoted, and nothing is left of the look
        made = "select array_agg(p.xmin::text order by p.oid) from pg_proc as p where pronamespace = 'modelpack'::regnamespace"
        before, looked = (
            value(psql, made),
            "select score, input, rows, unseen, share from modelpack.unseen('churn', 1)",
        )
        # rows whose input cannot be computed have no text, and hide no others
        found = [("churn", "plan", 100, None, "about 40 %"), ("second", "plan", 90, None, "about 70 %")]
        assert rows(his, looked) == found
        assert value(psql, made) == before
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refused:
            his.execute("select modelpack.promote('churn', 1)")
        words = f"{refused.value} {refused.value.diag.message_detail}"
        assert 'its input "plan" in about 70 % of the rows of his.customer' in words
        assert "bronze" not in words
        assert value(psql, "select count(*) from modelpack.alias") == 0
        his.execute("set modelpack.allow_unseen = on")
        his.execute("select modelpack.promote('churn', 1)")
        his.execute("select set_config('his.seen', '', false)")
        assert rows(his, looked) == found
        # the exact figure is for who may read what the input reads, and all of that
        psql.execute(f"grant select (plan) on his.customer to {publisher}")
        exact = [("churn", "plan", 100, 40, "40 %"), found[1]]
        assert rows(his, looked) == exact
        psql.execute("alter table his.customer enable row level security")
        assert rows(his, looked) == found
        psql.execute(
            f"alter table his.customer disable row level security; revoke select (plan) on his.customer from {publisher}"
        )
        assert set(value(his, "select current_setting('his.seen')").split()) == {owner}
        for statement in (
            "select plan from his.customer",
            "select modelpack.his__customer_sample('churn', 1, 100)",
            "select modelpack.bind('his.customer', 'churn', 1)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                his.execute(statement)
    granted = (
        "select x.grantee::regrole::text from pg_proc as p cross join aclexplode(p.proacl) as x"
        " where p.proname = 'his__customer_sample' and x.privilege_type = 'EXECUTE' order by 1"
    )
    assert {name for (name,) in rows(psql, granted)} == {"modelpack_owner", owner}


LOOK = "select rows, unseen, share, examples from modelpack.unseen('churn', %s)"


def test_no_publisher_asks_by_categories_of_his_own_whether_a_row_has_a_text(
    database: str, psql: Session, people: Callable[..., Session]
) -> None:
    make(database, psql, {"plan": "text"})
    first, other = people("modelpack_publisher"), people("modelpack_publisher")
    both = people("modelpack_publisher", "modelpack_approver", "modelpack_monitor")
    publish_lookup(first, missing=True, categories=["gold"], promote=False)
    psql.execute("insert into customer (customer_id, plan) values (1, 'alice'), (2, 'bob')")
    # without the grant: nothing, by whatever right to look at versions of others
    for session, version, words in (
        (other, 2, "other|it is granted to"),
        (both, 3, "the model is not granted to him"),
    ):
        publish_lookup(session, missing=True, categories=["alice"], promote=False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=words):
            session.execute(LOOK, [version])
    assert rows(both, LOOK, 2) == [(2, None, None, [])]
    # with it: nothing of few rows, neither by the share nor by a refusal
    for version in (1, 2):
        assert rows(first, LOOK, version) == [(2, None, None, ["gold" if version == 1 else "alice"])]
        first.execute("select modelpack.promote('churn', %s)", [version])
    # of many, a text or two make no step
    psql.execute(
        "insert into customer (customer_id, plan) select n, 'row ' || n from generate_series(3, 50) as n"
    )
    shares = set()
    for categories in (["nobody"], ["alice"], ["alice", "bob"]):
        publish_lookup(first, missing=True, categories=categories, promote=False)
        version = value(psql, "select max(version) from modelpack.version")
        (found,) = rows(first, LOOK, version)
        shares.add(found[:3])
        with pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState,
            match=r"in about 100 % of the rows of public\.customer",
        ):
            first.execute("select modelpack.promote('churn', %s)", [version])
    assert shares == {(50, None, "about 100 %")}
    for session in (people("modelpack_approver"), people("modelpack_monitor")):
        assert rows(session, LOOK, 3) == [(50, None, "about 100 %", [])]
    assert rows(psql, LOOK, 3) == [(50, 49, "98 %", ["alice"])]


def test_an_error_in_the_owners_code_tells_who_promotes_no_value(
    database: str, psql: Session, new_role: Callable[..., str]
) -> None:
    owner, publisher = new_role(), new_role("modelpack_publisher")
    psql.execute(HIS.format(owner=owner, partitions=""))
    event = Event("his.purchase", at="at", features={"n": count()})
    churn = Score("churn", inputs={"plan": expression("his.spied(code)")})
    attach(database, Profile("his.customer", key="customer_id", events=[event], scores=[churn]))
    psql.execute("insert into his.customer (customer_id, code) values (1, 'SECRET')")
    with psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as his:
        publish_lookup(his, missing=True, categories=["gold"], promote=False)
        with pytest.raises(psycopg.errors.RaiseException, match=r"his\.customer cannot be read") as refused:
            his.execute("select modelpack.promote('churn', 1)")
        assert "SECRET" not in str(refused.value)
        assert "SQLSTATE P0001" in str(refused.value)
        his.execute("set modelpack.allow_unseen = on")
        his.execute("select modelpack.promote('churn', 1)")


def test_no_error_of_the_owners_code_passes_for_a_look_that_found_nothing(
    database: str, psql: Session, new_role: Callable[..., str]
) -> None:
    owner, publisher = new_role(), new_role("modelpack_publisher")
    psql.execute(HIS.format(owner=owner, partitions=""))
    event = Event("his.purchase", at="at", features={"n": count()})
    churn = Score("churn", inputs={"plan": expression("his.spied(code)")})
    attach(database, Profile("his.customer", key="customer_id", events=[event], scores=[churn]))
    psql.execute("insert into his.customer (customer_id, code) values (1, 'SECRET')")
    psql.execute(
        "create or replace function his.spied(code text) returns text language plpgsql immutable"
        " as $$ begin raise exception using errcode = 'MPUND'; end $$"
    )
    with psycopg.connect(make_conninfo(database, user=publisher), autocommit=True) as his:
        publish_lookup(his, missing=True, categories=["gold"], promote=False)
        with pytest.raises(psycopg.errors.ExternalRoutineException, match=r"his\.customer cannot be read"):
            his.execute("select modelpack.promote('churn', 1)")


def test_a_table_that_has_taken_the_name_of_the_profile_is_not_looked_at(
    database: str, psql: Session
) -> None:
    make(database, psql, {"plan": "text"})
    publish_lookup(psql, missing=True, categories=["gold"])
    psql.execute("create table another (like customer including all)")
    psql.execute("insert into another (customer_id, plan) values (1, 'new')")
    psql.execute("alter table customer rename to customer_old; alter table another rename to customer")
    assert rows(psql, "select * from modelpack.unseen('churn', 1)") == []


def test_of_a_large_profile_only_a_sample_is_looked_at(database: str, psql: Session) -> None:
    make(database, psql, {"plan": "text", "more": "text"})
    publish_lookup(psql, missing=True, categories=["gold"])
    psql.execute("alter table customer disable trigger user")
    psql.execute("alter table customer alter column more set storage plain")
    psql.execute(
        "insert into customer (customer_id, plan, more) select n, 'new', repeat('x', 7000) from generate_series(1, 4000) as n"
    )
    rows_seen, unseen = row(psql, "select u.rows, u.unseen from modelpack.unseen('churn', 1) as u")
    assert rows_seen == unseen
    assert 500 < rows_seen < 1500

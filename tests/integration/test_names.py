"""A user's own columns and features may be called as what generated SQL uses itself."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from modelpack import Event, Profile, Score, count, decayed, deviation, last, maximum, total
from modelpack.connection import make_engine
from modelpack.declaration.features import Feature
from modelpack.errors import DeclarationError
from modelpack.training import training_set
from tests.support import attach, publish, rows, value, wrong

NAMES = [
    "first_block", "last_block", "older_than", "only_keys", "only_stale", "v_moment", "v_statement", "v_rows", "v_read",
    "v_made", "v_written", "sign", "afresh", "key", "read", "stored", "expected", "feature", "differs", "magnitude",
    "made", "new_rows", "old_rows", "c", "d", "e", "k", "n", "o", "p", "q", "r", "r0", "t", "u", "x",
]  # fmt: skip


def use(database: str, session: psycopg.Connection, customer: Profile, key: str) -> None:
    """Every kind of statement and upkeep; features have to be exact after each."""
    attach(database, customer)
    publish(session, "churn", ["spend"], [0.1])
    for statement in (
        f"insert into purchase ({key}, amount) values (1, 1)",
        f"insert into purchase ({key}, amount) values (1, 2), (1, 4), (2, 8), (3, 16)",
        f"update purchase set amount = amount + 1, {key} = 3 where amount in (1, 8)",
        f"delete from purchase where {key} = 1 and amount = 2",
        "call modelpack.refresh('customer', older_than => '0 seconds')",
        "call modelpack.rescore('customer', everything => true)",
        "call modelpack.rebuild('customer')",
        "call modelpack.rebuild('customer', array['1'])",
    ):
        session.execute(statement)
        assert wrong(session) == []
        assert rows(session, "select * from modelpack.verify('customer', array['1', '3'])") == []
    assert rows(session, "select customer_id, spend, churn_stale from customer order by 1") == [
        (1, 4, None),
        (2, 0, None),
        (3, 27, None),
    ]
    session.execute("update customer set spend = spend + 1 where customer_id <> 2")
    found = rows(session, "select entity_key, feature, stored, expected from modelpack.verify('customer')")
    assert sorted(found) == [("1", "spend", "5", "4"), ("3", "spend", "28", "27")]


def profile(key: str, more: dict[str, Feature]) -> Profile:
    features = {"spend": total("amount"), "spend_1d": total("amount", window="1 day")}
    event = Event("purchase", at="at", key=key, features=features | more)
    return Profile("customer", key="customer_id", events=[event], scores=[Score("churn")])


def tables(own: str, key: str = "customer_id", more: str = "") -> str:
    return (
        f"create table customer (customer_id bigint primary key{own});"
        f"create table purchase ({key} bigint, at timestamptz default now(), amount numeric{more});"
    )


def test_columns_of_the_application(database: str, psql: psycopg.Connection) -> None:
    own = "".join(f", {name} text" for name in NAMES)
    psql.execute(tables(own, more=own))
    more = {"heat": decayed(half_life="1 day"), "last_q": last("q"), "dearest": maximum("amount")}
    use(database, psql, profile("customer_id", more), "customer_id")


def test_features(database: str, psql: psycopg.Connection) -> None:
    psql.execute(tables(""))
    kinds = [
        count(),
        deviation("amount"),
        decayed(half_life="1 day"),
        maximum("amount"),
        count(window="1 day"),
    ]
    more = {name: kinds[n % len(kinds)] for n, name in enumerate(NAMES)}
    use(database, psql, profile("customer_id", more), "customer_id")


@pytest.mark.parametrize("key", ["v_moment", "v_statement", "sign", "d"])
def test_the_key_of_an_event(database: str, psql: psycopg.Connection, key: str) -> None:
    psql.execute(tables("", key))
    more = {"heat": decayed(half_life="1 day"), "dearest": maximum("amount")}
    use(database, psql, profile(key, more), key)


def test_a_feature_with_the_name_of_its_events_key_is_refused(
    database: str, psql: psycopg.Connection
) -> None:
    psql.execute(tables("", "buyer"))
    with pytest.raises(DeclarationError, match="buyer is a key column of the event"):
        attach(database, profile("buyer", {"buyer": count()}))


def test_names_that_a_training_set_has_itself_are_refused(database: str, psql: psycopg.Connection) -> None:
    psql.execute(tables(", label text"))
    customer = profile("customer_id", {"at": count()})
    engine = make_engine(database)
    with engine.connect() as connection:
        with pytest.raises(DeclarationError, match="'at' is the moment of a training set"):
            training_set(connection, customer, at=["2026-01-01"])
        customer = profile("customer_id", {"n": count()})
        with pytest.raises(DeclarationError, match="'label' is the label of a training set"):
            training_set(connection, customer, at=["2026-01-01"], label="1")
        assert "label" in training_set(connection, customer, at=["2026-01-01"])
    engine.dispose()


LOOKALIKES = [
    "shop.purchase", "public.shop_purchase", "public.shop__purchase", 'public."Shop_purchase"', "public.purchase_count",
    "public.count_purchase", f"public.{'ä' * 31}", f"public.{'ä' * 30}ö",
]  # fmt: skip


def test_tables_that_are_called_almost_alike(database: str, psql: psycopg.Connection) -> None:
    """Event tables and profiles whose names join to one word, as events of each profile: every one is counted by itself."""
    psql.execute("create schema shop")
    profiles = ["shop.customer", "public.shop_customer", "public.customer", "public.customer_count"]
    for table in profiles:
        psql.execute(f"create table {table} (customer_id bigint primary key)")
    for table in LOOKALIKES:
        psql.execute(
            f"create table {table} (customer_id bigint, at timestamptz default now(), amount numeric)"
        )
    for table in profiles:
        events = [
            Event(
                name.replace('"', ""),
                at="at",
                key="customer_id",
                features={f"n{n}": count(), f"m{n}": maximum("amount")},
            )
            for n, name in enumerate(LOOKALIKES)
        ]
        attach(database, Profile(table, key="customer_id", events=events))
    for n, table in enumerate(LOOKALIKES):
        psql.execute(f"insert into {table} select 1, now(), {n} from generate_series(0, {n})")
        psql.execute(f"insert into {table} values (2, now(), {100 + n})")
    for table in profiles:
        columns = ", ".join(f"n{n}, m{n}" for n in range(len(LOOKALIKES)))
        assert rows(psql, f"select {columns} from {table} order by customer_id") == [
            tuple(x for n in range(len(LOOKALIKES)) for x in (n + 1, n)),
            tuple(x for n in range(len(LOOKALIKES)) for x in (1, 100 + n)),
        ]
    # every table has indexes of its own, which detaching drops again
    indexed = "select count(*) from pg_indexes where indexname like '%\\_modelpack\\_%'"
    assert value(psql, indexed) == len(LOOKALIKES)
    for table in profiles:
        psql.execute("select modelpack.detach(%s)", [table])
    assert value(psql, indexed) == 0
    assert value(psql, "select count(*) from pg_trigger where tgname like '%modelpack%'") == 0


def test_a_table_is_declared_once_however_its_name_is_written() -> None:
    with pytest.raises(DeclarationError, match=r"public\.purchase is declared twice"):
        Profile(
            "customer",
            key="customer_id",
            events=[
                Event(t, features={f: count()}) for t, f in [("purchase", "n"), ("public.purchase", "m")]
            ],
        )


@pytest.mark.parametrize(
    ("schema", "event"),
    [("two  blanks", "a\tb\nc  d"), ("x" * 60, "y" * 60), ("it's", 'a "b" $c$ %s %% {sign} -- */')],
    ids=["white space", "longer than a name", "marks"],
)
def test_tables_are_counted_whatever_characters_their_names_have(
    database: str, psql: psycopg.Connection, schema: str, event: str
) -> None:
    name = sql.Identifier(schema, event)
    psql.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    psql.execute(sql.SQL("create table {} (customer_id bigint, amount numeric)").format(name))
    psql.execute("create table customer (customer_id bigint primary key)")
    attach(
        database,
        Profile(
            "customer",
            key="customer_id",
            events=[Event(f"{schema}.{event}", features={"events": count(), "spend": total("amount")})],
        ),
    )
    psql.execute(sql.SQL("insert into {} values (1, 2), (1, 3)").format(name))
    psql.execute(sql.SQL("insert into {} values (1, 5)").format(name))
    psql.execute(sql.SQL("delete from {} where amount = 2").format(name))
    assert rows(psql, "select * from modelpack.verify('customer')") == []
    found = psql.execute("select events, spend from customer").fetchall()
    assert found == psql.execute(sql.SQL("select count(*), sum(amount) from {}").format(name)).fetchall()


@pytest.mark.parametrize("name", ["maintain", "examine"])
def test_a_profile_may_be_called_as_what_rooms_add_to_upkeep_and_doctor(
    database: str, psql: psycopg.Connection, name: str
) -> None:
    """`maintain_…` and `examine_…` are functions that rooms have there; those of this profile begin alike."""
    psql.execute(
        f"create table {name} (customer_id bigint primary key);"
        "create table purchase (customer_id bigint, amount numeric)"
    )
    found = "select array_agg((partition, action)::text) from modelpack.maintain()"
    before = rows(psql, 'select status, "check" from modelpack.doctor()')
    value(psql, found)  # whatever is due
    attach(
        database,
        Profile(name, key="customer_id", events=[Event("purchase", features={"spend": total("amount")})]),
    )
    psql.execute("insert into purchase values (1, 2)")
    assert value(psql, found) is None
    assert rows(psql, 'select status, "check" from modelpack.doctor()') == before
    assert value(psql, f"select spend from {name}") == 2

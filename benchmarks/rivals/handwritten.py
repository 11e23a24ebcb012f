"""Counters as people write them: a row trigger on the event table with one UPDATE, and no score."""

from __future__ import annotations

from benchmarks.ground import Ground
from benchmarks.models import WINDOWED

_COLUMNS = {
    "events_n": "bigint not null default 0",
    "amount_sum": "numeric not null default 0",
    "amount_mean": "double precision",
    "amount_min": "numeric",
    "amount_max": "numeric",
    "big_n": "bigint not null default 0",
    "small_n": "bigint not null default 0",
    "last_amount": "numeric",
    "last_at": "timestamptz",
}
_UNDER_WINDOWS = {"all_n": "bigint not null default 0", "all_sum": "numeric not null default 0"}
"""What the mean is made of, where the columns that it is made of otherwise have a window."""


def make(ground: Ground, schema: str, *, windows: bool = False) -> None:
    """Columns and the trigger on tables of `Ground.tables`; the events that are there are counted first.

    INSERT alone is kept up with; whatever else happens is not. With `windows` the features are those of `WINDOWED`,
    of which two are read from the events, by their index and under the lock of the customer's row.
    """
    n, total = list(_UNDER_WINDOWS) if windows else ("events_n", "amount_sum")
    columns(ground, schema, windows=windows)
    _fill(ground, schema, n, total, windows=windows)
    head, read = "begin\n", ""
    if windows:
        longest = WINDOWED["events_n"].window
        head = (
            "declare\n  moment timestamptz;\n  windows record;\nbegin\n"
            f"  perform from {schema}.customer where customer_id = new.customer_id for no key update;\n"
            "  moment := clock_timestamp();\n"
            f"  select {_listed(_windows('moment'))} into windows from {schema}.event as e\n"
            f"   where e.customer_id = new.customer_id and e.at > moment - interval '{longest}';\n"
        )
        read = "         events_n = windows.events_n,\n         amount_sum = windows.amount_sum,\n"
    ground.run(
        f"create function {schema}.keep() returns trigger language plpgsql as $$\n{head}"
        f"  update {schema}.customer as p\n"
        f"     set {n} = p.{n} + 1,\n"
        f"         {total} = p.{total} + new.amount,\n"
        f"         amount_mean = ((p.{total} + new.amount) / (p.{n} + 1))::float8,\n{read}"
        "         amount_min = least(p.amount_min, new.amount),\n"
        "         amount_max = greatest(p.amount_max, new.amount),\n"
        "         big_n = p.big_n + (new.amount > 50)::int,\n"
        "         small_n = p.small_n + (new.amount < 5)::int,\n"
        "         last_amount = case when p.last_at > new.at then p.last_amount else new.amount end,\n"
        "         last_at = greatest(p.last_at, new.at)\n"
        "   where p.customer_id = new.customer_id;\n"
        "  return null;\nend\n$$"
    )
    ground.run(
        f"create trigger keep after insert on {schema}.event for each row execute function {schema}.keep()"
    )
    ground.run(f"vacuum analyze {schema}.customer")


def columns(ground: Ground, schema: str, *, windows: bool = False) -> None:
    """The columns of the counters, and the index of the events that ours have, too: it costs each event something."""
    added = _COLUMNS | (_UNDER_WINDOWS if windows else {})
    ground.run(
        f"alter table {schema}.customer {', '.join(f'add column {name} {kind}' for name, kind in added.items())}"
    )
    ground.run(f"create index if not exists event_by_customer on {schema}.event (customer_id, at)")


def _fill(ground: Ground, schema: str, n: str, total: str, *, windows: bool) -> None:
    aggregates = {
        n: "count(*)",
        total: "sum(e.amount)",
        "amount_mean": "avg(e.amount)",
        "amount_min": "min(e.amount)",
        "amount_max": "max(e.amount)",
        "big_n": "count(*) filter (where e.amount > 50)",
        "small_n": "count(*) filter (where e.amount < 5)",
        "last_amount": "(array_agg(e.amount order by e.at desc))[1]",
        "last_at": "max(e.at)",
    }
    if windows:
        aggregates |= _windows("now()")
    ground.run(
        f"update {schema}.customer as p set {', '.join(f'{name} = d.{name}' for name in aggregates)} "
        f"from (select e.customer_id, {_listed(aggregates)} from {schema}.event as e group by e.customer_id) as d "
        "where d.customer_id = p.customer_id"
    )


def _windows(moment: str) -> dict[str, str]:
    """The features that have a window, as aggregates over the events `e`."""
    return {
        name: f"coalesce({aggregate} filter (where e.at > {moment} - interval '{WINDOWED[name].window}' "
        f"and e.at <= {moment}), 0)"
        for name, aggregate in (("events_n", "count(*)"), ("amount_sum", "sum(e.amount)"))
    }


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f"{sql} as {name}" for name, sql in columns.items())

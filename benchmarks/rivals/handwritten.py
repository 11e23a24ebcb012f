"""Counters as people write them: a row trigger on the event table with one UPDATE, and no score."""

from __future__ import annotations

from benchmarks.ground import Ground


def make(ground: Ground, schema: str) -> None:
    """Columns and the trigger, on fresh tables. INSERT alone is counted; whatever else happens is not."""
    ground.run(
        f"alter table {schema}.customer add column events_n bigint not null default 0, "
        "add column amount_sum numeric not null default 0, add column amount_mean double precision, "
        "add column amount_min numeric, add column amount_max numeric, add column big_n bigint not null default 0, "
        "add column small_n bigint not null default 0, add column last_amount numeric, add column last_at timestamptz"
    )
    ground.run(
        f"create function {schema}.keep() returns trigger language plpgsql as $$\nbegin\n"
        f"  update {schema}.customer as p\n"
        "     set events_n = p.events_n + 1,\n"
        "         amount_sum = p.amount_sum + new.amount,\n"
        "         amount_mean = ((p.amount_sum + new.amount) / (p.events_n + 1))::float8,\n"
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

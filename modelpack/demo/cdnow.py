"""The real CDNOW log, replayed.

Every purchase of the 23,570 customers who first bought in the first quarter of 1997 at a music retailer, to the
end of June 1998 (Fader and Hardie's public research data). Days are counted from 1997-01-01, which is day 0. The log
has six times 13 weeks, and 13 weeks are the horizon:

    days   0–181   history, counted when the declaration is applied
    days 182–272   arrive as INSERTs; whether a customer buys in them is the truth of the training
    days 273–363   the future: in the database once the scores are written down, which are held against it
    days 364–545   the future of hindsight: the same at later moments, by the version that was trained before them

Dates are shifted so that day 273 begins at `today`, whatever the clock says. A purchase has a date and no hour: it is
taken to happen at the middle of its day. So the purchases of day 272 are half a day old when they are scored, as those
of day 181 are at the moment that the training looks from, and no purchase lies on the border between two periods.

A leak would show as an area under the ROC curve of 0.80 and more at day 273. The usual ones: purchases of the future in
the features, or days 273 and later in the truth of the training. At later moments it is easier to tell who has left, since
most have.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from modelpack.demo.scenario import DECLARATIONS, Act, EventLog, Hindsight, Release, Scenario
from modelpack.errors import ModelpackError

FIRST_DAY = pd.Timestamp("1997-01-01")
LEARNED, TODAY, JUDGED, END = 182, 273, 364, 546
"""Days at whose beginning the marks stand, and the end of the log."""
HINDSIGHT = (273, 364, 455)
"""Days from which a horizon is judged once more."""

_COLUMNS = {"customer_id", "purchased_on", "cds", "dollars"}

_TABLES = """\
create table demo.customer (
  customer_id bigint primary key
);
create table demo.purchase (
  customer_id bigint not null,
  purchased_at timestamptz not null default now(),
  cds integer not null,
  dollars numeric(10, 2) not null
);"""

_EXPLANATION = """\
Real purchases at CDNOW, a music retailer: everybody who first bought in early 1997. Dates are shifted so that
week 39 of the log ends today. The model learns at week 26 from what the customers do in the 13 weeks until today; scores are
held against what they do in the 13 weeks after. A customer who buys nothing in them has left."""

_PAST = """\
create table demo.past_customer (customer_id bigint primary key);
create table demo.past_purchase (like demo.purchase);
create index on demo.past_purchase (customer_id, purchased_at);"""


def read(path: Path) -> pd.DataFrame:
    """The log, with `day` counted from the first of January 1997. Raises ModelpackError for another file."""
    try:
        rows = pd.read_csv(path, parse_dates=["purchased_on"])
    except (OSError, ValueError) as error:
        raise ModelpackError(
            f"{path} cannot be read as the CDNOW log: {error}; expected a CSV file with the columns "
            f"{', '.join(sorted(_COLUMNS))}"
        ) from error
    if _COLUMNS - set(rows.columns):
        raise ModelpackError(
            f"{path} has the columns {', '.join(map(str, rows.columns))}, expected {', '.join(sorted(_COLUMNS))}"
        )
    rows["day"] = (rows["purchased_on"] - FIRST_DAY).dt.days
    found = rows["day"].min(), rows["day"].max()
    if not 0 <= found[0] <= found[1] < END or found[1] < TODAY:
        raise ModelpackError(
            f"{path} has purchases from {rows['purchased_on'].min():%Y-%m-%d} to {rows['purchased_on'].max():%Y-%m-%d}, "
            "expected the CDNOW log, from January 1997 to June 1998"
        )
    return rows.sort_values("day", kind="stable")


def cdnow(path: Path, today: datetime, *, customers: int | None = None) -> Scenario:
    """The scenario of the real log; `customers` limits it to those with the lowest keys."""
    rows = read(path)
    if customers is not None:
        rows = rows[rows["customer_id"].isin(sorted(rows["customer_id"].unique())[:customers])]

    def dated(mark: int) -> pd.DataFrame:
        """The purchases, so that a day begins today."""
        at = pd.Timestamp(today) + pd.to_timedelta(rows["day"] + 0.5 - mark, unit="D")
        return rows[["customer_id", "cds", "dollars"]].assign(purchased_at=at)[
            ["customer_id", "purchased_at", "cds", "dollars"]
        ]

    few = ("purchases", "spend", "basket", "days_quiet", "days_known")
    return Scenario(
        title="The CDNOW log, replayed",
        explanation=_EXPLANATION,
        tables=_TABLES,
        customers=None,
        logs=(EventLog("demo.purchase", "purchased_at", dated(TODAY)),),
        declaration=DECLARATIONS / "cdnow.py",
        learned=today - timedelta(days=TODAY - LEARNED),
        today=today,
        end=today + timedelta(days=JUDGED - TODAY),
        act=Act(
            title="A customer before and after a purchase",
            find="select customer_id\n  from demo.customer\n where purchases > 2 and last_purchase_at < now() - interval '90 days'\n"
            " order by customer_id limit 1",
            show="select purchases, spend, round(churn::numeric, 3) as churn, churn_version\n"
            "  from demo.customer\n where customer_id = %s",
            insert="insert into demo.purchase (customer_id, cds, dollars)\nvalues (%s, 2, 29.90)",
        ),
        releases=(
            Release(_trees(), few, "boosted trees"),
            Release(_trees(), (*few, "purchases_60d", "purchase_heat"), "the same, and recent purchases"),
        ),
        hindsight=Hindsight(
            tables=_PAST,
            renamed={"demo.customer": "demo.past_customer", "demo.purchase": "demo.past_purchase"},
            log=EventLog("demo.past_purchase", "purchased_at", dated(END)),
            cut_offs={f"week {day // 7}": today - timedelta(days=END - day) for day in HINDSIGHT},
        ),
    )


def _trees() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=100, random_state=1
    )

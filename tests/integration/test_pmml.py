"""A scorecard that another system wrote: published from its file, scored by events, equal to its arithmetic in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from modelpack import Event, Profile, Score, count, total
from modelpack.errors import PackagingError
from modelpack.registry import Registry
from tests.integration.shop import TABLES
from tests.support import Session, attach, row, rows

pytestmark = pytest.mark.usefixtures("here")

SCORECARD = """<?xml version="1.0" encoding="UTF-8"?>
<PMML xmlns="http://www.dmg.org/PMML-4_3" version="4.3">
  <Header><Application name="Scoring Office" version="7.2"/></Header>
  <DataDictionary>
    <DataField name="purchases" optype="continuous" dataType="integer"/>
    <DataField name="spend" optype="continuous" dataType="double"/>
    <DataField name="plan" optype="categorical" dataType="string"/>
    <DataField name="points" optype="continuous" dataType="double"/>
  </DataDictionary>
  <Scorecard functionName="regression" initialScore="100" useReasonCodes="true" reasonCodeAlgorithm="pointsBelow" baselineMethod="max">
    <MiningSchema>
      <MiningField name="purchases"/>
      <MiningField name="spend"/>
      <MiningField name="plan" invalidValueTreatment="asIs"/>
      <MiningField name="points" usageType="target"/>
    </MiningSchema>
    <Characteristics>
      <Characteristic name="often" reasonCode="often" baselineScore="20">
        <Attribute partialScore="20"><SimplePredicate field="purchases" operator="greaterOrEqual" value="3"/></Attribute>
        <Attribute partialScore="-7.5"><True/></Attribute>
      </Characteristic>
      <Characteristic name="much" reasonCode="much" baselineScore="15">
        <Attribute partialScore="0"><SimplePredicate field="spend" operator="isMissing"/></Attribute>
        <Attribute partialScore="5">
          <CompoundPredicate booleanOperator="and">
            <SimplePredicate field="spend" operator="greaterThan" value="10"/>
            <SimplePredicate field="spend" operator="lessOrEqual" value="50.5"/>
          </CompoundPredicate>
        </Attribute>
        <Attribute partialScore="15"><SimplePredicate field="spend" operator="greaterThan" value="50.5"/></Attribute>
        <Attribute partialScore="-3"><True/></Attribute>
      </Characteristic>
      <Characteristic name="kind" reasonCode="kind" baselineScore="9">
        <Attribute partialScore="9">
          <SimpleSetPredicate field="plan" booleanOperator="isIn"><Array n="2" type="string">plus "pro max"</Array></SimpleSetPredicate>
        </Attribute>
        <Attribute partialScore="1"><True/></Attribute>
      </Characteristic>
    </Characteristics>
  </Scorecard>
</PMML>
"""


def points(purchases: float, spend: float | None, plan: str | None) -> float:
    often = 20 if purchases >= 3 else -7.5
    much = 0 if spend is None else 15 if spend > 50.5 else 5 if spend > 10 else -3
    return 100 + often + much + (9 if plan in ("plus", "pro max") else 1)


SAMPLE = pd.DataFrame(
    [(n % 6, n * 7.25 % 90, ("basic", "plus", "pro max")[n % 3]) for n in range(120)],
    columns=["purchases", "spend", "plan"],
)
PROFILE = Profile(
    "customer",
    key="customer_id",
    events=[Event("purchase", at="at", features={"purchases": count(), "spend": total("amount")})],
    scores=[Score("points")],
)


@pytest.fixture
def shop(database: str) -> Iterator[Session]:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLES)
        attach(database, PROFILE)
        yield session


def expected() -> list[float]:
    return [points(*cells) for cells in SAMPLE.itertuples(index=False, name=None)]


def test_a_scorecard_scores_in_place_what_it_says(shop: Session, database: str, tmp_path: Path) -> None:
    file = tmp_path / "card.pmml"
    file.write_text(SCORECARD)
    version = Registry(database).publish(
        file, name="points", sample=SAMPLE, expected=expected(), promote=True
    )
    assert version.engine == "python"
    found = version.lineage["pmml"]
    assert (found["file"], found["application"], found["application_version"]) == (
        "card.pmml",
        "Scoring Office",
        "7.2",
    )
    shop.execute(
        "insert into customer (customer_id, plan) values (1, 'basic'), (2, 'plus'), (3, 'pro max'), (4, 'other')"
    )
    for amount in (10, 0.5, 40, 1000):  # 50.5 and 10 are bounds
        shop.execute(
            "insert into purchase (customer_id, amount) select g, %s from generate_series(1, 4) as g",
            [amount],
        )
        stored = rows(
            shop, "select purchases, spend, plan, points, points_stale from customer order by customer_id"
        )
        assert [(score, stale) for *_, score, stale in stored] == [
            (points(n, float(spend), plan), None) for n, spend, plan, *_ in stored
        ]
    shop.execute("delete from purchase where customer_id = 1")
    assert row(shop, "select points from customer where customer_id = 1") == (points(0, 0.0, "basic"),)


def test_a_scorecard_that_gives_other_points_than_expected_is_not_published(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "card.pmml"
    file.write_text(SCORECARD.replace('partialScore="9"', 'partialScore="8"'))
    with pytest.raises(PackagingError):
        Registry(database).publish(file, name="points", sample=SAMPLE, expected=expected())
    with pytest.raises(PackagingError, match="--expected"):
        Registry(database).publish(file, name="points", sample=SAMPLE)
    assert Registry(database).versions() == []

"""PMML files score as the estimators and the arithmetic that they were written from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from modelpack.errors import PackagingError, ParityError
from modelpack.formula import evaluate
from modelpack.packager import Package, Publication, package
from modelpack.packager.formula.graph import formula_of
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.pmml.document import Pmml, parse

from .pmml_text import (
    chain,
    class_leaf,
    document,
    element,
    ensemble,
    lightgbm_nodes,
    schema,
    simple,
    sklearn_nodes,
    table,
    tree_model,
    value_leaf,
)

pytestmark = pytest.mark.usefixtures("here")

NUMBERS = ["visits", "spend", "days"]
FIELDS = {"visits": "double", "spend": "double", "days": "double", "plan": "string", "y": "double"}
PLANS = ["basic", "pro", "trial"]

Row = Mapping[str, Any]


def rows(count: int = 200, *, gaps: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "visits": rng.integers(0, 12, count).astype(float),
            "spend": rng.normal(50.0, 20.0, count).round(2),
            "days": rng.uniform(0.0, 1.0, count).round(1),
            "plan": rng.choice(PLANS, count),
        }
    )
    if gaps:
        for name in frame:
            frame.loc[rng.random(count) < 0.15, name] = None
    return frame


def packed(content: bytes, frame: pd.DataFrame, expected: Any, **options: Any) -> Package:
    return package(Pmml(content), frame, Publication(expected=np.asarray(expected, dtype=float), **options))


def scores(made: Package, frame: pd.DataFrame) -> Any:
    """By onnxruntime, of rows that the signature lets in; the formula of the same graph has to agree."""
    cells = [
        [None if pd.isna(row[i.name]) else row[i.name] for i in made.signature.inputs]
        for _, row in frame.iterrows()
    ]
    feeds = made.signature.pack(cells)
    found = Runner(made.onnx).scores(feeds)
    formula = formula_of(made.onnx)
    numbers = feeds.get("number", np.empty((len(cells), 0)))
    texts = feeds.get("text", np.empty((len(cells), 0), dtype=object))
    apart = [evaluate(formula, n.tolist(), t.tolist()) for n, t in zip(numbers, texts, strict=True)]
    np.testing.assert_allclose(found, apart, rtol=1e-5, atol=1e-6)
    let_in = [
        all(i.missing or cell is not None for i, cell in zip(made.signature.inputs, row, strict=True))
        for row in cells
    ]
    return np.where(let_in, found, np.nan)


def by_hand(frame: pd.DataFrame, score: Callable[[Row], float | None]) -> Any:
    """A function of one row, in which a missing cell is None, for all of them."""
    found = []
    for _, row in frame.iterrows():
        value = score({name: None if pd.isna(v) else v for name, v in row.items()})
        found.append(np.nan if value is None else value)
    return np.array(found, dtype=float)


def holds(content: bytes, score: Callable[[Row], float | None], extra: Sequence[Row] = ()) -> Package:
    """Publish the document with what the function says of rows with gaps, and ask for more rows."""
    frame = rows(gaps=True)
    made = packed(content, frame, by_hand(frame, score))
    more = pd.DataFrame([*extra, *rows(40, gaps=True).to_dict("records")], columns=list(frame), dtype=object)
    np.testing.assert_allclose(scores(made, more), by_hand(more, score), rtol=1e-5, atol=1e-6)
    return made


# regression


def test_a_regression_adds_powers_categories_and_products() -> None:
    parts = [
        element("NumericPredictor", name="visits", exponent="2", coefficient=0.5),
        element("NumericPredictor", name="days", coefficient=-3.25),
        element("CategoricalPredictor", name="plan", value="pro", coefficient=10.0),
        element("CategoricalPredictor", name="plan", value="trial", coefficient=-4.0),
        element(
            "PredictorTerm",
            element("FieldRef", field="visits"),
            element("FieldRef", field="days"),
            coefficient=0.125,
        ),
    ]
    model = element(
        "RegressionModel",
        schema(["visits", "days", "plan"]),
        element("RegressionTable", *parts, intercept=7.0),
        functionName="regression",
    )

    def score(row: Row) -> float | None:
        if row["visits"] is None or row["days"] is None:
            return None
        v, d = row["visits"], row["days"]
        return (
            7.0 + 0.5 * v**2 - 3.25 * d + {"pro": 10.0, "trial": -4.0}.get(row["plan"], 0.0) + 0.125 * v * d
        )

    unseen = {"visits": 3.0, "spend": 1.0, "days": 0.5, "plan": "never seen"}
    made = holds(document(FIELDS, model), score, [unseen, {**unseen, "plan": ""}, {**unseen, "days": None}])
    assert {i.name: i.missing for i in made.signature.inputs} == {
        "visits": False,
        "days": False,
        "plan": True,
    }
    assert made.signature.output.kind == "value"
    assert made.formula is not None
    assert made.parity.route == "pmml file"


def test_a_linear_model_scores_as_scikit_learn_s() -> None:
    frame = rows()
    fitted = LinearRegression().fit(frame[NUMBERS], frame["spend"] * 2 - frame["visits"])
    weights = dict(zip(NUMBERS, fitted.coef_, strict=True))
    model = element(
        "RegressionModel", schema(NUMBERS), table(fitted.intercept_, weights), functionName="regression"
    )
    for version in ("4.1", "4.2", "4.3", "4.4", "4.4.1"):
        made = packed(document(FIELDS, model, version=version), frame, fitted.predict(frame[NUMBERS]))
    np.testing.assert_allclose(scores(made, frame), fitted.predict(frame[NUMBERS]), rtol=1e-5)


LINKS: dict[str, Callable[[Any], Any]] = {
    "logit": lambda y: 1 / (1 + np.exp(-y)),
    "probit": stats.norm.cdf,
    "cloglog": lambda y: 1 - np.exp(-np.exp(y)),
    "loglog": lambda y: np.exp(-np.exp(-y)),
    "none": lambda y: y,
    "exp": np.exp,
}


@pytest.mark.parametrize("link", LINKS)
def test_a_classification_of_two_classes_has_its_link(link: str) -> None:
    frame = rows()
    weights = {"visits": 0.1, "spend": -0.004, "days": 0.3}
    y = 0.2 + sum(frame[n] * w for n, w in weights.items())
    model = element(
        "RegressionModel",
        schema(NUMBERS),
        table(0.2, weights, "gone"),
        table(0.0, {}, "stays"),
        functionName="classification",
        normalizationMethod=link,
    )
    content = document({**FIELDS, "y": "string"}, model)
    wanted = LINKS[link](y)
    made = packed(content, frame, wanted, positive_class="gone")
    np.testing.assert_allclose(scores(made, frame), wanted, atol=1e-5)
    assert made.signature.output.to_json() == {"name": "score", "kind": "probability", "class": "gone"}
    other = packed(content, frame, 1 - wanted)
    assert other.signature.output.positive_class == "stays"
    assert "it is the second" in other.meaning
    value = model.replace('functionName="classification"', 'functionName="regression"')
    value = value.replace(table(0.0, {}, "stays"), "").replace(' targetCategory="gone"', "")
    made = packed(document(FIELDS, value), frame, wanted)
    assert made.signature.output.kind == "value"


@pytest.mark.parametrize("how", ["softmax", "simplemax"])
def test_more_classes_share_what_their_tables_give(how: str) -> None:
    frame = rows()
    labels = pd.cut(frame["spend"] + 3 * frame["visits"], 3, labels=["low", "mid", "top"]).astype(str)
    fitted = LogisticRegression(max_iter=5000).fit(frame[NUMBERS], labels)
    sums = frame[NUMBERS].to_numpy() @ fitted.coef_.T + fitted.intercept_
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if how == "simplemax":
        coefficients, intercepts = np.abs(coefficients) + 0.01, np.abs(intercepts)
        sums = frame[NUMBERS].to_numpy() @ coefficients.T + intercepts
        wanted = sums / sums.sum(axis=1, keepdims=True)
    else:
        wanted = fitted.predict_proba(frame[NUMBERS])
    tables = [
        table(b, dict(zip(NUMBERS, w, strict=True)), label)
        for w, b, label in zip(coefficients, intercepts, fitted.classes_, strict=True)
    ]
    model = element(
        "RegressionModel", schema(NUMBERS), *tables, functionName="classification", normalizationMethod=how
    )
    content = document({**FIELDS, "y": "string"}, model)
    made = packed(content, frame, wanted[:, 1], positive_class="mid")
    np.testing.assert_allclose(scores(made, frame), wanted[:, 1], atol=1e-5)
    with pytest.raises(
        PackagingError, match=r"classes low, mid, top, and no class is named.*--positive-class"
    ):
        packed(content, frame, wanted[:, 1])


# trees and their ensembles


def at_thresholds(frame: pd.DataFrame, thresholds: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Rows with values right at the thresholds, as they are written, and the float32 beside them."""
    made = []
    for name, values in thresholds.items():
        for value in values:
            for near in (
                value,
                np.nextafter(np.float32(value), np.inf),
                np.nextafter(np.float32(value), -np.inf),
            ):
                made.append({**frame.iloc[len(made) % len(frame)].to_dict(), name: float(near)})
    return pd.DataFrame(made)


def test_a_tree_scores_as_scikit_learn_s() -> None:
    frame = rows(400)
    fitted = DecisionTreeRegressor(max_depth=7, random_state=1).fit(
        frame[NUMBERS], frame["spend"] * frame["days"]
    )
    model = tree_model(
        sklearn_nodes(fitted.tree_, NUMBERS, value_leaf), NUMBERS, splitCharacteristic="binarySplit"
    )
    made = packed(document(FIELDS, model), frame, fitted.predict(frame[NUMBERS]))
    fresh = rows(1000)
    np.testing.assert_allclose(scores(made, fresh), fitted.predict(fresh[NUMBERS]), rtol=1e-5)
    assert made.parity.probes["threshold"] > 50
    assert made.formula is not None


def test_values_right_at_a_threshold_stay_on_their_side() -> None:
    """0.7 is below the float32 beside it, 0.1 above: as the estimators', such thresholds are rounded as values are."""
    for threshold in (0.7, 0.1, 0.3):
        nodes = element(
            "Node",
            "<True/>",
            element("Node", simple("days", "lessOrEqual", threshold), score="1"),
            element("Node", simple("days", "greaterThan", threshold), score="2"),
        )
        strict = nodes.replace("lessOrEqual", "lessThan").replace("greaterThan", "greaterOrEqual")
        for text, below in ((nodes, np.less_equal), (strict, np.less)):
            frame = rows()
            wanted = np.where(below(frame["days"], threshold), 1.0, 2.0)
            made = packed(document(FIELDS, tree_model(text, ["days"])), frame, wanted)
            assert made.parity.rounded_rows == 0
            assert scores(made, pd.DataFrame({"days": [threshold]})).tolist() == [
                1.0 if below is np.less_equal else 2.0
            ]


@pytest.mark.parametrize("method", ["average", "majorityVote"])
def test_a_forest_averages_or_votes(method: str) -> None:
    frame = rows(400)
    labels = np.where(frame["spend"] + 30 * frame["days"] > 65, "gone", "stays")
    fitted = RandomForestClassifier(12, max_depth=5, random_state=2).fit(frame[NUMBERS], labels)
    trees = [
        tree_model(sklearn_nodes(e.tree_, NUMBERS, class_leaf(["gone", "stays"])), NUMBERS, "classification")
        for e in fitted.estimators_
    ]
    content = document({**FIELDS, "y": "string"}, ensemble(trees, NUMBERS, method, "classification"))

    def shares(given: pd.DataFrame) -> Any:
        if method == "average":
            return fitted.predict_proba(given[NUMBERS])[:, 1]
        return np.mean([e.predict(given[NUMBERS].to_numpy()) for e in fitted.estimators_], axis=0)

    made = packed(content, frame, shares(frame), positive_class="stays")
    fresh = rows(1000)
    np.testing.assert_allclose(scores(made, fresh), shares(fresh), atol=1e-5)


def boosted(fitted: Any) -> str:
    """Trees that are added up and rescaled, then a logistic function of their sum."""
    trees = [
        tree_model(sklearn_nodes(e.tree_, NUMBERS, value_leaf), NUMBERS) for e in fitted.estimators_.ravel()
    ]
    start = float(fitted._raw_predict_init(np.zeros((1, 3))).ravel()[0])
    scale = element(
        "Targets",
        element("Target", field="y", rescaleFactor=float(fitted.learning_rate), rescaleConstant=start),
    )
    summed = ensemble(trees, NUMBERS, "sum", after=scale)
    last = element(
        "RegressionModel",
        schema(["decision"]),
        table(0.0, {"decision": 1.0}, "1"),
        table(0.0, {}, "0"),
        functionName="classification",
        normalizationMethod="logit",
    )
    return chain(summed, "decision", last, NUMBERS)


def test_boosted_trees_are_a_chain_that_ends_with_a_logistic_function() -> None:
    frame = rows(400)
    fitted = GradientBoostingClassifier(n_estimators=30, max_depth=3, random_state=3)
    fitted.fit(frame[NUMBERS], (frame["spend"] + 30 * frame["days"] > 65).astype(int))
    content = document({**FIELDS, "y": "string"}, boosted(fitted))
    made = packed(content, frame, fitted.predict_proba(frame[NUMBERS])[:, 1], positive_class="1")
    fresh = rows(1000)
    np.testing.assert_allclose(scores(made, fresh), fitted.predict_proba(fresh[NUMBERS])[:, 1], atol=1e-5)
    assert sum(step[0] == "trees" for step in formula_of(made.onnx)["steps"]) == 1


def test_lightgbm_s_trees_send_missing_values_to_their_default_child() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    frame = rows(600, gaps=True)
    wanted = frame["spend"].fillna(80.0) + 30 * frame["days"].fillna(0.2)
    fitted = lightgbm.LGBMRegressor(n_estimators=25, verbose=-1, n_jobs=1).fit(frame[NUMBERS], wanted)
    trees = [
        tree_model(
            lightgbm_nodes(t["tree_structure"], NUMBERS),
            NUMBERS,
            missingValueStrategy="defaultChild",
            noTrueChildStrategy="returnLastPrediction",
        )
        for t in fitted.booster_.dump_model()["tree_info"]
    ]
    content = document(FIELDS, ensemble(trees, NUMBERS, "sum"))
    made = packed(content, frame, fitted.predict(frame[NUMBERS]))
    fresh = rows(1000, gaps=True)
    np.testing.assert_allclose(scores(made, fresh), fitted.predict(fresh[NUMBERS]), rtol=1e-5)
    assert all(i.missing for i in made.signature.inputs)


def three_ways(**attributes: str) -> bytes:
    """Three children by spend, the second of which asks about visits."""
    inner = element(
        "Node",
        simple("spend", "lessThan", 60.0),
        element("Node", simple("visits", "lessOrEqual", 4.0), id="2a", score="20"),
        element("Node", simple("visits", "greaterThan", 6.0), id="2b", score="21"),
        id="2",
        score="29",
        defaultChild="2b",
    )
    root = element(
        "Node",
        "<True/>",
        element("Node", simple("spend", "lessThan", 40.0), id="1", score="10"),
        inner,
        element("Node", simple("spend", "greaterThan", 70.0), id="3", score="30"),
        id="0",
        score="99",
        defaultChild="2",
    )
    return document(FIELDS, tree_model(root, ["visits", "spend"], **attributes))


def walked(row: Row, strategy: str, last: bool) -> float | None:
    """The same tree in plain Python."""

    def inner() -> float | None:
        v = row["visits"]
        if v is None:
            known = {"none": 29.0 if last else None, "defaultChild": 21.0, "lastPrediction": 29.0}
            return known.get(strategy)
        if v <= 4:
            return 20.0
        return 21.0 if v > 6 else 29.0 if last else None

    s = row["spend"]
    if s is None:
        if strategy == "defaultChild":
            return inner()
        return {"none": 99.0 if last else None, "lastPrediction": 99.0}.get(strategy)
    if s < 40:
        return 10.0
    if s < 60:
        return inner()
    return 30.0 if s > 70 else 99.0 if last else None


@pytest.mark.parametrize("strategy", ["none", "defaultChild", "lastPrediction", "nullPrediction"])
@pytest.mark.parametrize("last", [True, False])
def test_missing_values_and_children_that_are_all_false_go_as_the_tree_says(
    strategy: str, last: bool
) -> None:
    content = three_ways(
        missingValueStrategy=strategy,
        noTrueChildStrategy="returnLastPrediction" if last else "returnNullPrediction",
    )
    edges = [{"visits": v, "spend": s} for v in (4.0, 5.0, 6.0, None) for s in (40.0, 60.0, 65.0, 70.0, None)]
    holds(content, lambda row: walked(row, strategy, last), edges)


def test_predicates_know_three_truths() -> None:
    """A compound of unknown parts is true or false where the known ones decide."""
    low, busy = simple("spend", "lessThan", 50.0), simple("visits", "greaterOrEqual", 5.0)
    paid = element(
        "SimpleSetPredicate",
        element("Array", '"pro" trial', n="2", type="string"),
        field="plan",
        booleanOperator="isIn",
    )
    kinds = ["and", "or", "xor", "surrogate"]

    def truth(how: str, values: list[bool | None]) -> bool | None:
        if how == "surrogate":
            return next((v for v in values if v is not None), None)
        if how == "and":
            return False if False in values else None if None in values else True
        if how == "or":
            return True if True in values else None if None in values else False
        return None if None in values else sum(map(bool, values)) % 2 == 1

    for how in kinds:
        compound = element("CompoundPredicate", low, busy, paid, booleanOperator=how)
        nodes = element(
            "Node",
            "<True/>",
            element("Node", compound, score="1"),
            element("Node", simple("plan", "isMissing"), score="2"),
            element("Node", simple("plan", "notEqual", "basic"), score="3"),
            element("Node", "<True/>", score="4"),
            score="5",
        )

        def score(row: Row, how: str = how) -> float:
            found = truth(
                how,
                [
                    None if row["spend"] is None else row["spend"] < 50,
                    None if row["visits"] is None else row["visits"] >= 5,
                    None if row["plan"] is None else row["plan"] in ("pro", "trial"),
                ],
            )
            if found is None:
                return 5.0
            if found:
                return 1.0
            return 2.0 if row["plan"] is None else 3.0 if row["plan"] != "basic" else 4.0

        content = document(
            FIELDS,
            tree_model(nodes, ["visits", "spend", "plan"], missingValueStrategy="lastPrediction"),
        )
        unseen = {"visits": 1.0, "spend": 90.0, "days": 0.0, "plan": "never seen"}
        made = holds(content, score, [unseen, {**unseen, "plan": None, "visits": None}])
        (plan,) = [i for i in made.signature.inputs if i.name == "plan"]
        assert plan.categories == ("basic", "pro", "trial")


# scorecards


def attribute(points: float, predicate: str) -> str:
    return element("Attribute", predicate, partialScore=points, reasonCode="RC")


def between(low: float, high: float) -> str:
    return element(
        "CompoundPredicate",
        simple("spend", "greaterOrEqual", low),
        simple("spend", "lessThan", high),
        booleanOperator="and",
    )


SPEND = element(
    "Characteristic",
    attribute(-12.0, simple("spend", "isMissing")),
    attribute(5.0, simple("spend", "lessThan", 30.3)),
    attribute(17.5, between(30.3, 60.6)),
    attribute(30.0, simple("spend", "greaterOrEqual", 60.6)),
    name="spend",
    reasonCode="R1",
    baselineScore="10",
)
PLAN = element(
    "Characteristic",
    attribute(9.0, simple("plan", "equal", "pro")),
    attribute(
        -3.0,
        element(
            "SimpleSetPredicate",
            element("Array", "basic other", type="string"),
            field="plan",
            booleanOperator="isNotIn",
        ),
    ),
    attribute(1.0, "<True/>"),
    name="plan",
    reasonCode="R2",
)


def scorecard(*characteristics: str) -> bytes:
    made = element("Characteristics", *characteristics)
    model = element(
        "Scorecard",
        schema(["spend", "plan"]),
        made,
        functionName="regression",
        initialScore="200",
        useReasonCodes="true",
        reasonCodeAlgorithm="pointsBelow",
    )
    return document(FIELDS, model)


def points(row: Row) -> float:
    s = row["spend"]
    by_spend = -12.0 if s is None else 5.0 if s < 30.3 else 17.5 if s < 60.6 else 30.0
    by_plan = {"pro": 9.0, "trial": -3.0, "never seen": -3.0}.get(row["plan"], 1.0)
    return 200.0 + by_spend + by_plan


def test_a_scorecard_adds_the_points_of_the_first_attribute_that_is_true() -> None:
    edges = [
        {"spend": s, "plan": p}
        for s in (30.3, 60.6, 30.29, None)
        for p in ("pro", "other", "never seen", None)
    ]
    made = holds(scorecard(SPEND, PLAN), points, edges)
    assert made.signature.output.kind == "value"
    assert made.formula is not None


def test_a_scorecard_without_an_attribute_that_is_true_gives_no_score() -> None:
    never = SPEND.replace(attribute(-12.0, simple("spend", "isMissing")), "")
    holds(scorecard(never, PLAN), lambda row: None if row["spend"] is None else points(row))


# fields and what is derived of them


def linear(names: Sequence[str], weights: Mapping[str, float], after: str = "", **treated: Any) -> str:
    return element(
        "RegressionModel", schema(names, **treated), after, table(0.0, weights), functionName="regression"
    )


def derived(name: str, inside: str, kind: str = "double") -> str:
    return element("DerivedField", inside, name=name, optype="continuous", dataType=kind)


def ref(field: str, **more: str) -> str:
    return element("FieldRef", field=field, **more)


def const(value: float | str) -> str:
    return element("Constant", str(value), dataType="string" if isinstance(value, str) else "double")


def call(function: str, *arguments: str, **more: str) -> str:
    return element("Apply", *arguments, function=function, **more)


def maybe(function: Callable[..., float], *values: Any) -> float | None:
    return None if any(v is None for v in values) else function(*values)


def average(*values: Any) -> float | None:
    there = [v for v in values if v is not None]
    return sum(there) / len(there) if there else None


FUNCTIONS: dict[str, tuple[str, Callable[[Row], float | None]]] = {
    "+": (call("+", ref("spend"), ref("days")), lambda r: maybe(lambda s, d: s + d, r["spend"], r["days"])),
    "-": (call("-", ref("spend"), const(3)), lambda r: maybe(lambda s: s - 3, r["spend"])),
    "*": (call("*", ref("spend"), ref("days")), lambda r: maybe(lambda s, d: s * d, r["spend"], r["days"])),
    "/": (
        call("/", ref("spend"), call("+", ref("visits"), const(1))),
        lambda r: maybe(lambda s, v: s / (v + 1), r["spend"], r["visits"]),
    ),
    "ln": (call("ln", call("+", ref("visits"), const(1))), lambda r: maybe(lambda v: math.log(v + 1), r["visits"])),
    "log10": (
        call("log10", call("+", ref("visits"), const(1))),
        lambda r: maybe(lambda v: math.log10(v + 1), r["visits"]),
    ),
    "exp": (call("exp", ref("days")), lambda r: maybe(math.exp, r["days"])),
    "sqrt": (call("sqrt", ref("visits")), lambda r: maybe(math.sqrt, r["visits"])),
    "abs": (call("abs", call("-", ref("spend"), const(50))), lambda r: maybe(lambda s: abs(s - 50), r["spend"])),
    "pow": (call("pow", ref("visits"), const(1.5)), lambda r: maybe(lambda v: v**1.5, r["visits"])),
    "ceil": (call("ceil", ref("spend")), lambda r: maybe(math.ceil, r["spend"])),
    "min": (
        call("min", ref("visits"), ref("days"), const(2)),
        lambda r: min(v for v in (r["visits"], r["days"], 2.0) if v is not None),
    ),
    "avg": (
        call("avg", ref("visits"), ref("days")),
        lambda r: average(r["visits"], r["days"]),
    ),
    "max filled": (
        call("if", call("isMissing", ref("spend")), const(-1), call("max", ref("spend"), const(20))),
        lambda r: -1.0 if r["spend"] is None else max(r["spend"], 20.0),
    ),
    "if without else": (
        call("if", call("lessThan", ref("visits"), const(5)), ref("days")),
        lambda r: None if r["visits"] is None or r["visits"] >= 5 else r["days"],
    ),
    "and": (
        call(
            "if",
            call("and", call("equal", ref("plan"), const("pro")), call("greaterOrEqual", ref("spend"), const(40))),
            const(1),
            const(2),
            defaultValue="3",
        ),
        lambda r: 2.0 if (r["plan"] is not None and r["plan"] != "pro") or (r["spend"] is not None and r["spend"] < 40)
        else 3.0 if r["plan"] is None or r["spend"] is None else 1.0,
    ),
    "isIn": (
        call("if", call("isIn", ref("plan"), const("pro"), const("trial")), const(1), const(2), mapMissingTo="7"),
        lambda r: 7.0 if r["plan"] is None else 1.0 if r["plan"] in ("pro", "trial") else 2.0,
    ),
    "compared": (
        call("if", call("lessOrEqual", ref("days"), call("+", call("/", ref("visits"), const(10)), const(0.05))), const(1), const(2)),
        lambda r: maybe(lambda d, v: 1.0 if d <= v / 10 + 0.05 else 2.0, r["days"], r["visits"]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_compute_derived_fields(name: str) -> None:
    """In three places: a dictionary of transformations, a model's own ones, and points of a scorecard."""
    text, score = FUNCTIONS[name]
    names = ["visits", "spend", "days", "plan"]
    weights = {"made": 1.0}
    content = document(FIELDS, linear(names, weights), derived=derived("made", text))
    unseen = {"visits": 0.0, "spend": 40.0, "days": 0.5, "plan": "never seen"}
    holds(content, score, [unseen])
    local = element("LocalTransformations", derived("made", text))
    assert packed(
        document(FIELDS, linear(names, weights, after=local)),
        rows(gaps=True),
        by_hand(rows(gaps=True), score),
    ).parity.passed


def test_lines_tables_and_bins_make_fields_of_fields() -> None:
    norms = [(0.0, 1.0), (30.0, 4.0), (60.0, 2.0)]
    points_ = "".join(element("LinearNorm", orig=a, norm=b) for a, b in norms)
    table_ = element(
        "InlineTable",
        "".join(f"<row><in>{a}</in><out>{b}</out></row>" for a, b in (("pro", 5), ("basic", 1.5))),
    )
    bins = "".join(
        element("DiscretizeBin", element("Interval", closure="closedOpen", **edges), binValue=word)
        for word, edges in (
            ("few", {"rightMargin": "3"}),
            ("some", {"leftMargin": "3", "rightMargin": "7"}),
        )
    )
    made = [
        derived(
            "line",
            element("NormContinuous", points_, field="spend", outliers="asExtremeValues", mapMissingTo="9"),
        ),
        derived("steep", element("NormContinuous", points_, field="spend")),
        derived(
            "price",
            element(
                "MapValues",
                element("FieldColumnPair", field="plan", column="in"),
                table_,
                outputColumn="out",
                defaultValue="-2",
                mapMissingTo="-7",
            ),
        ),
        derived(
            "often",
            element("Discretize", bins, field="visits", defaultValue="many", mapMissingTo="unknown"),
            "string",
        ),
        derived("busy", element("NormDiscrete", field="often", value="many")),
        derived("nobody", element("NormDiscrete", field="often", value="unknown")),
        derived("some", element("NormDiscrete", field="often", value="some")),
    ]
    weights = {"line": 1.0, "price": 10.0, "busy": 100.0, "nobody": 1000.0, "some": 400.0}
    names = ["visits", "spend", "plan"]

    def score(row: Row) -> float | None:
        s, v = row["spend"], row["visits"]
        line = 9.0 if s is None else float(np.interp(s, [0, 30, 60], [1, 4, 2]))
        price = -7.0 if row["plan"] is None else {"pro": 5.0, "basic": 1.5}.get(row["plan"], -2.0)
        often = 1000.0 if v is None else 0.0 if v < 3 else 400.0 if v < 7 else 100.0
        return line + 10 * price + often

    edges = [
        {"visits": v, "spend": s, "plan": p}
        for v in (3.0, 7.0, None)
        for s in (0.0, 30.0, 60.0, 90.0, -9.0, None)
        for p in ("pro", "never seen", None)
    ]
    holds(document(FIELDS, linear(names, weights), derived="".join(made)), score, edges)

    def steep(row: Row) -> float | None:
        s = row["spend"]
        return maybe(lambda s: 1 + s / 10 if s < 30 else 4 - (s - 30) / 15, s)

    holds(document(FIELDS, linear(names, {"steep": 1.0}), derived="".join(made)), steep, edges)


def test_a_mining_schema_fills_bounds_and_rejects_values() -> None:
    plans = "".join(element("Value", value=p) for p in PLANS) + element(
        "Value", value="?", property="missing"
    )
    interval = element("Interval", closure="closedClosed", leftMargin="10", rightMargin="100")
    declared = {"plan": plans, "spend": interval}
    weights = {"spend": 1.0, "visits": 10.0, "pro": 1000.0}
    pro = element("LocalTransformations", derived("pro", element("NormDiscrete", field="plan", value="pro")))
    edges = [
        {"visits": v, "spend": s, "plan": p, "days": 0.1}
        for v in (1.0, 2.0, 9.0, 11.0, None)
        for s in (9.0, 10.0, 100.0, 101.0, None)
        for p in ("pro", "?", "never seen", None)
    ]

    def content(**treated: Any) -> bytes:
        return document(
            FIELDS, linear(["visits", "spend", "plan"], weights, after=pro, **treated), declared=declared
        )

    bounds = {
        "outliers": "asExtremeValues",
        "lowValue": "2",
        "highValue": "9",
        "missingValueReplacement": "5",
    }

    def filled(row: Row, *, strange: str) -> float | None:
        v = 5.0 if row["visits"] is None else min(max(row["visits"], 2.0), 9.0)
        s, p = row["spend"], row["plan"]
        p = None if p == "?" else p
        if strange == "returnInvalid" and ((s is not None and not 10 <= s <= 100) or p not in (*PLANS, None)):
            return None
        if strange == "asMissing":
            s = s if s is not None and 10 <= s <= 100 else None
            p = p if p in PLANS else None
        s = 44.0 if s is None else s
        return s + 10 * v + 1000 * float((p or "pro") == "pro")

    for strange in ("returnInvalid", "asIs", "asMissing"):
        more = {} if strange == "returnInvalid" else {"invalidValueTreatment": strange}
        treated = {
            "visits": bounds,
            "spend": {"missingValueReplacement": "44", **more},
            "plan": {"missingValueReplacement": "pro", **more},
        }
        holds(content(**treated), lambda row, strange=strange: filled(row, strange=strange), edges)  # type: ignore[misc]
    replaced = {
        "visits": bounds,
        "spend": {
            "missingValueReplacement": "44",
            "invalidValueTreatment": "asValue",
            "invalidValueReplacement": "11",
        },
        "plan": {
            "missingValueReplacement": "pro",
            "invalidValueTreatment": "asValue",
            "invalidValueReplacement": "basic",
        },
    }

    def valued(row: Row) -> float | None:
        s, p = row["spend"], row["plan"]
        s = 11.0 if s is not None and not 10 <= s <= 100 else s
        return filled({**row, "spend": s, "plan": p if p in (*PLANS, "?", None) else "basic"}, strange="asIs")

    holds(content(**replaced), valued, edges)


def test_float_fields_are_rounded_before_they_are_compared() -> None:
    """As JPMML writes scikit-learn's trees: a derived field of dataType float."""
    cast = derived("float(days)", ref("days"), "float")
    nodes = element(
        "Node",
        "<True/>",
        element("Node", simple("float(days)", "lessOrEqual", 0.7), score="1"),
        element("Node", simple("float(days)", "greaterThan", 0.7), score="2"),
    )
    model = tree_model(nodes, ["days"]).replace(
        "</MiningSchema>", f"</MiningSchema>{element('LocalTransformations', cast)}"
    )
    frame = rows()
    made = packed(
        document(FIELDS, model), frame, np.where(np.float32(frame["days"]) <= np.float32(0.7), 1.0, 2.0)
    )
    assert made.parity.passed
    assert scores(made, pd.DataFrame({"days": [0.7, 0.71]})).tolist() == [1.0, 2.0]


def test_segments_add_up_average_or_are_chosen_by_their_predicates() -> None:
    def small(value: float) -> str:
        return linear(["spend"], {"spend": value})

    segments = [
        element("Segment", simple("visits", "lessThan", 5.0), small(1.0), weight="1"),
        element("Segment", simple("plan", "equal", "pro"), small(10.0), weight="3"),
        element("Segment", simple("days", "greaterThan", 0.5), small(100.0), weight="4"),
    ]

    def used(row: Row) -> list[tuple[float, float]]:
        tests = [
            row["visits"] is not None and row["visits"] < 5,
            row["plan"] == "pro",
            row["days"] is not None and row["days"] > 0.5,
        ]
        return [w for w, t in zip(((1.0, 1.0), (10.0, 3.0), (100.0, 4.0)), tests, strict=True) if t]

    ways: dict[str, Callable[[list[tuple[float, float]]], float]] = {
        "sum": lambda u: sum(v for v, _ in u),
        "average": lambda u: sum(v for v, _ in u) / len(u),
        "weightedAverage": lambda u: sum(v * w for v, w in u) / sum(w for _, w in u),
        "weightedSum": lambda u: sum(v * w for v, w in u),
        "selectFirst": lambda u: u[0][0],
    }
    names = ["visits", "spend", "days", "plan"]
    for how, together in ways.items():
        model = element(
            "MiningModel",
            schema(names),
            element("Segmentation", *segments, multipleModelMethod=how),
            functionName="regression",
        )

        def score(row: Row, together: Any = together) -> float | None:
            found = used(row)
            return None if not found or row["spend"] is None else row["spend"] * together(found)

        holds(document(FIELDS, model), score)


def test_targets_bound_and_rescale_and_an_output_can_be_the_score() -> None:
    target = element(
        "Targets",
        element(
            "Target",
            field="y",
            min="30",
            max="60",
            rescaleFactor="2",
            rescaleConstant="-1",
            castInteger="round",
        ),
    )
    output = element(
        "Output",
        element("OutputField", name="points", feature="predictedValue"),
        element(
            "OutputField", call("/", ref("points"), const(100)), name="share", feature="transformedValue"
        ),
    )
    frame = rows()
    made = packed(
        document(FIELDS, linear(["spend"], {"spend": 1.0}, after=output + target)),
        frame,
        np.floor(frame["spend"].clip(30, 60) * 2 - 1 + 0.5) / 100,
        output="share",
    )
    assert made.parity.passed
    with pytest.raises(PackagingError, match=r"no output 'other'. Its outputs: points, share"):
        packed(
            document(FIELDS, linear(["spend"], {"spend": 1.0}, after=output)),
            frame,
            frame["spend"],
            output="other",
        )


# proof and refusals


PLAIN = document(FIELDS, linear(["visits", "spend"], {"visits": 2.0, "spend": 1.0}))


def test_a_file_that_gives_something_else_is_refused() -> None:
    frame = rows()
    right = 2 * frame["visits"] + frame["spend"]
    wrong = right.copy()
    wrong[7] += 0.01  # one row, which rounding must not excuse
    with pytest.raises(ParityError, match=r"1 of .* rows differ.*expected is.*--positive-class"):
        packed(PLAIN, frame, wrong)
    accepted = packed(PLAIN, frame, wrong, accept="a row of another release")
    assert accepted.parity.accepted == "a row of another release"
    with pytest.raises(PackagingError, match=r"give the outputs that are expected.*--expected"):
        package(Pmml(PLAIN), frame, Publication())
    with pytest.raises(PackagingError, match=r"--inputs is for .onnx files"):
        packed(PLAIN, frame, right, inputs=["visits", "spend"])
    with pytest.raises(PackagingError, match=r"regression without classes.*--positive-class"):
        packed(PLAIN, frame, right, positive_class="1")
    with pytest.raises(PackagingError, match=r"lacks the column\(s\) spend"):
        packed(PLAIN, frame.drop(columns="spend"), right)
    with pytest.raises(
        PackagingError, match=r"'visits' of the PMML file is a number, the sample's column is a text"
    ):
        packed(PLAIN, frame.assign(visits="many"), right)


REFUSED: dict[str, tuple[str, str]] = {
    "another model": (element("NeuralNetwork", schema(["spend"])), "<NeuralNetwork> in line 1 .* inside of <PMML>.*RegressionModel"),
    "no model": ("", "holds 0 models"),
    "an unknown function": (
        linear(["spend"], {"made": 1.0}, after=element("LocalTransformations", derived("made", call("formatDatetime", ref("spend"))))),
        "<Apply> .* function='formatDatetime' of 1 arguments; expected: ln,",
    ),
    "a function of the file's own": (
        linear(["spend"], {"made": 1.0}, after=element("LocalTransformations", element("DefineFunction", name="f"))),
        "<DefineFunction> .* inside of <LocalTransformations>",
    ),
    "an unknown expression": (
        linear(["spend"], {"made": 1.0}, after=element("LocalTransformations", derived("made", element("TextIndex", textField="plan")))),
        "<TextIndex> .* inside of <DerivedField>",
    ),
    "an unknown field": (linear(["spend"], {"days": 1.0}), "<NumericPredictor> .* reads the field 'days'.*MiningSchema"),
    "a cycle": (
        linear(["spend"], {"a": 1.0}, after=element("LocalTransformations", derived("a", ref("b")), derived("b", ref("a")))),
        "reads the field 'a', which is made of itself",
    ),
    "computing with a text": (linear(["plan"], {"plan": 1.0}), "computes with the field 'plan', which is a text"),
    "missing values by weights": (
        three_ways(missingValueStrategy="weightedConfidence").decode().partition("</DataDictionary>")[2].removesuffix("</PMML>"),
        "<TreeModel> .* missingValueStrategy='weightedConfidence'; expected: none, defaultChild",
    ),
    "the median of segments": (ensemble([linear(["spend"], {"spend": 1.0})], ["spend"], "median"), "multipleModelMethod='median'"),
    "a link without an operator": (
        linear(["spend"], {"spend": 1.0}).replace("functionName=", 'normalizationMethod="cauchit" functionName='),
        "<RegressionModel> .* normalizationMethod='cauchit'",
    ),
    "no number": (linear(["spend"], {"spend": 1.0}).replace('coefficient="1.0"', 'coefficient="much"'), "coefficient='much'; expected: a finite number"),
    "a model in a node": (
        tree_model(element("Node", "<True/>", element("Regression"), score="1"), ["spend"]),
        "<Regression> .* inside of <Node>",
    ),
    "an attribute that may change the score": (
        linear(["spend"], {"spend": 1.0}, spend={"x-scale": "2"}),
        "<MiningField> .* attribute x-scale",
    ),
    "an attribute that no model has": (
        linear(["spend"], {"spend": 1.0}).replace("functionName", 'surprise="2" functionName'),
        "<RegressionModel> .* attribute surprise",
    ),
    "an attribute that no predicate has": (
        tree_model(
            element("Node", "<True/>", element("Node", simple("spend", "lessThan", 3).replace("operator", 'surprise="2" operator'), score="1")),
            ["spend"],
        ),
        "<SimplePredicate> .* attribute surprise",
    ),
    "texts in order": (
        tree_model(element("Node", "<True/>", element("Node", simple("plan", "lessThan", "pro"), score="1")), ["plan"]),
        "compares texts by lessThan",
    ),
    "votes of other models": (
        ensemble([linear(["spend"], {"spend": 1.0})], ["spend"], "majorityVote", "classification"),
        "<Segment> .* votes and holds no TreeModel",
    ),
    "prior probabilities": (
        linear(["spend"], {"spend": 1.0}, after=element("Targets", element("Target", element("TargetValue", defaultValue="3")))),
        "<TargetValue> ",
    ),
    "no default child": (three_ways(missingValueStrategy="defaultChild").decode().partition("</DataDictionary>")[2].removesuffix("</PMML>").replace('defaultChild="2b"', ""), "no defaultChild"),
    "another kind of segments' gaps": (
        ensemble([linear(["spend"], {"spend": 1.0})], ["spend"], "sum").replace("multipleModelMethod", 'missingPredictionTreatment="skipSegment" multipleModelMethod'),
        "missingPredictionTreatment='skipSegment'",
    ),
    "a constant": (tree_model(element("Node", "<True/>", score="1"), ["spend"]), "reads no column"),
    "a model that does not score": (linear(["spend"], {"spend": 1.0}).replace("functionName", 'isScorable="false" functionName'), "isScorable='false'"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_outside_is_refused_by_name(what: str) -> None:
    text, said = REFUSED[what]
    frame = rows()
    with pytest.raises(PackagingError, match=said):
        packed(document(FIELDS, text), frame, frame["spend"])


@pytest.mark.parametrize("kind", ["date", "dateTime", "timeDaysSince[1970]"])
def test_a_field_of_another_type_is_refused(kind: str) -> None:
    with pytest.raises(PackagingError, match=r"<DataField> .* dataType="):
        packed(
            document({**FIELDS, "spend": kind}, linear(["spend"], {"spend": 1.0})), rows(), rows()["spend"]
        )


HOSTILE: dict[str, tuple[bytes, str]] = {
    "an entity of a file": (b'<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML version="4.4">&x;</PMML>', "DOCTYPE"),
    "entities of entities": (
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><PMML version="4.4">&b;</PMML>',
        "DOCTYPE",
    ),
    "a DTD from elsewhere": (b'<!DOCTYPE PMML SYSTEM "http://127.0.0.1:9/x.dtd"><PMML version="4.4"/>', "DOCTYPE"),
    "an entity that nobody declared": (b'<PMML version="4.4">&x;</PMML>', "cannot be read as XML"),
    "depth": (b'<PMML version="4.4">' + b"<Node>" * 500 + b"</Node>" * 500 + b"</PMML>", "more than 120 levels"),
    "depth of what is ignored": (b'<PMML version="4.4">' + b"<Extension>" * 100_000, "more than 120 levels"),
    "no end": (b'<PMML version="4.4"><Header>', "cannot be read as XML"),
    "no XML": (b"\x80\x04pickle", "cannot be read as XML"),
    "nothing": (b"", "cannot be read as XML"),
    "another document": (b"<html/>", "it holds <html>"),
    "an old version": (b'<PMML version="3.2"/>', "version='3.2'; expected: 4.1, 4.2, 4.3, 4.4"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="utf-7"?><PMML version="4.4"/>', "cannot be read as XML"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_xml_is_refused(what: str) -> None:
    content, said = HOSTILE[what]
    with pytest.raises(PackagingError, match=said):
        packed(content, rows(), rows()["spend"])


def test_a_text_that_comes_in_pieces_is_whole() -> None:
    lines = "a\n" * 50_000
    text = f'<PMML version="4.4"><Array>{lines}&lt;b<![CDATA[&c]]><Extension>none</Extension>d</Array></PMML>'
    assert parse(text.encode()).one("Array").text == lines + "<b&cd"


def test_size_and_number_of_elements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelpack.packager.pmml.document.MOST_ELEMENTS", 10)
    with pytest.raises(PackagingError, match=r"more than 10 elements"):
        packed(PLAIN, rows(), rows()["spend"])
    monkeypatch.setattr("modelpack.packager.pmml.document.MOST_BYTES", 100)
    with pytest.raises(PackagingError, match=r"bytes; expected: at most 100"):
        packed(PLAIN, rows(), rows()["spend"])


def test_trees_that_grow_where_values_are_missing_are_bounded() -> None:
    """Each level has three children, and the default child stands for two of them."""

    def level(depth: int) -> str:
        if depth == 0:
            return ""
        inside = level(depth - 1)
        return "".join(
            element(
                "Node",
                simple(n, "lessThan", 1.0),
                inside if c == 0 else "",
                id=f"{depth}{c}",
                score="1",
                defaultChild=f"{depth - 1}0",
            )
            for c, n in enumerate(NUMBERS)
        )

    root = element("Node", "<True/>", level(30), score="1", defaultChild="300")
    with pytest.raises(PackagingError, match=r"<TreeModel> .* comes to more than"):
        packed(
            document(FIELDS, tree_model(root, NUMBERS, missingValueStrategy="defaultChild")),
            rows(),
            rows()["spend"],
        )

"""<RegressionModel>: sums of weighted fields, and what makes a value or probabilities of them."""

from __future__ import annotations

import math

from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.fields import Scope
from modelpack.packager.pmml.predicates import named
from modelpack.packager.pmml.results import Result

TAGS = ("RegressionTable",)

_LINKS = ("none", "simplemax", "softmax", "logit", "probit", "cloglog", "exp", "loglog")


def regression(model: Element, scope: Scope) -> Result:
    """The value, or the probability of each class."""
    steps = scope.steps
    link = model.choice("normalizationMethod", "none", *_LINKS)
    tables = model.all(*TAGS)
    if model.choice("functionName", "", "regression", "classification") == "regression":
        if len(tables) != 1:
            model.refuse(f"holds {len(tables)} of RegressionTable for a regression", "one")
        value = _sum(tables[0], scope)
        if link == "simplemax":
            model.refuse(
                "has normalizationMethod='simplemax' for a regression", "none, exp, logit or another link"
            )
        return Result(
            value if link == "none" else _linked(steps, "logit" if link == "softmax" else link, value)
        )
    labels = [table.need("targetCategory") for table in tables]
    if len(tables) < 2 or len(set(labels)) < len(labels):
        model.refuse(
            f"holds RegressionTables for {', '.join(labels)[:200]}", "one for each of two or more classes"
        )
    sums = [_sum(table, scope) for table in tables]
    if link == "softmax":
        made = [steps.add("softmax", n, sums) for n in range(len(sums))]
    elif link == "simplemax":
        total = steps.add("linear", sums, [1.0] * len(sums), 0.0)
        made = [steps.add("divide", value, total) for value in sums]
    elif len(sums) == 2:
        first = sums[0] if link == "none" else _linked(steps, link, sums[0])
        made = [first, steps.add("subtract", steps.constant(1.0), first)]
    else:
        model.refuse(f"has normalizationMethod={link!r} for {len(sums)} classes", "softmax or simplemax")
    return Result(shares=dict(zip(labels, made, strict=True)))


def _sum(table: Element, scope: Scope) -> int:
    table.has("intercept", "targetCategory")
    table.holds("NumericPredictor", "CategoricalPredictor", "PredictorTerm")
    steps = scope.steps
    values: list[int] = []
    weights: list[float] = []
    groups: dict[str, dict[str, float | None]] = {}
    for part in table.children:
        weight = part.number("coefficient")
        if part.tag == "NumericPredictor":
            part.has("name", "exponent", "coefficient")
            values.append(
                _power(steps, scope.number(part.need("name"), part).step, part.number("exponent", 1.0))
            )
            weights.append(weight)
        elif part.tag == "CategoricalPredictor":
            part.has("name", "value", "coefficient")
            known = groups.setdefault(part.need("name"), {})
            known[part.need("value")] = (known.get(part.need("value")) or 0.0) + weight
        else:
            part.has("name", "coefficient")
            part.holds("FieldRef")
            fields = [scope.number(f.need("field"), f).step for f in part.all("FieldRef")]
            if not fields or any(f.get("mapMissingTo") for f in part.children):
                part.refuse("multiplies no fields, or fills them", "FieldRef without mapMissingTo")
            product = fields[0]
            for other in fields[1:]:
                product = steps.add("multiply", product, other)
            values.append(product)
            weights.append(weight)
    for name, known in groups.items():  # a missing text adds nothing
        value = named(scope, name, table, list(known))
        try:
            values.append(value.encoded(steps, known, 0.0, 0.0))
        except ValueError:
            table.refuse(
                f"has a CategoricalPredictor of the number {name[:60]!r} with a value that is none", "numbers"
            )
        weights.append(1.0)
    intercept = table.number("intercept")
    if not values:
        return steps.constant(intercept)
    if all(w == 1.0 for w in weights) and intercept == 0.0 and len(values) == 1:
        return values[0]
    return steps.add("linear", values, weights, intercept)


def _power(steps: Steps, value: int, exponent: float) -> int:
    if exponent == 1.0:
        return value
    if exponent == 2.0:
        return steps.add("multiply", value, value)
    return steps.add("power", value, steps.constant(exponent))


def _linked(steps: Steps, link: str, value: int) -> int:
    one = steps.constant(1.0)
    if link == "exp":
        return steps.add("exp", value)
    if link == "logit":
        return steps.add("logistic", value)
    if link == "cloglog":  # 1 - exp(-exp(y))
        return steps.add("subtract", one, steps.add("exp", steps.add("negate", steps.add("exp", value))))
    if link == "loglog":  # exp(-exp(-y))
        return steps.add("exp", steps.add("negate", steps.add("exp", steps.add("negate", value))))
    # probit: the standard normal distribution
    turned = steps.add("erf", steps.add("divide", value, steps.constant(math.sqrt(2.0))))
    return steps.add("multiply", steps.add("add", one, turned), steps.constant(0.5))

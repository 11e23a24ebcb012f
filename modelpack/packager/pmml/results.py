"""What a model gives: a number, or a share of each class; and what targets and outputs make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.expressions import TAGS, expression
from modelpack.packager.pmml.fields import Scope
from modelpack.packager.pmml.values import Number, Value


@dataclass(frozen=True)
class Result:
    """What a model gives for a row, as steps; missing where it gives nothing."""

    value: int | None = None
    """Of a regression."""
    shares: dict[str, int] | None = None
    """Of a classification: the probability of each class."""

    def each(self, change: Callable[[int], int]) -> Result:
        """With every number changed."""
        return Result(
            None if self.value is None else change(self.value),
            None if self.shares is None else {label: change(step) for label, step in self.shares.items()},
        )


def number(result: Result, reader: Element) -> int:
    """The value of a regression."""
    if result.value is None:
        reader.refuse("needs the value of a classification", "a regression, or a probability")
    return result.value


def share(result: Result, label: str, reader: Element) -> int:
    """The probability of a class."""
    if result.shares is None or label not in result.shares:
        known = "none" if result.shares is None else ", ".join(result.shares)
        reader.refuse(f"needs the probability of {label[:60]!r}", f"one of the classes: {known[:300]}")
    return result.shares[label]


def aimed(steps: Steps, result: Result, targets: Element | None) -> Result:
    """The result with the bounds and the scale of <Targets>."""
    if targets is None:
        return result
    targets.holds("Target")
    if len(targets.children) != 1:
        targets.refuse(f"holds {len(targets.children)} targets", "one")
    target = targets.one("Target")
    target.has("field", "optype", "rescaleConstant", "rescaleFactor", "min", "max", "castInteger")
    target.holds("TargetValue")
    for value in target.children:
        if value.get("priorProbability") is not None or value.get("defaultValue") is not None:
            value.refuse(
                "gives values for rows without a prediction", "no priorProbability and no defaultValue"
            )
    factor, offset = target.number("rescaleFactor", 1.0), target.number("rescaleConstant", 0.0)
    cast = target.choice("castInteger", "none", "none", "floor", "ceiling", "round")
    bounded = target.get("min") is not None or target.get("max") is not None
    if result.value is None:
        if (factor, offset, cast, bounded) != (1.0, 0.0, "none", False):
            target.refuse("rescales a classification", "a regression")
        return result
    step = result.value
    if target.get("min") is not None:
        step = steps.add("max", step, steps.constant(target.number("min")))
    if target.get("max") is not None:
        step = steps.add("min", step, steps.constant(target.number("max")))
    if factor != 1.0:
        step = steps.add("multiply", step, steps.constant(factor))
    if offset != 0.0:
        step = steps.add("add", step, steps.constant(offset))
    if cast == "floor":
        step = steps.add("floor", step)
    elif cast == "ceiling":
        step = steps.add("negate", steps.add("floor", steps.add("negate", step)))
    elif cast == "round":
        step = steps.add("floor", steps.add("add", step, steps.constant(0.5)))
    return replace(result, value=step)


def publish(scope: Scope, output: Element | None, result: Result) -> None:
    """Define what <Output> names, for the models that follow in a chain."""
    for made in [] if output is None else output.all("OutputField"):
        scope.define(made.need("name"), lambda made=made: _output(scope, made, result))  # type: ignore[misc]


def _output(scope: Scope, made: Element, result: Result) -> Value:
    made.has("name", "displayName", "optype", "dataType", "targetField", "feature", "value", "isFinalResult")
    feature = made.choice("feature", "predictedValue", "predictedValue", "probability", "transformedValue")
    if feature == "transformedValue":
        found = expression(made.one(*TAGS), scope, made.get("dataType", "double") or "double")
    elif feature == "predictedValue":
        found = Number(number(result, made))
    else:
        found = Number(share(result, made.need("value"), made))
    if made.get("dataType") == "float" and isinstance(found, Number) and not found.single:
        return Number(scope.steps.add("float32", found.step), single=True)
    return found

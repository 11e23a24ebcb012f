"""<Scorecard>: of each characteristic the points of the first attribute that is true. Reason codes say nothing about the score."""

from __future__ import annotations

import math

from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.expressions import TAGS as EXPRESSIONS
from modelpack.packager.pmml.expressions import expression
from modelpack.packager.pmml.fields import Scope
from modelpack.packager.pmml.predicates import TAGS as PREDICATES
from modelpack.packager.pmml.predicates import predicate_of
from modelpack.packager.pmml.results import Result
from modelpack.packager.pmml.values import Number, chosen, holds

TAGS = ("Characteristics",)


def scorecard(model: Element, scope: Scope) -> Result:
    """The sum of the points; missing where no attribute of a characteristic is true."""
    model.choice("functionName", "", "regression")
    steps = scope.steps
    all_ = model.one(*TAGS)
    all_.holds("Characteristic")
    points = [_points(characteristic, scope) for characteristic in all_.all("Characteristic")]
    if not points:
        all_.refuse("is empty", "Characteristic")
    return Result(steps.add("linear", points, [1.0] * len(points), model.number("initialScore", 0.0)))


def _points(characteristic: Element, scope: Scope) -> int:
    characteristic.has("name", "reasonCode", "baselineScore")
    characteristic.holds("Attribute")
    steps = scope.steps
    made = steps.constant(math.nan)
    for attribute in reversed(characteristic.all("Attribute")):
        attribute.has("reasonCode", "partialScore")
        attribute.holds(*PREDICATES, "ComplexPartialScore")
        made = chosen(steps, holds(steps, predicate_of(attribute, scope)), _partial(attribute, scope), made)
    return made


def _partial(attribute: Element, scope: Scope) -> int:
    computed = attribute.maybe("ComplexPartialScore")
    if computed is None:
        return scope.steps.constant(attribute.number("partialScore"))
    found = expression(computed.one(*EXPRESSIONS), scope)
    if not isinstance(found, Number):
        computed.refuse("is a text", "a number")
    return found.step

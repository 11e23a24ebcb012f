"""<MiningModel>: segments that are added up, averaged, counted, chosen among, or follow one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

from modelpack.packager.formula.steps import Steps
from modelpack.packager.pmml import trees
from modelpack.packager.pmml.document import Element
from modelpack.packager.pmml.fields import Scope
from modelpack.packager.pmml.predicates import TAGS as PREDICATES
from modelpack.packager.pmml.predicates import predicate_of
from modelpack.packager.pmml.results import Result, number, share
from modelpack.packager.pmml.values import chosen, holds

TAGS = ("Segmentation",)

Reader = Callable[[Element, Scope], tuple[Result, Scope]]
"""Reads any model; the scope has the names of its outputs."""

_METHODS = (
    "sum", "weightedSum", "x-weightedSum", "average", "weightedAverage", "majorityVote", "weightedMajorityVote", "max",
    "selectFirst", "modelChain",
)  # fmt: skip


def mining_model(model: Element, scope: Scope, read: Reader, kinds: Sequence[str]) -> Result:
    """What the segments give together.

    Args:
        kinds: the models that are read.
    """
    segmentation = model.one(*TAGS)
    segmentation.has("multipleModelMethod", "missingPredictionTreatment", "missingThreshold")
    segmentation.holds("Segment")
    how = segmentation.choice("multipleModelMethod", "", *_METHODS)
    segmentation.choice("missingPredictionTreatment", "continue", "continue", "returnMissing")
    segments = segmentation.all("Segment")
    if not segments:
        segmentation.refuse("is empty", "Segment")
    for segment in segments:
        segment.has("id", "weight")
        segment.holds(*PREDICATES, *kinds)
    if how == "modelChain":
        return _chain(segments, scope, read, kinds)
    conditions = [holds(scope.steps, predicate_of(s, scope)) for s in segments]
    classifies = model.choice("functionName", "", "regression", "classification") == "classification"
    if how == "selectFirst":
        return _first(scope.steps, conditions, [read(s.one(*kinds), scope)[0] for s in segments])
    weighted = how in ("weightedSum", "x-weightedSum", "weightedAverage", "weightedMajorityVote")
    weights = [s.number("weight", 1.0) if weighted else 1.0 for s in segments]
    if how.endswith("ajorityVote"):
        if not classifies:
            segmentation.refuse(f"has {how} for a regression", "a classification")
        return _votes(segments, scope, conditions, weights)
    averages = how in ("average", "weightedAverage")
    if classifies and not averages:
        segmentation.refuse(f"has {how} for a classification", "average, weightedAverage, or a vote")
    return _combined(segments, scope, read, kinds, conditions, weights, how, classifies)


def _chain(segments: Sequence[Element], scope: Scope, read: Reader, kinds: Sequence[str]) -> Result:
    """Each model can read the outputs of those before; the last one gives the result."""
    result = Result()
    for segment in segments:
        predicate = segment.one(*PREDICATES)
        if predicate.tag != "True":
            predicate.refuse("decides about a model of a chain", "<True/>")
        result, scope = read(segment.one(*kinds), scope)
    return result


def _first(steps: Steps, conditions: Sequence[int | bool], results: Sequence[Result]) -> Result:
    nothing = steps.constant(math.nan)
    if results[0].shares is None:
        values = [r.value if r.value is not None else nothing for r in results]
        return Result(_cases(steps, conditions, values))
    labels = sorted({label for r in results for label in r.shares or ()})
    zero = steps.constant(0.0)
    return Result(
        shares={
            label: _cases(steps, conditions, [(r.shares or {}).get(label, zero) for r in results])
            for label in labels
        }
    )


def _cases(steps: Steps, conditions: Sequence[int | bool], values: Sequence[int]) -> int:
    made = steps.constant(math.nan)
    for condition, value in reversed(list(zip(conditions, values, strict=True))):
        made = chosen(steps, condition, value, made)
    return made


def _votes(
    segments: Sequence[Element], scope: Scope, conditions: Sequence[int | bool], weights: Sequence[float]
) -> Result:
    """The share of votes for each class, of trees."""
    grown = []
    for segment in segments:
        model = segment.maybe("TreeModel")
        if model is None:
            segment.refuse("votes and holds no TreeModel", "TreeModel, or the method average")
        grown.append(_plain_tree(model, scope, needed=True))
    found = [g for g in grown if g is not None]
    if not all(c is True for c in conditions):
        segments[0].refuse("votes for some rows only", "the predicate <True/> of each segment")
    labels = sorted({label for g in found for label in g.labels or ()})
    shares = [w / sum(weights) for w in weights]
    return Result(shares={c: trees.total(scope.steps, found, shares, trees.vote_for(c)) for c in labels})


def _plain_tree(model: Element, scope: Scope, *, needed: bool = False) -> trees.Grown | None:
    """A tree that can be added to others as it is: with the fields of its ensemble, and nothing done to what it gives."""
    own = [c for c in model.children if c.tag in ("Targets", "LocalTransformations")]
    schema = model.one("MiningSchema")
    changes = ("missingValueReplacement", "missingValueTreatment", "outliers", "invalidValueReplacement")
    own += [m for m in schema.children if any(name in m.attributes for name in changes)]
    own += [
        m
        for m in schema.all("MiningField")
        if m.get("usageType", "active") == "active" and not scope.knows(m.need("name"))
    ]
    if not own:
        model.holds("MiningSchema", "Output", *trees.TAGS)
        return trees.grow(model, scope)
    if needed:
        own[0].refuse("changes a tree that votes", "the fields of the MiningModel as they are")
    return None


def _combined(
    segments: Sequence[Element],
    scope: Scope,
    read: Reader,
    kinds: Sequence[str],
    conditions: Sequence[int | bool],
    weights: Sequence[float],
    how: str,
    classifies: bool,
) -> Result:
    """Sums and averages; trees that nothing is done to are one ensemble."""
    steps = scope.steps
    averages = how in ("average", "weightedAverage")
    always = all(c is True for c in conditions)
    if always and averages:
        weights = [w / sum(weights) for w in weights]
    models = [segment.one(*kinds) for segment in segments]
    if always and how != "max" and all(m.tag == "TreeModel" for m in models):
        grown = [_plain_tree(model, scope) for model in models]
        found = [g for g in grown if g is not None]
        if len(found) == len(models):
            if not classifies:
                return Result(trees.total(steps, found, weights, trees.value_of))
            labels = sorted({label for g in found for label in g.labels or ()})
            return Result(shares={c: trees.total(steps, found, weights, trees.share_of(c)) for c in labels})
    results = [read(model, scope)[0] for model in models]
    if how == "max":
        values = [number(r, m) for r, m in zip(results, models, strict=True)]
        if not always:
            segments[0].refuse("is compared for some rows only", "the predicate <True/> of each segment")
        return Result(reduce(lambda a, b: steps.add("max", a, b), values))

    def joined(values: Sequence[int]) -> int:
        if always:
            return steps.add("linear", list(values), list(weights), 0.0)
        zero = steps.constant(0.0)
        used = [chosen(steps, c, v, zero) for c, v in zip(conditions, values, strict=True)]
        made = steps.add("linear", used, list(weights), 0.0)
        present = [
            chosen(steps, c, steps.constant(w), zero) for c, w in zip(conditions, weights, strict=True)
        ]
        whole = steps.add("linear", present, [1.0] * len(present), 0.0)
        if averages:
            return steps.add("divide", made, whole)
        none = steps.add("equal", whole, zero)
        return chosen(steps, none, steps.constant(math.nan), made)

    if not classifies:
        return Result(joined([number(r, m) for r, m in zip(results, models, strict=True)]))
    labels = sorted({label for r in results for label in r.shares or ()})
    return Result(
        shares={
            label: joined([share(r, label, m) for r, m in zip(results, models, strict=True)])
            for label in labels
        }
    )

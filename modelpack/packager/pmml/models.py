"""A PMML file as steps: which model it holds, what its fields are, and which number is the score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from modelpack.errors import PackagingError
from modelpack.formula import FormulaError, check
from modelpack.packager.pmml import ensembles, regression, scorecard, trees
from modelpack.packager.pmml.document import Element, Pmml, parse
from modelpack.packager.pmml.expressions import derive
from modelpack.packager.pmml.fields import Row, Scope, declare, gate
from modelpack.packager.pmml.results import Result, aimed, publish
from modelpack.packager.pmml.values import Number, chosen

KINDS = ("RegressionModel", "Scorecard", "TreeModel", "MiningModel")

_ABOUT = ("modelName", "functionName", "algorithmName", "isScorable")
"""Attributes of every model."""

_PARTS = ("MiningSchema", "Output", "Targets", "LocalTransformations")


@dataclass(frozen=True)
class Model:
    """What a PMML file says."""

    formula: dict[str, Any]
    """In doubles: numbers are not rounded, and compared with what the file has."""
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    """The columns that it reads, in the order of the formula's inputs."""
    known: dict[str, tuple[str, ...]]
    """Texts that it names, by column."""
    positive_class: str | None
    guessed: bool
    """Whether nobody named the class."""
    probability: bool
    meaning: str


def read_pmml(pmml: Pmml, output: str | None = None, positive_class: Any = None) -> Model:
    """The model of a file.

    Args:
        output: name of an <OutputField> that is the score; default: what the model predicts.
        positive_class: whose probability is the score.

    Raises:
        PackagingError: no PMML that is read; the message names the element.
    """
    root = parse(pmml.content)
    root.holds("Header", "DataDictionary", "TransformationDictionary", "MiningBuildTask", *KINDS)
    found = root.all(*KINDS)
    if len(found) != 1:
        root.refuse(f"holds {len(found)} models", f"one of {', '.join(KINDS)}")
    try:
        return _model(root, found[0], output, positive_class)
    except RecursionError:
        raise PackagingError(
            "The PMML file has fields or predicates that are made of one another in too many levels; expected: some hundreds. "
            "Export a simpler model."
        ) from None


def _model(root: Element, model: Element, output: str | None, positive_class: Any) -> Model:
    dictionary, row = root.one("DataDictionary"), Row()
    outer = Scope(row, dictionary)
    declare(outer, dictionary)
    reader = _Reader(dictionary, root.maybe("TransformationDictionary"), outer)
    result, scope = reader.read(model, outer)
    names = _Classes(model, dictionary, result)
    label, guessed = None, False
    if output is not None:
        score, meaning, probability = _named(model, scope, output)
    elif result.shares is None:
        if result.value is None:
            model.refuse("gives nothing", "a value or probabilities")
        score, probability = result.value, False
        if positive_class is not None:
            model.refuse("is a regression without classes", "no class", "Leave out --positive-class.")
        meaning = f"what the {model.tag} of the file gives, in its own unit"
    else:
        label, guessed = names.choose(positive_class)
        score, probability = result.shares[label], True
        remark = "; no class was named, and it is the second" if guessed else ""
        meaning = f"probability of {label!r}, between 0 and 1{remark}"
    formula = _formula(row, score)
    return Model(
        formula=formula,
        numbers=tuple(row.numbers),
        texts=tuple(row.texts),
        known={name: tuple(sorted(texts)) for name, texts in row.known.items() if texts},
        positive_class=label,
        guessed=guessed,
        probability=probability,
        meaning=meaning,
    )


def _named(model: Element, scope: Scope, output: str) -> tuple[int, str, bool]:
    """The score that an <OutputField> is."""
    outputs = model.maybe("Output")
    known = {} if outputs is None else {f.need("name"): f for f in outputs.all("OutputField")}
    if output not in known:
        raise PackagingError(
            f"The model has no output {output!r}. Its outputs: {', '.join(known) or 'none'}."
        )
    found = scope.value(output, known[output])
    if not isinstance(found, Number):
        known[output].refuse("is a text", "a number")
    probability = known[output].get("feature") == "probability"
    return found.step, f"the output {output!r} of the file, in its own unit", probability


def _formula(row: Row, score: int) -> dict[str, Any]:
    nothing = row.steps.constant(math.nan)
    for condition in row.invalid:
        score = chosen(row.steps, condition, nothing, score)
    if not row.numbers and not row.texts:
        raise PackagingError(
            "The model of the PMML file reads no column; expected: a score that depends on the row. See its MiningSchema."
        )
    formula = row.steps.formula(score)
    try:
        check(formula, len(row.numbers), len(row.texts))
    except FormulaError as error:
        raise PackagingError(
            f"The PMML file comes to more than can be computed: {error}. Fit fewer or smaller trees."
        ) from error
    return formula


class _Classes:
    """The classes of a classification, in the order of its target."""

    def __init__(self, model: Element, dictionary: Element, result: Result) -> None:
        self._model = model
        self._labels = sorted(result.shares or ())
        targets = [
            m.need("name")
            for m in model.one("MiningSchema").all("MiningField")
            if m.get("usageType") in ("target", "predicted")
        ]
        for declared in dictionary.all("DataField"):
            if declared.need("name") in targets:
                listed = [
                    v.need("value") for v in declared.all("Value") if v.get("property", "valid") == "valid"
                ]
                if set(listed) >= set(self._labels):
                    self._labels = [label for label in listed if label in self._labels]

    def choose(self, wanted: Any) -> tuple[str, bool]:
        listed = ", ".join(self._labels)
        if wanted is not None:
            if str(wanted) not in self._labels:
                raise PackagingError(
                    f"The model has the classes {listed}, and the class is {wanted}: say which one is the score "
                    "(--positive-class)."
                )
            return str(wanted), False
        if len(self._labels) != 2:
            raise PackagingError(
                f"The model has the classes {listed}, and no class is named: say which one is the score (--positive-class)."
            )
        return self._labels[1], True


class _Reader:
    """Reads models, those within others, too."""

    def __init__(self, dictionary: Element, transformations: Element | None, columns: Scope) -> None:
        self._dictionary = dictionary
        self._transformations = transformations
        self._columns = columns

    def read(self, model: Element, outer: Scope) -> tuple[Result, Scope]:
        """What a model gives, and a scope with the names of its outputs beside those of `outer`."""
        if model.get("isScorable", "true") == "false":
            model.refuse("has isScorable='false'", "a model that scores")
        outermost = outer is self._columns
        inner = Scope(outer.row, model, None if outermost else outer)
        gate(inner, model.one("MiningSchema"), self._dictionary, outer)
        if outermost:
            derive(inner, self._transformations)
        derive(inner, model.maybe("LocalTransformations"))
        result = aimed(outer.steps, self._result(model, inner), model.maybe("Targets"))
        outputs = Scope(outer.row, model, inner if outermost else outer)
        publish(outputs, model.maybe("Output"), result)
        return result, outputs

    def _result(self, model: Element, scope: Scope) -> Result:
        if model.tag == "RegressionModel":
            model.has(*_ABOUT, "modelType", "targetFieldName", "normalizationMethod")
            model.holds(*_PARTS, *regression.TAGS)
            return regression.regression(model, scope)
        if model.tag == "Scorecard":
            model.has(
                *_ABOUT,
                "initialScore",
                "useReasonCodes",
                "reasonCodeAlgorithm",
                "baselineScore",
                "baselineMethod",
            )
            model.holds(*_PARTS, *scorecard.TAGS)
            return scorecard.scorecard(model, scope)
        if model.tag == "TreeModel":
            model.holds(*_PARTS, *trees.TAGS)
            return trees.tree_model(model, scope)
        model.has(*_ABOUT)
        model.holds(*_PARTS, *ensembles.TAGS)
        return ensembles.mining_model(model, scope, self.read, KINDS)

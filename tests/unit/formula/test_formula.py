"""Formulas by themselves: what each step gives, what is refused, and that all ways of evaluating one agree bit for bit."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.formula import FormulaError, check, evaluate, python_function
from modelpack.formula.grammar import COMPARISONS, DEEPEST, OPERATIONS

NAN = math.nan


def formula(*steps: list[Any]) -> dict[str, Any]:
    return {"format": 1, "steps": list(steps)}


def same(a: float, b: float) -> bool:
    return struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)


def constants(*values: float | None) -> list[list[Any]]:
    return [["constant", value] for value in values]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("float32", (0.1,), float(np.float32(0.1))),
        ("float32", (1e39,), math.inf),
        ("float32", (-1e39,), -math.inf),
        ("add", (0.1, 0.2), 0.1 + 0.2),
        ("subtract", (1.0, None), NAN),
        ("multiply", (3.0, -2.0), -6.0),
        ("divide", (1.0, 4.0), 0.25),
        ("divide", (1.0, 0.0), math.inf),
        ("divide", (-1.0, 0.0), -math.inf),
        ("divide", (1.0, -0.0), -math.inf),
        ("divide", (0.0, 0.0), NAN),
        ("divide", (None, 0.0), NAN),
        ("power", (2.0, 10.0), 1024.0),
        ("power", (-8.0, 0.5), NAN),
        ("power", (0.0, -1.0), math.inf),
        ("power", (10.0, 400.0), math.inf),
        ("power", (-10.0, 401.0), -math.inf),
        ("power", (None, 0.0), 1.0),
        ("min", (1.0, None), NAN),
        ("min", (1.0, -2.0), -2.0),
        ("max", (None, 1.0), NAN),
        ("max", (1.0, -2.0), 1.0),
        ("negate", (2.5,), -2.5),
        ("abs", (-2.5,), 2.5),
        ("sqrt", (2.25,), 1.5),
        ("sqrt", (-1.0,), NAN),
        ("exp", (1.0,), math.e),
        ("exp", (1000.0,), math.inf),
        ("log", (math.e,), 1.0),
        ("log", (0.0,), -math.inf),
        ("log", (-1.0,), NAN),
        ("tanh", (0.5,), 0.46211715726000973),
        ("erf", (0.5,), 0.5204998778130465),
        ("floor", (-1.5,), -2.0),
        ("truncate", (-1.5,), -1.0),
        ("truncate", (None,), NAN),
        ("logistic", (0.0,), 0.5),
        ("logistic", (-1000.0,), 0.0),
        ("logistic", (1000.0,), 1.0),
        ("logistic", (None,), NAN),
    ],
)
def test_each_operation_gives_what_ieee_754_says_and_never_an_error(
    name: str, values: tuple[float | None, ...], expected: float
) -> None:
    made = formula(*constants(*values), [name, *range(len(values))])
    check(made, 0, 0)
    assert same(evaluate(made, []), expected)
    assert same(python_function(made)([], []), expected)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("less", (1.0, 2.0), True),
        ("less", (2.0, 2.0), False),
        ("less", (None, 2.0), False),
        ("less_equal", (2.0, 2.0), True),
        ("less_equal", (2.0, None), False),
        ("equal", (2.0, 2.0), True),
        ("equal", (None, None), False),
        ("missing", (None,), True),
        ("missing", (0.0,), False),
    ],
)
def test_a_comparison_with_what_is_missing_is_false(
    name: str, values: tuple[float | None, ...], expected: bool
) -> None:
    places = list(range(len(values)))
    n = len(values)
    made = formula(*constants(*values), [name, *places], *constants(1.0, 0.0), ["if", n, n + 1, n + 2])
    check(made, 0, 0)
    assert evaluate(made, []) == python_function(made)([], []) == float(expected)


def test_truths_are_joined() -> None:
    for a in (True, False):
        for b in (True, False):
            given = constants(float(a), float(b), 1.0, 0.0)
            for name, expected in (("and", a and b), ("or", a or b)):
                made = formula(
                    *given,
                    ["equal", 0, 2],
                    ["equal", 1, 2],
                    [name, 4, 5],
                    ["not", 6],
                    ["not", 7],
                    ["if", 8, 2, 3],
                )
                check(made, 0, 0)
                assert evaluate(made, []) == python_function(made)([], []) == float(expected)


def test_inputs_are_rounded_to_float32_and_missing_where_none() -> None:
    made = formula(["number", 1])
    assert evaluate(made, [1.0, 0.1]) == float(np.float32(0.1))
    assert math.isnan(evaluate(made, [1.0, None]))
    assert evaluate(made, [1.0, 1e300]) == math.inf


def test_texts_choose_numbers_and_texts() -> None:
    made = formula(
        ["text", 0],
        ["literal", "it's"],
        ["lookup", 0, [["a", 1.0], ["", 2.0]], None],
        ["missing", 2],
        ["if", 3, 1, 0],
        ["lookup", 4, [["it's", 7.0], ["a", 5.0]], 9.0],
    )
    check(made, 0, 1)
    for text, expected in (("a", 5.0), ("", 9.0), ("b", 7.0), ("it's", 7.0)):
        assert evaluate(made, [], [text]) == python_function(made)([], [text]) == expected


@pytest.mark.parametrize(
    ("node", "value", "expected"),
    [
        (["<", False], 1.0, 2.0),
        (["<", False], 0.5, 1.0),
        (["<", False], None, 2.0),
        (["<", True], None, 1.0),
        (["<", True], 1.0, 2.0),
        (["<=", False], 1.0, 1.0),
        (["<=", False], 1.5, 2.0),
        (["<=", True], 1.5, 2.0),
        (["<=", False], None, 2.0),
        (["<=", True], None, 1.0),
        (["=", False], 1.0, 1.0),
        (["=", False], 0.5, 2.0),
        (["=", False], None, 2.0),
        (["=", True], None, 1.0),
        (["=", True], 0.5, 2.0),
    ],
)
def test_a_tree_branches_by_its_comparison_and_sends_what_is_missing_where_it_says(
    node: list[Any], value: float | None, expected: float
) -> None:
    comparison, missing = node
    made = formula(["number", 0], ["trees", [0], [[0, comparison, 1.0, missing, 1.0, 2.0]]])
    check(made, 1, 0)
    assert evaluate(made, [value]) == expected
    assert python_function(made)([NAN if value is None else value], []) == expected


def test_sums_are_made_from_left_to_right() -> None:
    values = [1e16, 1.0, -1e16, 1.0] * 20
    expected = 0.0
    for value in values:
        expected += value
    weighted = formula(["constant", 1.0], ["linear", [0] * len(values), values, 0.5])
    trees = formula(["constant", 1.0], ["trees", [0], values])
    check(weighted, 0, 0)
    check(trees, 0, 0)
    assert evaluate(weighted, []) == python_function(weighted)([], []) == expected + 0.5
    assert evaluate(trees, []) == python_function(trees)([], []) == expected != math.fsum(values)


def test_shares_are_those_of_exp() -> None:
    for values in ([0.0, 1.0, 2.0], [1000.0, 0.0, -1000.0]):
        given = constants(*values)
        top = max(values)
        powers = [math.exp(v - top) for v in values]
        for n, power in enumerate(powers):
            made = formula(*given, ["softmax", n, [0, 1, 2]])
            check(made, 0, 0)
            assert (
                evaluate(made, [])
                == python_function(made)([], [])
                == pytest.approx(power / sum(powers), rel=1e-15)
            )


def deep(levels: int) -> Any:
    tree: Any = 1.0
    for _ in range(levels):
        tree = [0, "<", 0.0, False, 2.0, tree]
    return tree


def test_the_deepest_tree_is_evaluated_and_one_level_more_is_refused() -> None:
    made = formula(["number", 0], ["trees", [0], [deep(DEEPEST)]])
    check(made, 1, 0)
    assert evaluate(made, [1.0]) == python_function(made)([1.0], []) == 1.0
    with pytest.raises(FormulaError, match="step 1: trees is unknown, or does not take"):
        check(formula(["number", 0], ["trees", [0], [deep(DEEPEST + 1)]]), 1, 0)


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {"format": 2, "steps": [["constant", 1.0]]},
        {"format": 1, "steps": []},
        {"format": 1, "steps": {}},
        {"format": 1, "steps": [["constant", 1.0]], "more": 1},
        formula(["number", 1]),
        formula(["number", -1]),
        formula(["number", True]),
        formula(["number", "0"]),
        formula(["text", 1]),
        formula(["text", 0]),
        formula(["constant", "1"]),
        formula(["constant", math.inf]),
        formula(["constant", True]),
        formula(["constant", 10**400]),
        formula(["literal", 1]),
        formula(["constant", 1.0], ["add", 0, 1]),
        formula(["constant", 1.0], ["add", 0]),
        formula(["constant", 1.0], ["add", 0, -1]),
        formula(["constant", 1.0], ["add", 0, "0); import os; ("]),
        formula(["text", 0], ["negate", 0]),
        formula(["constant", 1.0], ["__import__", 0]),
        formula(["constant", 1.0], [["add"], 0, 0]),
        formula(["constant", 1.0], ["missing", 0]),
        formula(["constant", 1.0], ["missing", 0], ["add", 0, 1]),
        formula(["constant", 1.0], ["missing", 0], ["text", 0], ["if", 1, 0, 2]),
        formula(["constant", 1.0], ["if", 0, 0, 0]),
        formula(["constant", 1.0], ["lookup", 0, [["a", 1.0]], 0.0]),
        formula(["text", 0], ["lookup", 0, [[1.0, 1.0]], 0.0]),
        formula(["text", 0], ["lookup", 0, [["a", "b"]], 0.0]),
        formula(["text", 0], ["lookup", 0, [["a"]], 0.0]),
        formula(["text", 0], ["lookup", 0, {"a": 1.0}, 0.0]),
        formula(["constant", 1.0], ["linear", [0], [1.0, 2.0], 0.0]),
        formula(["constant", 1.0], ["linear", [0], ["1"], 0.0]),
        formula(["constant", 1.0], ["linear", [1], [1.0], 0.0]),
        formula(["constant", 1.0], ["linear", [0], [1.0], math.nan]),
        formula(["constant", 1.0], ["softmax", 1, [0]]),
        formula(["constant", 1.0], ["softmax", 0, []]),
        formula(["constant", 1.0], ["trees", [0], []]),
        formula(["constant", 1.0], ["trees", [0], ["1.0"]]),
        formula(["constant", 1.0], ["trees", [0], [[1, "<", 0.0, False, 1.0, 2.0]]]),
        formula(["constant", 1.0], ["trees", [0], [[0, ">", 0.0, False, 1.0, 2.0]]]),
        formula(["constant", 1.0], ["trees", [0], [[0, "<", None, False, 1.0, 2.0]]]),
        formula(["constant", 1.0], ["trees", [0], [[0, "<", 0.0, 0, 1.0, 2.0]]]),
        formula(["constant", 1.0], ["trees", [0], [[0, "<", 0.0, False, 1.0]]]),
        formula(["constant", 1.0], ["trees", [0], [[0, "<", 0.0, False, 1.0, math.nan]]]),
    ],
)
def test_what_is_no_formula_for_one_number_and_a_text_is_refused(given: Any) -> None:
    with pytest.raises(FormulaError, match="the formula is not understood"):
        check(
            given,
            1,
            1
            if given
            and "text" in str(given)
            and given != formula(["text", 0])
            and given != formula(["text", 1])
            else 0,
        )


NUMBERS, TEXTS = 3, 2
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
cells = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, -1.5, 1e30, 2.0**24 + 1]), finite)
words = st.sampled_from(["", "a", "b", "it's", '"""', "\\", "\n", "\x1a"])


@st.composite
def trees(draw: st.DrawFn, width: int, depth: int = 3) -> Any:
    if depth == 0 or draw(st.booleans()):
        return draw(finite)
    return [
        draw(st.integers(0, width - 1)),
        draw(st.sampled_from(COMPARISONS)),
        draw(finite),
        draw(st.booleans()),
        draw(trees(width, depth - 1)),
        draw(trees(width, depth - 1)),
    ]


@st.composite
def formulas(draw: st.DrawFn) -> dict[str, Any]:
    steps: list[list[Any]] = [["number", n] for n in range(NUMBERS)] + [["text", n] for n in range(TEXTS)]
    kinds = ["n"] * NUMBERS + ["t"] * TEXTS

    def of(kind: str) -> int:
        return draw(st.sampled_from([n for n, k in enumerate(kinds) if k == kind]))

    def some() -> list[int]:
        return [of("n") for _ in range(draw(st.integers(1, 15)))]

    steps.append(["missing", 0])
    kinds.append("b")
    names = [*OPERATIONS, "constant", "literal", "lookup", "linear", "softmax", "trees", "if"]
    for _ in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(names))
        gives = "n"
        if name in OPERATIONS:
            takes, gives = OPERATIONS[name]
            step = [name, *(of(kind) for kind in takes)]
        elif name == "constant":
            step = [name, draw(st.one_of(st.none(), finite))]
        elif name == "literal":
            step, gives = [name, draw(words)], "t"
        elif name == "lookup":
            kind = draw(st.sampled_from("nt"))
            keys = draw(st.lists(finite if kind == "n" else words, max_size=4))
            pairs = [[key, draw(st.one_of(st.none(), finite))] for key in keys]
            step = [name, of(kind), pairs, draw(st.one_of(st.none(), finite))]
        elif name == "linear":
            values = some()
            step = [name, values, [draw(finite) for _ in values], draw(finite)]
        elif name == "softmax":
            values = some()
            step = [name, draw(st.integers(0, len(values) - 1)), values]
        elif name == "trees":
            values = some()
            step = [name, values, draw(st.lists(trees(len(values)), min_size=1, max_size=30))]
        else:
            gives = draw(st.sampled_from("nt"))
            step = [name, of("b"), of(gives), of(gives)]
        steps.append(step)
        kinds.append(gives)
    steps.append(["linear", [n for n, k in enumerate(kinds) if k == "n"][-3:], [1.0, 1.0, 1.0], 0.0])
    return {"format": 1, "steps": steps}


@settings(max_examples=150, deadline=None)
@given(
    formulas(),
    st.lists(cells, min_size=NUMBERS, max_size=NUMBERS),
    st.lists(words, min_size=TEXTS, max_size=TEXTS),
)
def test_a_function_made_of_a_formula_gives_the_bits_of_the_evaluator(
    made: dict[str, Any], numbers: list[float | None], texts: list[str]
) -> None:
    check(made, NUMBERS, TEXTS)
    packed = [NAN if n is None else float(np.float32(n)) for n in numbers]
    assert same(evaluate(made, numbers, texts), python_function(made)(packed, texts))


def test_the_example_of_the_page_runs() -> None:
    page = Path(__file__).parents[3] / "docs" / "formula.md"
    if not page.is_file():
        pytest.skip("the docs are not there (an installed wheel)")
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile(block, "formula.md", "exec"), {})

"""The formula of a version: a model as data, which any language can evaluate. Standard library alone; docs/formula.md."""

from modelpack.formula.evaluate import evaluate
from modelpack.formula.grammar import FORMAT, FormulaError, check
from modelpack.formula.python_source import python_function

__all__ = ["FORMAT", "FormulaError", "check", "evaluate", "python_function"]

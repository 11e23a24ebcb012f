"""Arithmetic of doubles that never raises: IEEE 754 where Python has errors.

Rendered into PL/Python functions: the standard library alone, and annotations of built-in types.
"""

from __future__ import annotations

import math
import struct

NAN = float("nan")


def float32(value: float) -> float:
    """The nearest float32."""
    try:
        found: float = struct.unpack("=f", struct.pack("=f", value))[0]
        return found
    except OverflowError:
        return math.copysign(math.inf, value)


def divide(a: float, b: float) -> float:
    if b == 0.0:
        return NAN if a == 0.0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except ValueError:  # a root of a negative number, or a pole
        return NAN if a else math.inf
    except OverflowError:
        return -math.inf if a < 0.0 and b % 2.0 == 1.0 else math.inf


def exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def log(a: float) -> float:
    if a > 0.0:
        return math.log(a)
    return -math.inf if a == 0.0 else NAN


def floor(a: float) -> float:
    return float(math.floor(a)) if math.isfinite(a) else a


def truncate(a: float) -> float:
    return float(math.trunc(a)) if math.isfinite(a) else a


def logistic(a: float) -> float:
    if a >= 0.0:
        return 1.0 / (1.0 + exp(-a))
    grown = exp(a)
    return grown / (1.0 + grown)


def smaller(a: float, b: float) -> float:
    return NAN if a != a or b != b else min(a, b)


def larger(a: float, b: float) -> float:
    return NAN if a != a or b != b else max(a, b)


def root(a: float) -> float:
    return math.sqrt(a) if a >= 0.0 else NAN


def shares(values: list[float]) -> list[float]:
    """What exp gives for each, as shares of their sum."""
    if any(v != v for v in values):
        return [NAN] * len(values)
    top = max(values)
    powers = [exp(v - top) for v in values]
    total = 0.0
    for one in powers:
        total += one
    return [one / total for one in powers]

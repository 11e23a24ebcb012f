"""Experiments in numbers: plain numpy over arrays, without a server."""

from modelpack.experiments.statistics.balance import ALARM, balance
from modelpack.experiments.statistics.bandit import Worth, thompson, worth
from modelpack.experiments.statistics.effect import Effect, Power, effect, power

__all__ = ["ALARM", "Effect", "Power", "Worth", "balance", "effect", "power", "thompson", "worth"]

"""What an experiment has found by now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelpack.experiments.reading import Running, Values
from modelpack.experiments.statistics import ALARM, Effect, Power, Worth, balance, effect, power, worth


@dataclass(frozen=True)
class Arm:
    """One arm beside the first."""

    arm: str
    version: int
    weight: float
    entities: int
    ripe: int
    mean: float | None
    worth: Worth | None
    """By inverse probability weighting, where weights differed."""
    effect: Effect | None
    power: Power | None
    apart: int = 0
    """Entities of both arms that are not compared: when they came, one of the two arms was given to nobody."""


@dataclass(frozen=True)
class Found:
    """What an experiment says of a metric."""

    metric: str | None
    balance: float
    """p-value of the split, right at every look; nothing else is to be believed where it is small."""
    measured: float
    """The same of those that are measured: an arm that loses its entities, or is acted on more often, differs by that."""
    arms: list[Arm]
    pending: int
    lost: int
    """Entities whose row is gone, or whose metric is NULL: they are left out."""

    @property
    def balanced(self) -> bool:
        """Whether the entities were split as the weights say."""
        return min(self.balance, self.measured) >= ALARM


def split(running: Running, values: Values) -> float:
    """Whether entities were given to the arms as the weights say."""
    periods = {number: place for place, number in enumerate(running.weightings)}
    return balance(values.arms, running.weights, [periods[int(w)] for w in values.weightings])


def could_have(running: Running, values: Values, *arms: str) -> npt.NDArray[np.bool_]:
    """Which entities came while all of these arms were given: others came at another time, and differ by that alone."""
    shares = zip(running.weightings, running.weights, strict=True)
    return np.isin(values.weightings, [n for n, w in shares if all(w.get(arm, 0) > 0 for arm in arms)])


def _only(values: Values, chosen: npt.NDArray[np.bool_]) -> Values:
    return Values(*(getattr(values, field)[chosen] for field in Values.__dataclass_fields__))


def found(
    running: Running,
    everybody: Values,
    values: Values | None,
    metric: str | None,
    wanted: float | None = None,
) -> Found:
    """Hold each arm against the first. `everybody`: all assignments; `values`: those that are measured."""
    odd = split(running, everybody)
    weights = running.weights[-1]
    counts = {arm: int((everybody.arms == arm).sum()) for arm in running.versions}
    if values is None or metric is None:
        arms = [
            Arm(a, v, weights[a], counts[a], 0, None, None, None, None) for a, v in running.versions.items()
        ]
        return Found(None, odd, 1.0, arms, 0, 0)
    known = values.ripe & np.isfinite(values.value)
    ripe = _only(values, known)
    adaptive = len({tuple(sorted(w.items())) for w in running.weights}) > 1
    arms = []
    for arm, version in running.versions.items():
        mine = ripe.arms == arm
        its = theirs = None
        apart = 0
        together = could_have(running, ripe, running.control, arm)
        both = _only(ripe, together)
        if arm != running.control and {running.control, arm} <= set(both.arms):
            before = both.before if np.isfinite(both.before).all() else None
            its = effect(both.arms, both.weights, both.value, running.control, arm, before=before)
            coming = int(could_have(running, values, running.control, arm).sum())
            theirs = power(its, running.days, wanted=wanted, coming=coming)
            apart = int((~together & np.isin(ripe.arms, [running.control, arm])).sum())
        given = _only(ripe, could_have(running, ripe, arm))
        arms.append(
            Arm(
                arm, version, weights[arm], counts[arm], int(mine.sum()),
                float(ripe.value[mine].mean()) if mine.any() else None,
                worth(given.arms, given.weights, given.value, arm) if adaptive and mine.any() else None,
                its, theirs, apart,
            )
        )  # fmt: skip
    return Found(
        metric,
        odd,
        split(running, ripe),
        arms,
        int((~values.ripe).sum()),
        int((values.ripe & ~np.isfinite(values.value)).sum()),
    )


def in_words(running: Running, arm: Arm, metric: str) -> str:
    """A sentence or two on one arm, with the figures."""
    control = running.control
    if arm.effect is None or arm.power is None:
        return f"{arm.arm}: no entity of it and of {control} has been measured yet."
    e = arm.effect
    if e.low is None or e.always_low is None or e.high is None or e.always_high is None:
        few = "are too few for an interval" if e.deviation > 0 else "do not vary, so there is no interval"
        return f"{arm.arm}: {e.treated_entities:,} of its entities and {e.control_entities:,} of {control} {few}."
    verdict = {
        "higher": f"{arm.arm} has a higher {metric} than {control}",
        "lower": f"{arm.arm} has a lower {metric} than {control}",
        "open": f"{arm.arm} and {control} cannot be told apart by {metric}",
    }[e.verdict]
    said = (
        f"{verdict}: {e.difference:+.4g}, {e.always_low:+.4g} to {e.always_high:+.4g} however often one looks "
        f"({e.low:+.4g} to {e.high:+.4g} for a single look, at {e.confidence:.0%})."
    )
    if arm.apart:
        said += (
            f" {arm.apart:,} entities that came while one of the two arms was given to nobody are left out."
        )
    if e.explained > 0.005:
        said += f" The time before the assignment explains {e.explained:.0%} of the variance."
    p = arm.power
    said += f" With these entities a difference of {p.detectable:.3g} is found {p.power:.0%} of the time."
    if p.wanted is not None and p.entities_needed is not None:
        missing = p.entities_needed - e.entities
        if missing <= 0:
            said += f" That is enough for {p.wanted:g}."
        else:
            days = "" if p.days_needed is None else f", about {p.days_needed:,.0f} days at this rate"
            said += f" For {p.wanted:g} it takes {missing:,} more{days}."
    return said

"""Whether entities were given to the arms as the weights say (sample ratio mismatch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp

import numpy as np
import numpy.typing as npt

CONCENTRATION = 100.0
"""How strongly the alternative keeps to the weights, in entities."""
ALARM = 0.001
"""Below it nothing else that an experiment says is believed."""


def balance(
    arms: Sequence[str] | npt.NDArray[np.str_],
    weights: Sequence[Mapping[str, float]],
    period: Sequence[int] | None = None,
) -> float:
    """A p-value that holds at every look: the probability that so odd a split is ever seen where all is right.

    `arms`: in the order of assignment. `weights`: those of each period between two changes, arms with weight 0 left out or 0;
    `period`: the number of each entity's, from 0. The test is the Bayes factor of a Dirichlet-multinomial
    against the multinomial of the weights (Lindon and Malek 2020); periods multiply.
    Raises ValueError for an arm that had no weight in its period.
    """
    names = np.asarray(arms)
    periods = np.zeros(len(names), dtype=np.int64) if period is None else np.asarray(period, dtype=np.int64)
    if len(periods) != len(names):
        raise ValueError(f"there are {len(names)} arms and {len(periods)} periods, expected as many")
    highest = behind = 0.0
    for number, shares in enumerate(weights):
        open_arms = {arm: share for arm, share in shares.items() if share > 0}
        mine = names[periods == number]
        strange = set(mine) - set(open_arms)
        if strange:
            raise ValueError(f"the arm {min(strange)} had no weight when entities were given to it")
        if not len(mine):
            continue
        total = sum(open_arms.values())
        # one entity after the other: how likely was it by those before, against by its weight
        factors = np.zeros(len(mine))
        for arm, share in open_arms.items():
            own = mine == arm
            seen = np.cumsum(own) - own
            expected = share / total
            predicted = (CONCENTRATION * expected + seen) / (CONCENTRATION + np.arange(len(mine)))
            factors[own] = np.log(predicted[own] / expected)
        path = behind + np.cumsum(factors)
        highest = max(highest, float(path.max()))
        behind = float(path[-1])
    return min(1.0, exp(-highest))

"""Worlds with a known truth: intervals cover it as often as they say.

Each test plays some hundred seeded worlds. What it allows is what a binomial of that many worlds and the stated
confidence does in all but one of ten thousand cases.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from modelpack.outcomes import statistics

WORLDS = 300
CONFIDENCE = 0.9


def allowed(worlds: int = WORLDS) -> tuple[int, int]:
    low, high = stats.binom.ppf([0.00005, 0.99995], worlds, CONFIDENCE)
    return int(low), int(high)


def covered(found: list[tuple[float | None, float | None]], truth: float) -> int:
    return sum(low is not None and high is not None and low <= truth <= high for low, high in found)


def binormal(
    random: np.random.Generator, ones: int, zeros: int, apart: float
) -> tuple[np.ndarray, np.ndarray]:
    y = np.r_[np.ones(ones), np.zeros(zeros)]
    return random.normal(0, 1, ones + zeros) + apart * y, y


def test_the_interval_of_the_auc_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    truth = stats.norm.cdf(1.0 / np.sqrt(2))
    found = []
    for _ in range(WORLDS):
        x, y = binormal(random, 60, 140, 1.0)
        figure = statistics.auc(x, y, confidence=CONFIDENCE)
        found.append((figure.low, figure.high))
    assert allowed()[0] <= covered(found, truth) <= allowed()[1]


def repeated(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A hundred entities at six cut-offs: score and outcome both depend on what the entity is like."""
    entity = np.repeat(np.arange(100), 6)
    likes = random.normal(0, 1, 100)[entity]
    x = likes + random.normal(0, 0.3, 600)
    y = (likes + random.normal(0, 1, 600) > 0).astype(float)
    return x, y, entity


def test_entities_in_several_cut_offs_make_the_interval_no_narrower_than_it_is() -> None:
    random = np.random.default_rng(12)
    many = [repeated(np.random.default_rng(1000 + k))[:2] for k in range(300)]
    truth = float(np.mean([statistics.auc(x, y).value for x, y in many]))
    found, naive = [], []
    for _ in range(WORLDS):
        x, y, entity = repeated(random)
        figure, alone = (
            statistics.auc(x, y, entity, confidence=CONFIDENCE),
            statistics.auc(x, y, confidence=CONFIDENCE),
        )
        found.append((figure.low, figure.high))
        naive.append((alone.low, alone.high))
    assert allowed()[0] <= covered(found, truth) <= allowed()[1]
    # as if each row were of an entity of its own: far too sure
    assert covered(naive, truth) < allowed()[0]


def test_a_paired_comparison_covers_the_true_difference_and_finds_none_where_there_is_none() -> None:
    random = np.random.default_rng(13)
    better, wrong = [], 0
    truth = stats.norm.cdf(1.0 / np.sqrt(2 * 1.25)) - stats.norm.cdf(1.0 / np.sqrt(2 * 1.0))
    for _ in range(WORLDS):
        x, y = binormal(random, 80, 120, 1.0)
        # as noise of its own of a quarter of the variance: the same rows, less well ordered
        noisy = x + random.normal(0, 0.5, 200)
        found = statistics.compare_ranking(x, noisy, y, confidence=CONFIDENCE, samples=0)
        better.append((found.low, found.high))
        twins = [x + random.normal(0, 0.5, 200) for _ in range(2)]
        same = statistics.compare_ranking(*twins, y, confidence=CONFIDENCE, samples=0)
        assert same.low is not None
        assert same.high is not None
        wrong += not same.low <= 0 <= same.high
    assert allowed()[0] <= covered(better, truth) <= allowed()[1]
    assert WORLDS - allowed()[1] <= wrong <= WORLDS - allowed()[0]


def test_the_bootstrap_covers_the_true_difference_too() -> None:
    random = np.random.default_rng(14)
    truth = stats.norm.cdf(1.0 / np.sqrt(2 * 1.25)) - stats.norm.cdf(1.0 / np.sqrt(2 * 1.0))
    found = []
    for _ in range(100):
        x, y = binormal(random, 80, 120, 1.0)
        noisy = x + random.normal(0, 0.5, 200)
        one = statistics.compare_ranking(x, noisy, y, confidence=CONFIDENCE, samples=120)
        found.append((one.bootstrap_low, one.bootstrap_high))
    assert allowed(100)[0] <= covered(found, truth) <= allowed(100)[1]


def test_the_interval_of_a_mean_loss_covers_with_entities_in_several_cut_offs() -> None:
    random = np.random.default_rng(15)
    found = []
    for _ in range(WORLDS):
        entity = np.repeat(np.arange(80), 5)
        losses = 2 + random.normal(0, 1, 80)[entity] + random.normal(0, 0.5, 400)
        figure = statistics.mean(losses, entity, confidence=CONFIDENCE)
        found.append((figure.low, figure.high))
    assert allowed()[0] <= covered(found, 2.0) <= allowed()[1]

"""Figures held against scikit-learn, scipy, and definitions written out here the slow way."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from scipy import stats
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from modelpack.outcomes import statistics
from modelpack.outcomes.statistics import figures
from modelpack.outcomes.statistics.comparison import _Ordered
from modelpack.outcomes.statistics.ranking import components, covariance, midranks

WORLDS = [(seed, ties) for seed in range(6) for ties in (False, True)]


def world(seed: int, ties: bool = False, rows: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are probabilities, and what came of them; with ties, few different scores."""
    random = np.random.default_rng(seed)
    scores = random.beta(2, 3, rows)
    if ties:
        scores = np.round(scores, 1)
    return scores, (random.random(rows) < scores).astype(float)


def kernel(one: float, zero: float) -> float:
    return 1.0 if one > zero else 0.5 if one == zero else 0.0


def delong(columns: list[np.ndarray], y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong, DeLong and Clarke-Pearson (1988) as it is printed: structural components, pair by pair."""
    tens, ones = [], []
    for x in columns:
        psi = np.array([[kernel(a, b) for b in x[y == 0]] for a in x[y == 1]])
        tens.append(psi.mean(axis=1))
        ones.append(psi.mean(axis=0))
    s10, s01 = np.cov(tens), np.cov(ones)
    m, n = (y == 1).sum(), (y == 0).sum()
    return np.array([v.mean() for v in tens]), np.atleast_2d(s10) / m + np.atleast_2d(s01) / n


@pytest.mark.parametrize(("seed", "ties"), WORLDS)
def test_the_auc_and_its_variance_are_those_of_delong_written_out(seed: int, ties: bool) -> None:
    x, y = world(seed, ties)
    other = np.round(x + np.random.default_rng(seed + 50).normal(0, 0.2, len(x)), 2)
    values, matrix = delong([x, other], y)
    parts = [components(c, y) for c in (x, other)]
    found = covariance(parts, y, np.arange(len(y)))
    assert found is not None
    assert [p[0] for p in parts] == pytest.approx(values.tolist())
    assert found == pytest.approx(matrix)
    figure = statistics.auc(x, y)
    assert figure.value == pytest.approx(roc_auc_score(y, x))
    assert figure.error == pytest.approx(np.sqrt(matrix[0, 0]))


def test_midranks_are_those_of_scipy() -> None:
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    assert midranks(values).tolist() == stats.rankdata(values).tolist()


def test_the_interval_of_the_auc_is_normal_on_the_logit_scale() -> None:
    x, y = world(1)
    figure = statistics.auc(x, y, confidence=0.9)
    assert figure.error is not None
    at, spread = stats.logistic.ppf(figure.value), figure.error / (figure.value * (1 - figure.value))
    assert (figure.low, figure.high) == pytest.approx(
        tuple(stats.logistic.cdf(stats.norm.ppf([0.05, 0.95], at, spread)))
    )


def clustered_by_hand(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> float:
    """The variance of Obuchowski (1997), cluster by cluster."""
    v10 = {i: np.mean([kernel(x[i], x[j]) for j in np.flatnonzero(y == 0)]) for i in np.flatnonzero(y == 1)}
    v01 = {j: np.mean([kernel(x[i], x[j]) for i in np.flatnonzero(y == 1)]) for j in np.flatnonzero(y == 0)}
    a, m, n = np.mean(list(v10.values())), len(v10), len(v01)
    tens, ones = [], []
    for g in np.unique(groups):
        own = np.flatnonzero(groups == g)
        tens.append((sum(v10[i] for i in own if i in v10), sum(i in v10 for i in own)))
        ones.append((sum(v01[i] for i in own if i in v01), sum(i in v01 for i in own)))
    clusters = len(tens)
    i10, i01 = sum(c > 0 for _, c in tens), sum(c > 0 for _, c in ones)
    s10 = i10 / ((i10 - 1) * m) * sum((s - c * a) ** 2 for s, c in tens)
    s01 = i01 / ((i01 - 1) * n) * sum((s - c * a) ** 2 for s, c in ones)
    s11 = (
        clusters
        / (clusters - 1)
        * sum((s - c * a) * (t - d * a) for (s, c), (t, d) in zip(tens, ones, strict=True))
    )
    return float(s10 / m + s01 / n + 2 * s11 / (m * n))


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_one_entity_are_one_cluster(seed: int) -> None:
    x, y = world(seed, rows=60)
    groups = np.random.default_rng(seed).integers(0, 20, 60)
    figure = statistics.auc(x, y, [f"customer {g}" for g in groups])
    assert figure.error == pytest.approx(np.sqrt(clustered_by_hand(x, y, groups)))


def test_the_same_rows_again_and_again_say_no_more_than_once() -> None:
    x, y = world(3)
    once = statistics.auc(x, y)
    again = statistics.auc(np.tile(x, 10), np.tile(y, 10), np.tile(np.arange(len(x)), 10))
    naive = statistics.auc(np.tile(x, 10), np.tile(y, 10))
    assert once.error is not None
    assert again.error is not None
    assert naive.error is not None
    assert again.value == pytest.approx(once.value)
    assert again.error == pytest.approx(once.error, rel=0.02)
    assert naive.error < once.error / 3


def test_a_perfect_order_has_no_interval_and_outcomes_that_are_all_the_same_no_auc() -> None:
    assert statistics.auc([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]) == statistics.Figure(1.0)
    with pytest.raises(ValueError, match="all the same"):
        statistics.auc([0.1, 0.2], [1, 1])
    # one entity alone has ones
    assert statistics.auc([0.1, 0.6, 0.3, 0.9], [0, 0, 1, 1], ["a", "b", "c", "c"]).low is None


@pytest.mark.parametrize(("seed", "ties"), WORLDS)
def test_average_precision_and_losses_are_those_of_scikit_learn(seed: int, ties: bool) -> None:
    x, y = world(seed, ties)
    x[:2], y[:2] = (0.0, 1.0), (1.0, 0.0)  # sure and wrong
    assert statistics.average_precision(x, y) == pytest.approx(average_precision_score(y, x))
    assert statistics.brier_losses(x, y).mean() == pytest.approx(brier_score_loss(y, x))
    assert statistics.log_losses(x, y).mean() == pytest.approx(log_loss(y, x))


@pytest.mark.parametrize(("seed", "ties"), WORLDS)
def test_isotonic_regression_is_that_of_scikit_learn(seed: int, ties: bool) -> None:
    x, y = world(seed, ties)
    assert statistics.isotonic(x, y) == pytest.approx(IsotonicRegression().fit(x, y).predict(x))


@pytest.mark.parametrize(("seed", "ties"), WORLDS)
def test_the_parts_of_the_brier_score_are_scores_of_forecasts(seed: int, ties: bool) -> None:
    x, y = world(seed, ties)
    should = IsotonicRegression().fit(x, y).predict(x)
    found = statistics.calibration(x, y)
    assert found.brier == pytest.approx(brier_score_loss(y, x))
    assert found.miscalibration == pytest.approx(brier_score_loss(y, x) - brier_score_loss(y, should))
    assert found.uncertainty == pytest.approx(brier_score_loss(y, np.full(len(y), y.mean())))
    assert found.discrimination == pytest.approx(found.uncertainty - brier_score_loss(y, should))
    assert min(found.miscalibration, found.discrimination) >= 0
    assert sum(rows for *_, rows in found.steps) == len(x)
    for low, high, value, rows in found.steps:
        inside = (low <= x) & (x <= high)
        assert (inside.sum(), y[inside].mean()) == (rows, pytest.approx(value))


def test_scores_that_lie_by_half_are_miscalibrated_and_discriminate_as_before() -> None:
    x, y = world(5, rows=4000)
    honest, lying = statistics.calibration(x, y), statistics.calibration(x / 2, y)
    assert honest.miscalibration < 0.005 < 0.03 < lying.miscalibration
    assert lying.discrimination == pytest.approx(honest.discrimination)


def test_bins_part_no_equal_scores_and_have_wilsons_interval() -> None:
    x, y = world(2, rows=100)
    found = statistics.bins(x, y, 10)
    assert [b.rows for b in found] == [10] * 10
    inside = y[np.argsort(x)][50:60]
    assert 0 < inside.sum() < 10
    wilson = stats.binomtest(int(inside.sum()), 10).proportion_ci(method="wilson")
    assert (found[5].came, found[5].came_low, found[5].came_high) == pytest.approx(
        (inside.mean(), wilson.low, wilson.high)
    )
    tied = np.round(x, 1)
    kept = statistics.bins(tied, y, 10)
    assert sum(b.rows for b in kept) == 100
    assert all(a.high < b.low for a, b in pairwise(kept))


def test_lift_is_the_rate_of_the_highest_against_that_of_all() -> None:
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    outcomes = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    assert statistics.lift(scores, outcomes, 0.2) == statistics.Lift(
        0.2, 2, 1.0, pytest.approx(10 / 3), pytest.approx(2 / 3)
    )
    assert statistics.lift(scores, outcomes, 1.0).lift == pytest.approx(1.0)


def test_equal_scores_on_the_border_count_as_they_would_on_average() -> None:
    x, y = world(4, ties=True, rows=40)
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        order = np.lexsort((random.random(40), -x))
        drawn.append(y[order][:10].sum() / y.sum())
    assert statistics.lift(x, y, 0.25).gain == pytest.approx(np.mean(drawn), abs=0.01)


def test_the_mean_of_rows_that_stand_alone_has_the_interval_of_the_t_test_without_t() -> None:
    values = np.random.default_rng(1).normal(3, 2, 50)
    figure = statistics.mean(values)
    assert figure.error == pytest.approx(stats.sem(values))
    assert (figure.low, figure.high) == pytest.approx(
        stats.norm.interval(0.95, values.mean(), stats.sem(values))
    )
    doubled = statistics.mean(np.repeat(values, 2), np.repeat(np.arange(50), 2))
    assert doubled.error == pytest.approx(figure.error)
    root = statistics.root_mean_square(values)
    assert root.value == pytest.approx(np.sqrt(np.mean(values**2)))


def test_expected_figures_are_those_of_every_truth_weighed_by_its_probability() -> None:
    """Six rows have 64 truths: the figures of each, weighed."""
    p = np.array([0.9, 0.7, 0.7, 0.4, 0.2, 0.05])
    brier = log = right = pairs = 0.0
    for truth in product((0.0, 1.0), repeat=6):
        y = np.array(truth)
        weight = np.prod(np.where(y == 1, p, 1 - p))
        brier += weight * np.mean((p - y) ** 2)
        log += weight * log_loss(y, p, labels=[0, 1])
        for a, b in product(p[y == 1], p[y == 0]):
            right += weight * kernel(a, b)
            pairs += weight
    found = statistics.expected(p)
    assert (found.brier, found.log_loss, found.rate) == pytest.approx((brier, log, p.mean()))
    # the expected number of pairs that are ordered rightly, of the expected number of pairs
    assert found.auc == pytest.approx(right / pairs)


def test_scores_that_lie_are_calibrated_by_settled_rows_before_anything_is_expected_of_them() -> None:
    x, y = world(6, rows=20_000)
    lying = x**2
    new, truth = world(7, rows=20_000)
    found = statistics.expected(new**2, (lying, y))
    assert found.auc == pytest.approx(roc_auc_score(truth, new), abs=0.01)
    assert found.brier == pytest.approx(brier_score_loss(truth, new**2), abs=0.005)
    raw = statistics.expected(new**2)
    assert abs(raw.brier - brier_score_loss(truth, new**2)) > 0.01


def test_two_versions_are_compared_by_the_paired_delong_and_in_words() -> None:
    random = np.random.default_rng(8)
    x, y = world(8, rows=1500)
    worse = x + random.normal(0, 0.5, len(x))
    _, matrix = delong([x[:300], worse[:300]], y[:300])
    few = statistics.compare_ranking(x[:300], worse[:300], y[:300])
    reach = stats.norm.ppf(0.975) * np.sqrt(matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1])
    assert few.low is not None
    assert (few.low, few.high) == pytest.approx((few.difference - reach, few.difference + reach))
    found = statistics.compare_ranking(x, worse, y)
    assert found.verdict == "worse"
    assert "version 2 orders worse than version 1: AUC" in found.in_words("version 1", "version 2")
    assert statistics.compare_ranking(worse, x, y).verdict == "better"
    same = statistics.compare_ranking(x, x, y)
    assert (same.verdict, same.difference) == ("open", 0.0)
    assert "version 1 and version 2 cannot be told apart" in same.in_words("version 1", "version 2")


def test_the_bootstrap_of_a_difference_agrees_with_scipys() -> None:
    x, y = world(9, rows=300)
    worse = x + np.random.default_rng(9).normal(0, 0.3, 300)
    found = statistics.compare_ranking(x, worse, y, samples=600)
    reference = stats.bootstrap(
        (x, worse, y),
        lambda a, b, t: roc_auc_score(t, b) - roc_auc_score(t, a),
        paired=True, vectorized=False, n_resamples=300, method="percentile", random_state=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert (found.bootstrap_low, found.bootstrap_high) == pytest.approx(tuple(reference), abs=0.02)
    losses = statistics.compare_losses("Brier score", (x - y) ** 2, (np.clip(worse, 0, 1) - y) ** 2)
    assert losses.low is not None
    assert (losses.bootstrap_low, losses.bootstrap_high) == pytest.approx((losses.low, losses.high), abs=0.01)
    assert losses.verdict == "worse"


def test_rows_of_a_resample_count_as_often_as_they_were_drawn() -> None:
    x, y = world(11, ties=True)
    times = np.random.default_rng(0).integers(0, 4, len(x)).astype(float)
    assert _Ordered(x, y).auc(times) == pytest.approx(roc_auc_score(y, x, sample_weight=times))
    assert _Ordered(x, y).auc(y) is None


def test_a_resample_takes_all_rows_of_an_entity() -> None:
    """Ten copies of each row under one entity: the bootstrap's interval stays as wide as that of the rows alone."""
    x, y = world(10, rows=200)
    worse = x + np.random.default_rng(10).normal(0, 0.3, 200)
    once = statistics.compare_ranking(x, worse, y, samples=500)
    often = [np.tile(v, 10) for v in (x, worse, y)]
    again = statistics.compare_ranking(*often, np.tile(np.arange(200), 10), samples=500)
    assert once.bootstrap_low is not None
    assert again.bootstrap_low == pytest.approx(once.bootstrap_low, abs=0.005)


@pytest.mark.parametrize(
    ("scores", "outcomes", "message"),
    [
        ([0.1], [0, 1], "1 scores and 2 outcomes"),
        ([0.1, float("nan")], [0, 1], "NaN or infinity"),
        ([0.1, 0.2], [0, 2], "other values than 0 and 1"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores: list[float], outcomes: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        statistics.auc(scores, outcomes)


def test_scores_that_are_no_probabilities_have_no_losses_of_probabilities() -> None:
    for figure in (statistics.brier_losses, statistics.log_losses, statistics.calibration):
        with pytest.raises(ValueError, match="no probabilities"):
            figure([1.5, 0.2], [1, 0])
    with pytest.raises(ValueError, match="no probabilities"):
        statistics.expected([1.5, 0.2])


@pytest.mark.parametrize("first", [[0.1, 0.2, 0.8, 0.9], [0.3, 0.2, 0.25, 0.9]])
def test_an_order_without_a_fault_gives_a_comparison_no_interval(first: list[float]) -> None:
    found = statistics.compare_ranking(first, [0.1, 0.2, 0.7, 0.9], [0, 0, 1, 1])
    assert (found.second, found.low, found.high) == (1.0, None, None)
    assert found.verdict == "open"


def of_none(entities: int, confidence: float = 0.95) -> float:
    """Clopper and Pearson's upper bound of a share of which none was seen, by the beta distribution."""
    return float(stats.beta.ppf((1 + confidence) / 2, 1, entities))


@pytest.mark.parametrize("rows", [4, 100])
@pytest.mark.parametrize("off", [0.0, 1e-9, -0.1])
def test_rows_that_all_lose_the_same_more_say_as_much_as_their_number(rows: int, off: float) -> None:
    outcomes = np.arange(rows) % 2
    first = np.abs(outcomes - 0.3)
    loss = 0.3 + off
    found = figures.compare("Brier score", first, np.abs(outcomes - loss), outcomes, samples=100)
    difference, share = loss**2 - 0.09, of_none(rows)
    assert found.difference == pytest.approx(difference)
    assert found.low == pytest.approx(difference - share * (1 + difference))
    assert found.high == pytest.approx(difference + share * (1 - difference))
    # nothing bounds an absolute error
    assert figures.compare("MAE", first, first, outcomes, samples=100).low is None
    # of one entity there is nothing to tell
    alone = figures.compare("Brier score", first, first, outcomes, [1] * rows, samples=100)
    assert (alone.low, alone.high) == (None, None)


@pytest.mark.parametrize("rows", [6, 200])
def test_two_versions_that_order_alike_differ_by_no_more_than_unseen_entities_could(rows: int) -> None:
    outcomes = np.arange(rows) % 3 == 0
    first = np.random.default_rng(1).permutation(np.linspace(0.1, 0.9, rows))
    found = statistics.compare_ranking(first, first**2, outcomes, samples=0)
    assert 0 < found.first < 1
    reach = of_none(int(outcomes.sum())) + of_none(int((~outcomes).sum()))
    assert (found.difference, found.low, found.high) == (0, pytest.approx(-reach), pytest.approx(reach))


@pytest.mark.parametrize(
    ("figure", "rows", "ones", "said"),
    [
        ("AUC", 29, 12, "29 entities, expected 30"),
        ("AUC", 200, 9, "9 entities with the outcome 1, expected 10"),
        ("log loss", 200, 191, "9 entities with the outcome 0, expected 10"),
        ("Brier score", 200, 10, None),
        ("AUC", 30, 10, None),
        ("MAE", 30, 1, None),
        ("MAE", 29, 10, "29 entities, expected 30"),
    ],
)
def test_a_requirement_is_not_judged_by_few_entities(
    figure: str, rows: int, ones: int, said: str | None
) -> None:
    random = np.random.default_rng(2)
    outcomes = np.r_[np.ones(ones), np.zeros(rows - ones)]
    first, second = random.uniform(0.1, 0.9, rows), random.uniform(0.1, 0.9, rows)
    entities = [*range(rows), *range(rows)]  # each twice: rows are no entities
    found = figures.figure_of_both(figure, [*first] * 2, [*second] * 2, [*outcomes] * 2, entities, 0.95)
    assert found["too_few"] == said
    bounds = [found[b] for b in ("low", "high", "second_low", "second_high")]
    assert [b is None for b in bounds] == [said is not None] * 4
    assert found["difference"] == pytest.approx(found["second"] - found["first"])

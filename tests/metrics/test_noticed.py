"""What people would notice: the published curve, its fit to the answers, and how sure it is."""

from __future__ import annotations

import csv
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import betabinom, spearmanr

from limen import metrics
from limen.metrics import METRICS, Metric, psychometrics
from limen.metrics.metric import measured
from limen.metrics.psychometrics import CALIBRATION, FALSE_ALARMS, OFFSET, answers, answers_to_one, excess
from limen.runs import Calibration, MetricColumn

MAD = np.array([0, 0.03, 0.1, 0.3, 1, 3])
PEOPLE, PHOTOGRAPHS = 35, 80


def test_the_curve_passes_where_the_study_was_fitted():
    np.testing.assert_allclose(100 * answers(MAD), [15, 26, 41, 62, 81, 92], atol=0.6)
    np.testing.assert_allclose(answers(MAD), FALSE_ALARMS + (1 - FALSE_ALARMS) * excess(MAD))
    np.testing.assert_allclose(excess(MAD), expit(1.327 + 0.883 * np.log(MAD + 0.01)))


def test_the_band_of_a_single_image_is_that_of_the_beta_binomial_fit():
    low, high = (100 * each for each in answers_to_one(MAD))
    assert low.round().tolist() == [2, 8, 19, 37, 60, 77]
    assert high.round().tolist() == [38, 54, 70, 87, 97, 100]
    narrow = answers_to_one(MAD, 0.5)
    assert (narrow[0] > answers_to_one(MAD)[0]).all()
    assert (narrow[1] < answers_to_one(MAD)[1]).all()


def test_what_the_curve_leaves_uncertain_gives_the_studys_intervals():
    """The bootstrap's 95 % intervals of the mean at each MAD, whose false alarms are uncertain by person."""
    generator = np.random.default_rng(0)
    curves = CALIBRATION.curves(20_000, generator)
    assert np.percentile(curves, [2.5, 97.5], 0).round(1).T.tolist() == [[0.9, 1.7], [0.7, 1.0]]
    false = FALSE_ALARMS + 0.012 * generator.standard_normal((20_000, 1))
    drawn = false + (1 - false) * CALIBRATION.redrawn(excess(MAD), curves)
    low, high = 100 * np.percentile(drawn, [2.5, 97.5], 0)
    np.testing.assert_allclose(low, [12, 19, 33, 53, 75, 88], atol=1.2)
    np.testing.assert_allclose(high, [20, 33, 49, 68, 87, 95], atol=1.2)


def test_other_curves_are_applied_to_the_mad_behind_a_share():
    other = Calibration(1.0, 0.5, (0.0, 0.0, 0.0))
    redrawn = CALIBRATION.redrawn(excess(MAD), np.array([[1.0, 0.5], [1.327, 0.883]]))
    np.testing.assert_allclose(redrawn, [other.values(np.log(MAD + OFFSET)), excess(MAD)])
    edges = CALIBRATION.redrawn(np.array([0.0, 1.0, np.nan]), np.array([[1.0, 0.5]]))
    np.testing.assert_array_equal(edges, [[0, 1, np.nan]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_metric_is_the_curve_over_mad(dtype):
    generator = torch.Generator().manual_seed(0)
    a = torch.full((4, 3, 32, 32), 0.5, dtype=dtype)
    strength = torch.tensor([0, 0.02, 0.05, 0.2], dtype=dtype).view(-1, 1, 1, 1)
    b = (a + strength * torch.randn(a.shape, generator=generator, dtype=dtype)).clamp(0, 1)
    values = metrics.noticed(a, b)
    assert values.dtype == dtype
    np.testing.assert_allclose(values, excess(metrics.mad(a, b).double().numpy()), rtol=1e-5)
    assert (values.diff() > 0).all()
    assert metrics.noticed_from_mad(torch.tensor([math.inf], dtype=dtype)).item() == 1


def test_mad_is_measured_once_for_both_in_any_order():
    calls = []
    counted = Metric(METRICS["mad"].column, lambda a, b: calls.append(1) or metrics.mad(a, b), 16)
    a, b = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for order in ([counted, METRICS["noticed"]], [METRICS["noticed"], METRICS["l2"], counted]):
        calls.clear()
        found = measured(order, a, b)
        assert len(calls) == 1
        assert set(found) == {each.column.key for each in order}
        assert torch.equal(found["noticed"], metrics.noticed(a, b))
        assert torch.equal(found["mad"], metrics.mad(a, b))
    assert torch.equal(measured([METRICS["noticed"]], a, b)["noticed"], metrics.noticed(a, b))


def test_a_derived_metric_of_ones_own_is_a_function_of_values():
    column = MetricColumn("doubled", "doubled")
    doubled = Metric(
        column, lambda a, b: 2 * metrics.l2(a, b), derived_from="l2", derivation=lambda values: values * 2
    )
    a, b = torch.rand(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(measured([doubled, METRICS["l2"]], a, b)["doubled"], doubled(a, b))


def test_every_derived_metric_says_of_what():
    derived = {name: metric.derived_from for name, metric in METRICS.items() if metric.derived_from}
    assert derived == {"noticed": "mad"}
    assert METRICS["noticed"].least_side == METRICS["mad"].least_side


def test_its_column_is_a_percentage_with_limits():
    column = METRICS["noticed"].column
    assert (column.heading, column.axis, column.centre) == ("would notice, %", "would notice (%)", "mean")
    assert column.shown(0.349) == "34.9"
    assert not column.higher_is_better
    for limit in ("35 people", "15 points either way", "MAD is 0"):
        assert limit in column.caveat
    assert 2 <= column.caveat.count(". ") + 1 <= 4
    assert {metric.column.caveat for name, metric in METRICS.items() if name != "noticed"} == {""}


def fitted(x: np.ndarray, shares: np.ndarray, weights: np.ndarray, false: float) -> np.ndarray:
    """a and b of the greatest binomial likelihood, by Fisher's scoring."""
    found = step = np.array([1.0, 1.0])
    for _ in range(30):
        seen = expit(found[0] + found[1] * x)
        mean = false + (1 - false) * seen
        slope = (1 - false) * seen * (1 - seen) * np.stack([np.ones_like(x), x])
        information = weights / (mean * (1 - mean))
        step = np.linalg.solve((slope * information) @ slope.T, slope @ (information * (shares - mean)))
        found = found + step
    assert abs(step).max() < 1e-8
    return found


ATTACKS = ("bim", "bim_entropy_masked")


@pytest.fixture(scope="module")
def pairs(real_data):
    with (real_data / "perceptual" / "noticed.csv").open() as file:
        return list(csv.DictReader(file))


def column(pairs, name: str, *attacks: str) -> np.ndarray:
    return np.array([float(row[name]) for row in pairs if row["attack"] in (attacks or ATTACKS)])


@pytest.fixture
def study(pairs):
    photographs = [int(row["photograph"]) for row in pairs]
    return np.log(column(pairs, "mad") + OFFSET), column(pairs, "share_noticed"), photographs


@pytest.mark.data
def test_the_curve_is_the_fit_to_the_answers(study):
    x, shares, _ = study
    found = fitted(x, shares, np.ones(len(x)), 273 / 2800)
    np.testing.assert_allclose(found, [CALIBRATION.intercept, CALIBRATION.slope], atol=0.002)


@pytest.mark.data
def test_the_covariance_is_that_of_the_fit_over_photographs_and_people(study):
    """The file has no answers by person: those who notice more shift all shares alike, as they did there."""
    x, shares, photograph = study
    generator, found = np.random.default_rng(0), []
    for _ in range(1000):
        weights = generator.multinomial(PHOTOGRAPHS, np.full(PHOTOGRAPHS, 1 / PHOTOGRAPHS))[photograph]
        moved = np.clip(shares + 0.11 / math.sqrt(PEOPLE) * generator.standard_normal(), 0, 1)
        false = FALSE_ALARMS + 0.07 / math.sqrt(PEOPLE) * generator.standard_normal()
        found.append(fitted(x, moved, weights, false))
    covariance = np.cov(np.array(found).T)
    first, both, second = CALIBRATION.covariance
    assert math.sqrt(first) == pytest.approx(math.sqrt(covariance[0, 0]), rel=0.15)
    assert math.sqrt(second) == pytest.approx(math.sqrt(covariance[1, 1]), rel=0.15)
    assert both / math.sqrt(first * second) == pytest.approx(np.corrcoef(np.array(found).T)[0, 1], abs=0.2)


@pytest.mark.data
def test_the_spread_of_single_images_is_the_beta_binomial_fit(study):
    x, shares, _ = study
    counts = (PEOPLE * shares).round()
    at = (psychometrics._PAIR_INTERCEPT, psychometrics._PAIR_SLOPE, math.log(psychometrics._PAIR_SUM))

    def likelihood(intercept: float, slope: float, log_sum: float) -> float:
        mean = FALSE_ALARMS + (1 - FALSE_ALARMS) * expit(intercept + slope * x)
        total = math.exp(log_sum)
        return betabinom.logpmf(counts, PEOPLE, mean * total, (1 - mean) * total).sum()

    best = likelihood(*at)
    for place in range(3):
        for move in (-0.03, 0.03):
            assert likelihood(*(each + move * (place == i) for i, each in enumerate(at))) < best


@pytest.mark.data
@pytest.mark.parametrize(
    ("metric", "all_and_within"),
    {
        "mad": [0.87, 0.89, 0.90],
        "ssim": [-0.82, -0.87, -0.76],
        "l2": [0.75, 0.77, 0.76],
        "linf": [0.62, 0.78, 0.87],
        "ciede2000": [0.44, 0.63, 0.03],
    }.items(),
)
def test_metrics_rank_images_as_the_docs_say(pairs, metric, all_and_within):
    chosen = [ATTACKS, *((attack,) for attack in ATTACKS)]
    found: list[Any] = [
        spearmanr(column(pairs, metric, *each), column(pairs, "share_noticed", *each)) for each in chosen
    ]
    assert [each.statistic.round(2) for each in found] == all_and_within


@pytest.mark.data
def test_one_attack_says_little_of_the_other_as_the_docs_say(pairs):
    assert [column(pairs, "l2", each).mean().round(1) for each in ATTACKS] == [6.9, 6.7]
    assert [column(pairs, "share_noticed", each).mean().round(2) for each in ATTACKS] == [0.64, 0.42]
    unseen = column(pairs, "share_noticed")[column(pairs, "mad") == 0]
    assert (len(unseen), round(100 * (unseen.mean() - FALSE_ALARMS), 1)) == (47, 3.8)
    off = []
    for one, other in (ATTACKS, ATTACKS[::-1]):
        (x, shares), (at, truth) = (
            (np.log(column(pairs, "mad", each) + OFFSET), column(pairs, "share_noticed", each))
            for each in (one, other)
        )
        intercept, slope = fitted(x, shares, np.ones(len(x)), FALSE_ALARMS)
        told = FALSE_ALARMS + (1 - FALSE_ALARMS) * expit(intercept + slope * at)
        off.append(round(100 * (told - truth).mean()))
    assert off == [15, -17]

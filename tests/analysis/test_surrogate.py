from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from limen.analysis.surrogate import estimate_dual
from limen.errors import UsageError


def test_the_dual_is_the_radius_times_the_weight_and_the_mean_surrogate():
    made = estimate_dual(np.array([1.0, 2.0]), np.array([4.0, 2.5]), np.array([1.0, 1.0]), 2.0, 0.25)
    # The second image stays: 2.5 − 2·1 is less than its clean loss.
    assert made.value == 2 * 0.25 + (2.0 + 2.0) / 2
    assert (made.clean, made.loss, made.cost) == (1.5, 3.0, 0.5)
    assert made.low <= made.value <= made.high


def test_where_the_cost_is_not_finite_the_image_stays():
    made = estimate_dual(np.array([1.0]), np.array([9.0]), np.array([np.nan]), 1.0, 0.0)
    assert (made.value, made.cost) == (1.0, 0.0)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    draws, held = np.random.default_rng(0), 0
    for seed in range(100):
        clean = draws.exponential(size=60)
        made = estimate_dual(clean, clean - 1, np.zeros(60), 1.0, 0.5, seed)
        held += made.low <= 1.5 <= made.high
    assert 85 <= held <= 99


def test_no_distribution_within_the_radius_has_a_greater_loss():
    """Of a logistic loss on a line, φ is one maximum; the dual bounds what transport of that cost gains."""
    draws = np.random.default_rng(1)
    margins, weight, radius = draws.normal(size=40), 0.5, 0.3

    def loss(margin, moved):
        return np.log1p(np.exp(-(margin - moved)))

    def best(margin):
        found = minimize_scalar(
            lambda t: weight * t**2 - loss(margin, t),
            bounds=(0, 5),
            method="bounded",
            options={"xatol": 1e-9},
        )
        return found.x

    moves = np.array([best(margin) for margin in margins])
    made = estimate_dual(loss(margins, 0.0), loss(margins, moves), moves**2, weight, radius)
    for _ in range(50):
        other = draws.exponential(size=40)
        other *= np.sqrt(radius / (other**2).mean())
        assert loss(margins, other).mean() <= made.value + 1e-9
    # With the radius that the worst distribution spends, the bound is its own loss.
    spent = estimate_dual(
        loss(margins, 0.0), loss(margins, moves), moves**2, weight, float((moves**2).mean())
    )
    assert spent.value == pytest.approx(loss(margins, moves).mean(), abs=1e-9)


@pytest.mark.parametrize(("count", "weight", "radius"), [(0, 1.0, 1.0), (1, -1.0, 1.0), (1, 1.0, -1.0)])
def test_what_has_no_dual_is_one_clear_error(count, weight, radius):
    with pytest.raises(UsageError, match="the dual of"):
        estimate_dual(np.ones(count), np.ones(count), np.ones(count), weight, radius)

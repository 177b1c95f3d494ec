"""d′, shares and psychometric curves of answers, against what is known of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from limen.analysis import (
    CHECK,
    SAME,
    Answers,
    NoCurveError,
    crossed_covariance,
    crossed_half,
    crossed_quantile,
    false_alarms,
    noticed,
    psychometric_curve,
    slips,
)


def every_pair(people: int, images: int, yes: np.ndarray, same: np.ndarray) -> Answers:
    """Everyone sees every photograph once under attack 0 and once as it is."""
    person, image = np.divmod(np.arange(people * images), images)
    kinds = np.repeat([0, -1], people * images)
    return Answers(
        np.tile(person, 2), np.tile(image, 2), kinds, np.concatenate([yes.ravel(), same.ravel()]) > 0
    )


def test_the_variance_is_that_of_independent_answers_where_nobody_is_alike():
    # Everyone sees one photograph that nobody else sees: the textbook's variance of a mean, by either way.
    values = np.random.default_rng(0).normal(size=50)
    influences = (values - values.mean())[:, None] / 50
    who = np.arange(50)
    found = crossed_covariance(influences, who, who, np.zeros((1, 1)))
    textbook = values.var(ddof=1) / 50
    # Twice the sum over groups, less that over both, which is not corrected.
    assert found[0, 0] == pytest.approx(2 * textbook - textbook * 49 / 50)


def test_the_variance_over_people_alone_is_that_of_their_means():
    # All photographs alike: what is left of the variance is that of the people's means.
    means = np.random.default_rng(1).normal(size=(12, 1)) + np.zeros((12, 30))
    influences = (means - means.mean()).reshape(-1, 1) / means.size
    people, images = np.divmod(np.arange(means.size), 30)
    found = crossed_covariance(influences, people, images, np.zeros((1, 1)))
    of_means = means[:, 0].var(ddof=1) / 12
    assert found[0, 0] == pytest.approx(of_means - influences.T @ influences)


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 3), st.integers(0, 99))
def test_the_covariance_is_never_below_that_of_independent_answers(people, images, figures, seed):
    draw = np.random.default_rng(seed)
    influences = draw.normal(size=(people * images, figures))
    who = np.divmod(np.arange(people * images), images)
    factor = draw.normal(size=(figures, figures))
    least = factor @ factor.T
    found = crossed_covariance(influences, *who, least)
    assert np.linalg.eigvalsh(found - least).min() >= -1e-9 * max(1.0, abs(found).max())


def test_one_person_or_one_photograph_tells_nothing_of_others():
    assert crossed_half(np.zeros(5), np.zeros(5, int), np.arange(5), 0.1) == math.inf
    assert crossed_quantile(np.zeros(5), np.arange(5)) == math.inf
    assert crossed_quantile(np.arange(100), np.arange(100)) == pytest.approx(stats.t.ppf(0.975, 99))


def test_d_prime_and_share_are_those_of_the_rates():
    yes = np.arange(400).reshape(20, 20) % 10 < 7
    same = np.arange(400).reshape(20, 20) % 10 < 2
    found = noticed(every_pair(20, 20, yes, same), 0)
    hits, alarms = 280.5 / 401, 80.5 / 401
    assert (found.people, found.images, found.answers, found.yes.value) == (20, 20, 400, 0.7)
    assert found.d_prime.value == pytest.approx(stats.norm.ppf(hits) - stats.norm.ppf(alarms))
    assert found.share.value == pytest.approx((hits - alarms) / (1 - alarms))
    assert found.share.low < found.share.value < found.share.high
    assert false_alarms(every_pair(20, 20, yes, same)).value == pytest.approx(0.2)


@pytest.mark.parametrize(("yes", "same"), [*itertools.product([0, 1], repeat=2)])
def test_answers_that_are_all_alike_still_have_finite_intervals(yes, same):
    found = noticed(every_pair(6, 6, np.full((6, 6), yes), np.full((6, 6), same)), 0)
    for figure in (found.yes, found.share, found.d_prime):
        assert figure.low < figure.high
        assert figure.low <= figure.value <= figure.high
        assert np.isfinite([figure.low, figure.high]).all()


@pytest.mark.parametrize("d_prime", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("task", ["2afc", "match"])
def test_d_prime_of_right_answers_is_that_of_an_observer_who_compares(task, d_prime):
    # By integration over two pictures, and by lot of three, of which the nearer to the first is chosen.
    if task == "2afc":
        right = integrate.quad(lambda x: stats.norm.pdf(x, d_prime) * stats.norm.cdf(x), -9, 12)[0]
    else:
        draw = np.random.default_rng(0).normal(size=(3, 400_000))
        right = np.mean(abs(draw[1] - draw[0]) < abs(draw[2] + d_prime - draw[0]))
    count = 200_000
    yes = np.arange(count) < round(right * count)
    answers = Answers(np.arange(count) % 50, np.arange(count) % 49, np.zeros(count, int), yes)
    found = noticed(answers, 0, task=task)
    assert found.d_prime.value == pytest.approx(d_prime, abs=0.02)
    assert found.share.value == pytest.approx(2 * right - 1, abs=1e-4)


def test_what_nobody_was_asked_is_unknown():
    answers = every_pair(3, 3, np.zeros((3, 3)), np.zeros((3, 3)))
    assert noticed(answers, 1).answers == 0
    assert math.isnan(noticed(answers, 1).share.value)
    only = answers.chosen(answers.kinds == 0)
    assert math.isnan(noticed(only, 0).share.value)
    assert math.isnan(false_alarms(only).value)
    assert noticed(only, 0).yes.value == 0


def curved(people: int, images: int, a: float, b: float, chance: float, lapse: float = 0.0, seed: int = 0):
    """Answers that follow a curve, to altered and identical pairs, and the x of each."""
    draw = np.random.default_rng(seed)
    x = draw.uniform(-6, 6, images)
    share = chance + (1 - chance - lapse) / (1 + np.exp(-a - b * x))
    shape = people, images
    yes, same = draw.random(shape) < share, draw.random(shape) < chance
    values = np.concatenate([np.broadcast_to(x, shape).ravel(), np.full(people * images, np.nan)])
    return every_pair(people, images, yes, same), values


@pytest.mark.parametrize("unit", [(1.0, 0.0), (1e-3, 5.0), (1e4, -3e4)], ids=["one", "small", "far"])
def test_a_curve_is_found_whatever_the_unit_of_the_metric(unit):
    answers, x = curved(60, 100, -0.5, 0.8, 0.1, 0.03)
    curve = psychometric_curve(answers, unit[0] * x + unit[1])
    found = curve.calibration
    assert found.slope * unit[0] == pytest.approx(0.8, abs=0.1)
    assert found.intercept + found.slope * unit[1] == pytest.approx(-0.5, abs=0.12)
    assert curve.lapse == pytest.approx(0.03, abs=0.02)
    assert curve.chance == pytest.approx(0.1, abs=0.02)
    assert (curve.threshold.value - unit[1]) / unit[0] == pytest.approx(0.625, abs=0.15)
    assert curve.threshold.low < curve.threshold.value < curve.threshold.high
    middle, low, high = curve.share(np.array([curve.threshold.value]))
    assert middle[0] == pytest.approx(0.5)
    assert low[0] < 0.5 < high[0]
    assert curve.answers(np.array([-1e9 if unit[0] == 1 else -1e12]))[0] == pytest.approx(curve.chance)
    assert curve.pairs == 100
    assert curve.rank > 0.9


def test_chance_of_sides_is_a_half_and_takes_no_identical_pairs():
    answers, x = curved(40, 60, 0.0, 1.0, 0.5)
    altered = answers.kinds == 0
    curve = psychometric_curve(answers.chosen(altered), x[altered], task="2afc", lapses=0)
    assert (curve.chance, curve.lapse) == (0.5, 0.0)
    assert curve.threshold.value == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda answers, x: (answers, np.where(np.isnan(x), x, 1.0)), "it has 1 values, and a curve needs 4"),
        (lambda answers, x: (answers, -x), "noticing does not rise with it"),
        (
            lambda answers, x: (answers.chosen(answers.kinds == 0), x[answers.kinds == 0]),
            "no identical pairs were shown, which tell false alarms",
        ),
    ],
    ids=["flat", "falling", "no identical pairs"],
)
def test_what_has_no_curve_is_told(change, says):
    with pytest.raises(NoCurveError, match=says):
        psychometric_curve(*change(*curved(20, 20, 0.0, 1.0, 0.1)))


def with_slips(task: str, rates: tuple[float, float], slip: float) -> Answers:
    """100 people answer 100 pairs of each kind; a slip turns each answer into the other at exact rates."""
    kinds = (0, SAME, CHECK) if task == "same-different" else (0, CHECK)
    person, image = np.divmod(np.arange(10_000), 100)
    yes = []
    for rate in (*rates[: len(kinds) - 1], 1.0):
        count = round(10_000 * (rate + slip * (1 - 2 * rate)))
        yes.append(np.random.default_rng(len(yes)).permutation(np.arange(10_000) < count))
    return Answers(
        np.tile(person, len(kinds)),
        np.tile(image, len(kinds)),
        np.repeat(kinds, 10_000),
        np.concatenate(yes),
    )


@pytest.mark.parametrize("task", ["same-different", "2afc", "match"])
def test_pairs_that_nobody_can_miss_take_slips_out_of_shares_and_d_prime(task):
    rates = (0.7, 0.1)
    careful, slipping = (noticed(with_slips(task, rates, slip), 0, task=task) for slip in (0.0, 0.05))
    assert slipping.yes.value == pytest.approx(0.68)
    assert slipping.share.value == pytest.approx(careful.share.value, abs=1e-3)
    assert slipping.d_prime.value == pytest.approx(careful.d_prime.value, abs=2e-3)
    assert slipping.d_prime.high - slipping.d_prime.low > careful.d_prime.high - careful.d_prime.low
    blind = with_slips(task, rates, 0.05)
    as_answered = noticed(blind.chosen(blind.kinds != CHECK), 0, task=task)
    assert as_answered.d_prime.value < careful.d_prime.value - 0.05
    assert slips(blind).low < 0.05 < slips(blind).high


def test_people_who_miss_most_of_what_nobody_can_miss_make_no_figure_infinite():
    answers = with_slips("same-different", (0.02, 0.01), 0.5)
    found = noticed(answers, 0)
    assert math.isfinite(found.d_prime.low)
    assert math.isfinite(found.share.low)

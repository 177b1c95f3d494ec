from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import GroupFigures, axis_of, rejections, trend
from limen.errors import UsageError

IMAGES = np.array([4, 30, 9, 120, 55, 17, 70])
GDP = np.array([900.0, 2500, 4100, 8800, 21000, 44000, 61000])
SHARES = np.array([0.25, 0.5, 0.44, 0.61, 0.58, 0.82, 0.7])


def figures(values=SHARES, images=IMAGES) -> GroupFigures:
    values = np.asarray(values, float)
    names = tuple(f"g{place}" for place in range(len(values)))
    return GroupFigures(names, np.asarray(images), values, values, values)


def covariate(values=GDP) -> dict[str, float]:
    return {f"g{place}": value for place, value in enumerate(values)}


@pytest.mark.parametrize(("variances", "power"), [("root", 0.5), ("binomial", 1.0)])
@pytest.mark.parametrize("log", [True, False])
def test_the_line_and_its_test_are_those_of_statsmodels(variances, power, log):
    x = np.log(GDP) if log else GDP
    model = sm.GLS(SHARES, sm.add_constant(x), sigma=np.diag(IMAGES**-power)).fit()
    found = trend(figures(), covariate(), log=log, variances=variances)
    assert (found.intercept, found.slope.value) == pytest.approx(tuple(model.params))
    assert found.error == pytest.approx(model.bse[1])
    assert (found.f, found.p, found.degrees) == pytest.approx((model.fvalue, model.f_pvalue, model.df_resid))
    assert (found.slope.low, found.slope.high) == pytest.approx(tuple(model.conf_int()[1]))
    assert found.t == pytest.approx(model.tvalues[1])
    assert found.at(GDP) == pytest.approx(model.fittedvalues)


def test_the_line_is_the_one_solved_by_hand():
    # Weights 2, 1, 1 at x = 0, 1, 2: means 0.75 and 0.5, squares 2.75, products 0.5; residuals from there.
    found = trend(figures([0.4, 0.8, 0.4], [4, 1, 1]), covariate([0.0, 1.0, 2.0]), log=False)
    assert found.slope.value == pytest.approx(0.1 / 2.75)
    assert found.intercept == pytest.approx(0.5 - 0.75 * 0.1 / 2.75)
    residuals = np.array([0.4, 0.8, 0.4]) - (0.5 + 0.1 / 2.75 * np.array([-0.75, 0.25, 1.25]))
    square = np.array([2, 1, 1]) @ residuals**2 / 2.75
    assert (found.f, found.degrees) == (pytest.approx((0.1 / 2.75) ** 2 / square), 1)


def test_f_of_the_paper_has_its_p():
    assert scipy.stats.f.sf(5.392, 1, 39) == pytest.approx(0.02554, abs=5e-6)
    # 41 groups with residuals of which F is known: x and y made orthogonal, scaled to that F.
    x = np.linspace(-1, 1, 41)
    noise = np.cos(7 * x) - np.cos(7 * x).mean()
    noise -= x * (x @ noise) / (x @ x)
    y = x * np.sqrt(5.392 * (noise @ noise) / 39 / (x @ x)) + noise
    found = trend(figures(y, np.ones(41, int)), covariate(x), log=False)
    assert (found.f, found.degrees) == (pytest.approx(5.392), 39)
    assert found.p == pytest.approx(0.02554, abs=5e-6)


@given(st.floats(0.01, 100), st.floats(0.1, 10))
def test_neither_the_scale_of_variances_nor_the_base_of_the_logarithm_changes_f(scale, base):
    plain = trend(figures(), covariate())
    scaled = trend(figures(images=IMAGES * scale), covariate())
    other_base = trend(figures(), covariate(np.log(GDP) / base), log=False)
    assert (scaled.f, scaled.p) == pytest.approx((plain.f, plain.p))
    assert (other_base.f, other_base.slope.value) == pytest.approx((plain.f, base * plain.slope.value))


def test_a_perfect_line_is_certain_and_a_flat_one_is_none():
    perfect = trend(figures(0.1 * np.log(GDP)), covariate())
    assert (perfect.f, perfect.p) == (np.inf, 0)
    flat = trend(figures(np.full(7, 0.5)), covariate())
    assert (flat.f, flat.p, flat.slope.value) == (0, 1, 0)


@pytest.mark.parametrize(
    ("values", "log", "message"),
    [
        (GDP[:6], True, "group 'g6' has no value"),
        (np.full(7, 3.0), True, "is 3 for every group"),
        (GDP - 900, True, "'g0' is 0, which has no logarithm"),
    ],
)
def test_a_covariate_that_carries_no_line_is_refused_with_the_reason(values, log, message):
    with pytest.raises(UsageError, match=message):
        trend(figures(), covariate(values), log=log)


def test_two_groups_and_unknown_variances_are_refused():
    with pytest.raises(UsageError, match=r"at least 3 of them .* there are 2"):
        axis_of(figures([0.1, 0.2], [3, 4]), covariate(), True)
    with pytest.raises(UsageError, match="cubic"):
        trend(figures(), covariate(), variances="cubic")  # pyright: ignore[reportArgumentType]


def test_where_there_is_no_trend_the_test_finds_one_in_one_of_twenty():
    images = np.geomspace(40, 600, 40).astype(int)
    x = np.random.default_rng(3).normal(9, 1, 40)
    flat = np.full(40, 0.7)
    assert 0.035 < rejections(images, x, flat, variances="binomial").value < 0.065
    for spread in (0.0, 0.1):
        assert 0.025 < rejections(images, x, flat, spread=spread).value < 0.075


def test_where_more_than_chance_sets_groups_apart_binomial_variances_find_trends_that_are_none():
    images = np.geomspace(40, 600, 40).astype(int)
    x = np.random.default_rng(3).normal(9, 1, 40)
    assert rejections(images, x, np.full(40, 0.7), spread=0.1, variances="binomial").low > 0.1


def test_the_test_finds_a_trend_the_surer_the_steeper_it_is():
    images, x = np.full(40, 100), np.linspace(6, 11, 40)
    power = [
        rejections(images, x, 0.6 + slope * (x - x.mean()), draws=500).value for slope in (0, 0.01, 0.03)
    ]
    assert power[0] < 0.08 < power[1] < 0.9 < power[2]

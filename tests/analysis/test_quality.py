"""Fooling rate against average quality, on records whose answer is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis.quality import QualityCurve, quality_curve, rate_at
from limen.errors import UnknownNameError, UsageError
from limen.metrics import METRICS
from limen.runs import record_schema

COLUMNS = record_schema(metric.column for metric in METRICS.values())


def record(
    attack: str, image: int, value: float | None, *, metric: str = "ssim", correct: bool = True
) -> dict:
    """A record; an image without a value was not fooled."""
    return {
        "attack": attack,
        "id": f"image {image}",
        "label": 0,
        "clean_prediction": 0 if correct else 1,
        "success": value is not None,
        metric: value,
    }


def table(rows: list[dict]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.Table.from_pylist(rows, pa.schema([COLUMNS.field(name) for name in names]))


def curve(points: list[tuple[float, float]], metric: str = "ssim") -> QualityCurve:
    """A curve through (quality, rate), without spread."""
    quality, rate = (np.array(values, float) for values in zip(*points, strict=True))
    labels = tuple(map(str, range(len(points))))
    return QualityCurve(labels, METRICS[metric].column, 100, rate, quality, rate[None], quality[None])


def test_rate_counts_correct_images_and_quality_those_fooled():
    rows = [
        record("weak", 0, 0.99),
        record("weak", 1, None),
        record("weak", 2, None),
        record("weak", 3, 0.5, correct=False),
        record("strong", 0, 0.95),
        record("strong", 1, 0.85),
        record("strong", 2, None),
        record("strong", 3, 0.1, correct=False),
    ]
    found = quality_curve(table(rows), ["weak", "strong"], "ssim")
    assert found.images == 3
    np.testing.assert_allclose(found.rate, [1 / 3, 2 / 3])
    np.testing.assert_allclose(found.quality, [0.99, 0.9])


def test_images_that_one_budget_has_not_finished_are_left_out_of_all():
    rows = [record("a", 0, 0.9), record("a", 1, None), record("b", 1, 0.8)]
    found = quality_curve(table(rows), ["a", "b"], "ssim")
    assert (found.images, found.rate.tolist()) == (1, [0.0, 1.0])


def test_a_budget_that_fools_none_has_no_quality():
    rows = [record("a", 0, None), record("b", 0, 0.9)]
    found = quality_curve(table(rows), ["a", "b"], "ssim")
    assert math.isnan(found.quality[0])
    assert rate_at(found, 0.95).side == "better"
    assert rate_at(found, 0.9).rate == 1.0


def test_a_budget_that_fools_none_does_not_part_those_beside_it():
    found = rate_at(curve([(0.99, 0.2), (math.nan, 0.0), (0.97, 0.6)]), 0.98)
    assert (found.side, found.rate) == ("within", pytest.approx(0.4))
    assert found.low == found.high == pytest.approx(0.4)


def test_infinite_psnr_does_not_break_the_average():
    rows = [record("a", i, value, metric="psnr") for i, value in enumerate((40.0, math.inf, 50.0))]
    found = quality_curve(table(rows), ["a"], "psnr")
    assert (found.rate.tolist(), found.quality.tolist()) == ([1.0], [45.0])
    assert np.isfinite(found.qualities[~np.isnan(found.qualities)]).all()


def test_without_correct_images_there_is_no_rate():
    found = quality_curve(table([record("a", 0, 0.9, correct=False)]), ["a"], "ssim")
    assert found.images == 0
    assert math.isnan(found.rate[0])
    assert math.isnan(rate_at(found, 0.9).rate)


def test_the_interval_is_the_binomials():
    fooled, total = 30, 100
    rows = [record("a", i, 0.9 if i < fooled else None) for i in range(total)]
    low, high = quality_curve(table(rows), ["a"], "ssim", draws=20_000).rate_interval()
    spread = 1.96 * math.sqrt(0.3 * 0.7 / total)
    assert low[0] == pytest.approx(0.3 - spread, abs=0.012)
    assert high[0] == pytest.approx(0.3 + spread, abs=0.012)


def test_the_interval_of_the_quality_is_that_of_a_mean():
    values = np.linspace(0.8, 1.0, 200)
    rows = [record("a", i, float(value)) for i, value in enumerate(values)]
    low, high = quality_curve(table(rows), ["a"], "ssim", draws=20_000).quality_interval()
    spread = 1.96 * values.std() / math.sqrt(len(values))
    assert low[0] == pytest.approx(0.9 - spread, abs=5e-4)
    assert high[0] == pytest.approx(0.9 + spread, abs=5e-4)


def test_one_resampling_serves_rate_and_quality_and_all_budgets():
    rows = [record(attack, i, 0.9 + 0.01 * i) for attack in "ab" for i in range(9)]
    found = quality_curve(table(rows), ["a", "b"], "ssim", draws=50)
    np.testing.assert_array_equal(found.qualities[:, 0], found.qualities[:, 1])
    again = quality_curve(table(rows[::-1]), ["a", "b"], "ssim", draws=50)
    np.testing.assert_allclose(again.qualities, found.qualities)
    other = quality_curve(table(rows), ["a", "b"], "ssim", draws=50, seed=1)
    assert not np.array_equal(other.qualities, found.qualities)


def test_the_interval_of_the_rate_at_a_quality_holds_it_and_narrows_with_more_images():
    generator = np.random.default_rng(0)

    def width(images: int) -> float:
        hard = generator.random(images)
        rows = [
            record(str(eps), i, float(1 - eps * (0.5 + hard[i])) if hard[i] < 5 * eps else None)
            for eps in (0.05, 0.1, 0.15)
            for i in range(images)
        ]
        found = rate_at(quality_curve(table(rows), ["0.05", "0.1", "0.15"], "ssim"), 0.92)
        assert found.side == "within"
        assert found.low <= found.rate <= found.high
        return found.high - found.low

    assert width(1600) < 0.5 * width(100)


def test_the_interval_of_the_rate_at_a_quality_comes_of_the_qualities_of_every_resample():
    # Resamples whose rates agree and whose qualities all move by s: the rate at 0.98 is 0.4 + 20·s.
    moved = np.linspace(-0.005, 0.005, 1001)[:, None]
    rate, quality = np.array([0.2, 0.6]), np.array([0.99, 0.97])
    spread = QualityCurve(
        ("a", "b"), METRICS["ssim"].column, 100, rate, quality, rate + 0 * moved, quality + moved
    )
    found = rate_at(spread, 0.98)
    assert (found.rate, found.low, found.high) == pytest.approx((0.4, 0.305, 0.495), abs=1e-3)


def test_between_budgets_the_rate_is_interpolated():
    found = rate_at(curve([(0.99, 0.1), (0.95, 0.5), (0.8, 0.8)]), 0.97)
    assert found.rate == pytest.approx(0.3)
    assert (found.side, found.at_least) == ("within", 0.1)
    assert rate_at(curve([(0.99, 0.1), (0.95, 0.5)]), 0.95).rate == 0.5


def test_distances_run_the_other_way():
    found = rate_at(curve([(1.0, 0.1), (3.0, 0.5)], "l2"), 2.0)
    assert (found.rate, found.at_least) == (pytest.approx(0.3), 0.1)
    assert rate_at(curve([(1.0, 0.1), (3.0, 0.5)], "l2"), 4.0).side == "worse"
    assert rate_at(curve([(1.0, 0.1), (3.0, 0.5)], "l2"), 0.5).side == "better"


def test_outside_the_measured_range_there_is_a_bound_or_nothing():
    measured = curve([(60.0, 0.2), (50.0, 0.9)], "psnr")
    worse = rate_at(measured, 40.0)
    assert math.isnan(worse.rate)
    assert math.isnan(worse.low)
    assert (worse.side, worse.at_least) == ("worse", 0.9)
    better = rate_at(measured, 65.0)
    assert math.isnan(better.rate)
    assert better.side == "better"
    assert math.isnan(better.at_least)


def test_where_the_curve_passes_twice_the_higher_rate_counts():
    found = rate_at(curve([(0.99, 0.1), (0.95, 0.5), (0.97, 0.9)]), 0.96)
    assert found.rate == pytest.approx(0.7)


def test_mistakes_are_named():
    rows = table([record("a", 0, 0.9)])
    with pytest.raises(UnknownNameError, match="unknown metric 'sim'"):
        quality_curve(rows, ["a"], "sim")
    with pytest.raises(UsageError, match="no records of the attack 'b'"):
        quality_curve(rows, ["a", "b"], "ssim")
    with pytest.raises(UsageError, match="at least one attack"):
        quality_curve(rows, [], "ssim")


rising = st.lists(st.floats(0.001, 1), min_size=2, max_size=8)


@given(rising, st.data())
def test_the_rate_at_a_quality_lies_between_its_neighbours(steps, data):
    rates = np.cumsum(steps) / sum(steps)
    quality = 1 - 0.1 * np.cumsum(steps) / sum(steps)
    measured = curve(list(zip(quality, rates, strict=True)))
    target = data.draw(st.floats(quality[-1], quality[0]))
    found = rate_at(measured, target)
    assert found.side == "within"
    below, above = rates[quality >= target], rates[quality <= target]
    assert below.max() - 1e-9 <= found.rate <= above.min() + 1e-9
    # Both rate and distance from 1 are proportional here, so the curve is one straight line.
    assert found.rate == pytest.approx((1 - target) * 10, abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=12))
def test_every_resample_is_an_average_of_the_images(images):
    rows = [record("a", i, value if fooled else None) for i, (fooled, value) in enumerate(images)]
    found = quality_curve(table(rows), ["a"], "ssim", draws=30) if any(f for f, _ in images) else None
    if found is not None:
        known = found.qualities[~np.isnan(found.qualities)]
        values = [value for fooled, value in images if fooled]
        assert (known >= min(values) - 1e-9).all()
        assert (known <= max(values) + 1e-9).all()
        assert ((found.rates >= 0) & (found.rates <= 1)).all()
        np.testing.assert_allclose(found.rates * len(images), np.round(found.rates * len(images)), atol=1e-9)

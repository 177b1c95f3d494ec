"""Intervals of shares that were read off a curve: what the images and what the curve leave uncertain."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from limen.analysis import Outcomes, figures, quality_curve
from limen.analysis.intervals import curve_generator, resamples
from limen.metrics import METRICS
from limen.metrics.psychometrics import CALIBRATION, excess
from limen.runs import Calibration

from .handmade import COLUMNS, made, record, table

NAN = float("nan")


def outcomes_of(values: np.ndarray, calibration: Calibration | None = CALIBRATION) -> Outcomes:
    found = made([(True, not np.isnan(value), value) for value in values], "noticed")
    column = dataclasses.replace(COLUMNS["noticed"], calibration=calibration)
    return dataclasses.replace(found, metrics={"noticed": column})


@pytest.mark.parametrize("part", ["mean", "median"])
def test_of_images_that_are_alike_the_curve_alone_is_uncertain(part):
    found = getattr(figures(outcomes_of(excess(np.full(500, 0.3))), "noticed", draws=20_000), part)
    curves = CALIBRATION.curves(100_000, np.random.default_rng(1))
    ends = np.quantile(CALIBRATION.redrawn(excess(np.array([0.3])), curves), [0.025, 0.975])
    assert found.value == pytest.approx(excess(np.array(0.3)))
    assert [found.low, found.high] == pytest.approx(ends, abs=0.004)


def test_the_interval_of_a_mean_holds_both_uncertainties():
    values = excess(np.random.default_rng(0).lognormal(-2, 2, 60))
    found = figures(outcomes_of(values), "noticed", draws=20_000).mean
    images = figures(outcomes_of(values, None), "noticed", draws=20_000).mean
    generator = np.random.default_rng(5)
    means = []
    for _ in range(4000):
        curve = CALIBRATION.curves(1, generator)
        means.append(CALIBRATION.redrawn(generator.choice(values, len(values)), curve).mean())
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)
    assert found.high - found.low > 1.2 * (images.high - images.low)
    assert found.value == images.value == pytest.approx(values.mean())


def test_more_images_do_not_make_the_curve_more_certain():
    def width(count: int) -> float:
        values = excess(np.random.default_rng(0).lognormal(-2, 2, count))
        mean = figures(outcomes_of(values), "noticed", draws=1000).mean
        return mean.high - mean.low

    assert 0.8 < width(8000) / width(800) < 1.2


def test_images_that_are_not_fooled_have_no_part_and_none_gives_no_interval():
    values = excess(np.array([0.1, 1.0, 3.0]))
    found = figures(outcomes_of(np.array([*values, *[NAN] * 3])), "noticed")
    assert found.mean.value == pytest.approx(values.mean())
    assert found.mean.low < found.mean.value < found.mean.high
    assert np.isnan(figures(outcomes_of(np.full(4, NAN)), "noticed").mean.low)


def test_the_qualities_of_a_curve_hold_both_uncertainties_too():
    values = excess(np.array([0.02, 0.1, 0.5, 2.0] * 20))
    rows = [record("a", str(i), noticed=float(value)) for i, value in enumerate(values)]
    curve = quality_curve(table(rows), ["a"], "noticed", draws=4000)
    low, high = curve.quality_interval()
    mean = figures(outcomes_of(values), "noticed", draws=4000).mean
    assert [low[0], high[0]] == pytest.approx([mean.low, mean.high], abs=0.01)
    assert curve.quality[0] == pytest.approx(values.mean())


def test_curves_are_drawn_apart_from_the_images():
    (weights,) = resamples(2, 20_000, seed=0)
    curves = CALIBRATION.curves(20_000, curve_generator(0))
    assert abs(np.corrcoef(weights[:, 0], curves[:, 0])[0, 1]) < 0.02
    assert not np.array_equal(curves, CALIBRATION.curves(20_000, np.random.default_rng(0)))


def test_other_metrics_are_read_off_no_curve():
    assert [name for name, metric in METRICS.items() if metric.column.calibration] == ["noticed"]

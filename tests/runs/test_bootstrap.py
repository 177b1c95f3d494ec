from __future__ import annotations

import numpy as np
import pytest

from limen.runs import bootstrap
from limen.runs.bootstrap import interval, resamples


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(size=400)
    (drawn,) = resamples(400, 4000, seed=1)
    low, high = interval((drawn @ values / 400)[:, None])
    half = 1.96 * values.std() / 20
    assert low.item() == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high.item() == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_blocks_bound_memory_and_give_the_draws_asked_for(monkeypatch):
    whole = np.concatenate([*resamples(7, 50, seed=3)])
    monkeypatch.setattr(bootstrap, "_CELLS", 70)
    parts = [*resamples(7, 50, seed=3)]
    assert [len(part) for part in parts] == [10] * 5
    assert np.array_equal(np.concatenate(parts), whole)
    assert (whole.sum(1) == 7).all()


def test_no_images_give_no_resamples_and_unknown_values_are_passed_over():
    assert [*resamples(0, 10, seed=0)] == []
    low, high = interval(np.array([[np.nan, 1.0], [np.nan, np.nan], [np.nan, 3.0]]))
    assert np.isnan([low[0], high[0]]).all()
    assert 1 <= low[1] < high[1] <= 3

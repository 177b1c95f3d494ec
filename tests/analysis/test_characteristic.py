from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from limen.analysis import characteristic, figures, operating_characteristic
from limen.errors import UsageError

from .handmade import made

images = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf, np.nan])),
    max_size=20,
)


@given(images, st.sampled_from(["l2", "psnr"]), st.booleans())
def test_the_characteristic_is_what_a_loop_over_images_counts(images, distance, of_correct):
    found = characteristic(made(images, distance), distance, of_correct=of_correct)
    counted = [each for each in images if each[0] or not of_correct]
    assert found.images == len(counted)
    assert found.unmeasured == sum(success and value != value for _, success, value in counted)
    asked = np.array([-1.0, 0.0, 0.7, 1.0, 3.0, np.inf])
    share = found.at(asked)
    low, high = found.band(share)
    for place, bound in enumerate(asked):
        within = [value >= bound if distance == "psnr" else value <= bound for _, _, value in counted]
        count = sum(success and inside for (_, success, _), inside in zip(counted, within, strict=True))
        if counted:
            assert share[place] == pytest.approx(count / len(counted))
            assert low[place] <= share[place] <= high[place]
        else:
            assert np.isnan([share[place], low[place], high[place]]).all()


@given(images)
def test_the_characteristic_rises_to_the_success_probability(images):
    outcomes = made(images)
    found, success = characteristic(outcomes), figures(outcomes, draws=0).success
    assert (np.diff(found.shares) > 0).all()
    assert (np.diff(found.distances) > 0).all()
    for ends in found.band():
        assert (np.diff(ends) >= 0).all()
    if found.images:
        last = found.at(np.array(np.inf)) + found.unmeasured / found.images
        assert last == pytest.approx(success.value)


def test_the_band_is_wilsons_interval_at_each_distance():
    generator = np.random.default_rng(0)
    fooled, values = generator.random(50) < 0.8, generator.random(50)
    found = characteristic(made([(True, bool(one), each) for one, each in zip(fooled, values, strict=True)]))
    counts = [int((fooled & (values <= each)).sum()) for each in found.distances]
    ends = [binomtest(count, 50).proportion_ci(0.95, "wilson") for count in counts]
    low, high = found.band()
    assert low == pytest.approx([each.low for each in ends])
    assert high == pytest.approx([each.high for each in ends])


def test_where_higher_is_better_the_metric_falls_along_the_curve_and_may_begin_at_infinity():
    found = characteristic(
        made([(True, True, 30.0), (True, True, np.inf), (True, True, 50.0)], "psnr"), "psnr"
    )
    assert found.distances.tolist() == [np.inf, 50.0, 30.0]
    assert found.shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_distance_that_records_do_not_have_is_refused():
    with pytest.raises(UsageError, match="unknown metric 'l3'; did you mean"):
        characteristic(made([]), "l3")


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf]), st.booleans()), max_size=20),
    st.integers(0, 5),
)
def test_the_function_counts_the_images_fooled_up_to_each_distortion(pairs, others):
    distances = np.array([distance if success else np.nan for distance, success in pairs])
    success = np.array([success for _, success in pairs], bool)
    total = len(pairs) + others
    x, y = operating_characteristic(distances, success, total)
    assert x.tolist() == sorted({distance for distance, success in pairs if success})
    for at, share in zip(x, y, strict=True):
        assert share == pytest.approx(sum(success and distance <= at for distance, success in pairs) / total)


def test_a_function_that_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match="one shape"):
        operating_characteristic(np.ones(2), np.ones(3, bool), 3)
    with pytest.raises(UsageError, match="no distance"):
        operating_characteristic(np.array([np.nan]), np.ones(1, bool), 1)
    with pytest.raises(UsageError, match="2 successes among only 1"):
        operating_characteristic(np.ones(2), np.ones(2, bool), 1)

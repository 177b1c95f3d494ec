"""A discriminant against its formula, against brute force, and against sealwatch's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.detection import direction, threshold
from limen.detection.features import sealwatch


def classes(count: int, features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    clean, attacked = generator.normal(size=(2, count, features)) * 0.01
    return clean, attacked + 0.01 * generator.normal(size=features)


@pytest.mark.parametrize(("count", "features"), [(40, 6), (10, 20), (6, 30), (5, 10)])
def test_the_direction_is_that_of_the_formula(count, features):
    clean, attacked = classes(count, features)
    scatter = sum(np.cov(each.T, bias=True) for each in (clean, attacked)) + 1e-10 * np.eye(features)
    expected = np.linalg.inv(scatter) @ (attacked.mean(0) - clean.mean(0))
    assert direction(clean, attacked) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("count", "features"), [(40, 6), (10, 30)])
def test_sealwatchs_discriminant_decides_alike(count, features):
    learner = sealwatch().ensemble_classifier.fld.FisherLinearDiscriminantLearner()
    (clean, attacked), fresh = classes(count, features), np.concatenate(classes(200, features, seed=1))
    labels = np.repeat([-1, 1], count)
    learner.fit(np.concatenate([clean, attacked]), labels)
    weights = direction(clean, attacked)
    above, sign = threshold(clean @ weights, attacked @ weights)
    mine = sign * (fresh @ weights - above) > 0
    assert (mine == (learner.predict(fresh) > 0)).mean() > 0.99


def errors(clean: np.ndarray, attacked: np.ndarray, above: float, sign: float) -> int:
    return int((sign * clean > sign * above).sum() + (sign * attacked <= sign * above).sum())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_threshold_makes_fewer_errors(data):
    count = data.draw(st.integers(1, 7))
    numbers = st.lists(st.integers(-3, 3), min_size=count, max_size=count)
    clean, attacked = (np.array(data.draw(numbers), float) for _ in range(2))
    above, sign = threshold(clean, attacked)
    values = np.unique(np.concatenate([clean, attacked]))
    cuts = (values[1:] + values[:-1]) / 2
    made = errors(clean, attacked, above, sign)
    assert made <= min([count, *(errors(clean, attacked, cut, each) for cut in cuts for each in (1, -1))])
    assert above in cuts or len(values) == 1


def test_equal_projections_make_no_vote_for_attacked():
    above, sign = threshold(np.full(3, 2.0), np.full(3, 2.0))
    assert not (sign * np.full(3, 2.0) > sign * above).any()

"""The search for the size of the subspaces, against sealwatch's, which follows the authors' program."""

from __future__ import annotations

import numpy as np
import pytest

from limen.detection import search_dimension
from limen.detection.features import sealwatch


def theirs(features: int, error_of) -> dict[int, float]:
    room = sealwatch().ensemble_classifier.fld_ensemble_trainer
    search = room.SubspaceDimensionalitySearch(d_sub_step=200, max_dim=features)
    errors: dict[int, float] = {}
    while search.search_in_progress:
        size = search.next_d_sub
        errors[size] = error_of(size)
        search.update(size, errors[size])
    return errors


def test_it_tries_what_sealwatch_tries():
    agreed = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        features, scale = int(generator.integers(10, 1500)), 0.3 * generator.random()
        noise = scale * generator.random(features + 1)

        def error_of(size: int, features=features, noise=noise) -> float:
            return float(noise[size] + abs(np.log(size / features + 0.1)) / 5)

        try:
            expected = theirs(features, error_of)
        except AssertionError:  # it tried to try a size twice
            continue
        assert search_dimension(features, error_of) == expected
        agreed += 1
    assert agreed > 250


@pytest.mark.parametrize(
    ("features", "expected"), [(1, [1]), (2, [1, 2]), (9, [1, 2, 3]), (686, [171, 342, 513])]
)
def test_it_begins_with_three_steps_and_ends_without_error(features, expected):
    assert list(search_dimension(features, lambda size: 0.0)) == expected


def test_it_grows_while_that_helps_and_never_beyond_all_features():
    tried = search_dimension(1000, lambda size: 1 / size)
    assert max(tried) == 1000
    assert {200, 400, 600, 800} < set(tried)


def test_it_does_not_go_on_towards_a_size_that_was_worse_than_those_before():
    errors = {15: 0.5, 30: 0.4, 45: 0.45, 37: 0.3, 40: 0.2}
    tried = search_dimension(60, lambda size: errors.get(size, 0.5))
    assert list(tried) == [15, 30, 45, 23, 37, 34, 40, 39, 41]

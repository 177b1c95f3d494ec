"""Halves of images: even, drawn anew, and each image tested equally often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import UsageError
from limen.evaluation.splits import halves

classes = st.lists(st.integers(0, 4), max_size=30)


@given(classes, st.integers(1, 7), st.integers(0, 99))
def test_both_halves_have_as_many_of_all_and_of_each_class(found, repeats, seed):
    splits = halves(found, repeats, seed)
    assert len(splits) == repeats
    for trained in splits:
        assert trained.shape == (len(found),)
        assert abs(int(trained.sum()) - int((~trained).sum())) <= 1
        for each in set(found):
            of_class = trained[np.array(found) == each]
            assert abs(int(of_class.sum()) - int((~of_class).sum())) <= 2


@given(classes, st.integers(1, 4))
def test_what_is_trained_on_is_tested_on_next(found, twos):
    splits = np.array(halves(found, 2 * twos, 0)).reshape(2 * twos, len(found))
    assert (splits[::2] == ~splits[1::2]).all()
    assert (splits.sum(0) == twos).all()


def test_splits_differ_and_the_seed_decides_them():
    found = [0] * 40
    splits = halves(found, 10, 0)
    assert len({tuple(each.tolist()) for each in splits}) == 10
    assert all((one == other).all() for one, other in zip(splits, halves(found, 10, 0), strict=True))
    assert any((one != other).any() for one, other in zip(splits, halves(found, 10, 1), strict=True))
    assert all((one == other).all() for one, other in zip(splits, halves(found, 4, 0), strict=False))


def test_images_that_are_alone_in_their_class_change_sides_too():
    splits = halves(range(10), 40, 0)
    assert len({tuple(each.tolist()) for each in splits}) > 20


def test_the_place_in_a_class_does_not_decide_the_half():
    firsts = [halves([0, 0, 1, 1], 1, seed)[0][0] for seed in range(200)]
    assert 60 < sum(firsts) < 140


def test_without_a_repeat_there_is_no_split():
    with pytest.raises(UsageError, match="repeats must be at least 1"):
        halves([0, 1], 0, 0)

from __future__ import annotations

from dataclasses import replace

import pytest

from limen.data import Dataset, demo, groups_of, held
from limen.images import ImageFileError


def counted(dataset: Dataset) -> tuple[Dataset, list[int]]:
    """The data set, and the positions that were read of it."""
    read: list[int] = []

    def reading(index):
        read.append(index)
        return dataset.read(index)

    return replace(dataset, read=reading), read


def test_samples_are_read_once_if_all_fit():
    digits, read = counted(demo("digits", count=4))
    kept = held(digits)
    samples = [kept.load(2), kept.load(2), held(kept).load(2)]
    assert read == [2]
    assert samples[0] is samples[1] is samples[2]


def test_samples_that_do_not_fit_are_read_anew():
    digits, read = counted(demo("digits", count=4))
    size = 28 * 28 * 4
    assert held(digits, 4 * size - 1).load(1).id == held(digits, 4 * size - 1).load(1).id
    assert read == [1, 1]
    kept = held(digits, 4 * size)
    assert kept.load(3) is kept.load(3)


def test_a_set_that_draws_its_samples_is_left_alone():
    scenes = demo("scenes", count=4, size=32)
    assert held(scenes) is scenes
    kept = held(scenes, fixed=True)
    assert kept.load(1) is kept.load(1)


def test_an_image_that_cannot_be_used_is_tried_again():
    calls = []

    def broken(index):
        calls.append(index)
        raise ImageFileError("broken")

    kept = held(replace(demo("digits", count=2), read=broken))
    for _ in range(2):
        with pytest.raises(ImageFileError):
            kept.load(0)
    assert calls == [0, 0]


def test_groups_are_told_without_reading_where_they_are_known():
    scenes, read = counted(replace(demo("scenes", count=5, size=32), redraw=None))
    wanted = tuple(scenes.load(index).group for index in range(5))
    read.clear()
    assert groups_of(replace(scenes, groups=wanted)) == wanted
    assert read == []
    assert groups_of(replace(scenes, groups=None)) == wanted
    assert groups_of(demo("digits", count=2)) == (None, None)

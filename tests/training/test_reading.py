from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limen.data import Dataset, Sample, from_arrays
from limen.errors import UsageError
from limen.training import augmentations
from limen.training.reading import Plan, Share, read


def numbers(count: int) -> Dataset:
    """Images that are all of the value of their label."""
    labels = np.arange(count)
    return from_arrays("numbers", np.full((count, 4, 4, 1), labels[:, None, None, None], np.uint8), labels)


def lessons(plan: Plan, start: int = 0, workers: int = 0):
    return [lesson for _, lesson in read(plan, start, workers, None)]


@given(count=st.integers(1, 30), batch_size=st.integers(1, 12), size=st.integers(1, 4))
def test_the_shares_of_several_processes_are_the_batches_of_one(count, batch_size, size):
    dataset = numbers(count)
    whole = lessons(Plan.of_epoch(dataset, 5, batch_size, Share(), ()))
    parts = [lessons(Plan.of_epoch(dataset, 5, batch_size, Share(rank, size), ())) for rank in range(size)]
    assert {len(part) for part in parts} == {len(whole)}
    for step, lesson in enumerate(whole):
        found = {}
        for part in parts:
            counted = part[step].weights > 0
            places, labels = part[step].places[counted], part[step].labels[counted]
            found |= dict(zip(places.tolist(), labels.tolist(), strict=True))
            assert len(part[step].labels) >= 1
            assert part[step].whole == len(lesson.labels)
        assert [found[place] for place in sorted(found)] == lesson.labels.tolist()
        assert sorted(found) == list(range(len(lesson.labels)))
    assert sorted(label for lesson in whole for label in lesson.labels.tolist()) == list(range(count))


def test_an_epoch_has_an_order_of_its_own_and_may_begin_later():
    dataset = numbers(20)
    first, again, other = (
        [lesson.labels.tolist() for lesson in lessons(Plan.of_epoch(dataset, seed, 6, Share(), ()))]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    later = lessons(Plan.of_epoch(dataset, 1, 6, Share(), ()), start=2)
    assert [lesson.labels.tolist() for lesson in later] == first[2:]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_augmentation_belongs_to_the_sample_and_the_epoch_whoever_reads(workers):
    made = tuple(augmentations(["crop:padding=2+flip"]))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    dataset = from_arrays("noise", pixels, np.arange(12))

    def views(seed: int, batch_size: int) -> torch.Tensor:
        read_in = lessons(Plan.of_epoch(dataset, seed, batch_size, Share(), made), workers=workers)
        images = torch.cat([lesson.images for lesson in read_in])
        return images[torch.cat([lesson.labels for lesson in read_in]).argsort()]

    alone = torch.cat(
        [lesson.images for lesson in lessons(Plan(dataset, range(12), 1, seed=3, augment=made))]
    )
    assert torch.equal(views(3, 5), alone)
    assert not torch.equal(views(4, 5), alone)


def test_workers_where_nothing_can_fork_are_refused(monkeypatch):
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(UsageError, match="workers need an operating system that can fork; use 0"):
        lessons(Plan(numbers(3), range(3), 2), workers=1)
    assert len(lessons(Plan(numbers(3), range(3), 2))) == 2


def test_foregrounds_move_along_with_their_images():
    ramp = torch.arange(64.0).reshape(1, 8, 8) / 64

    def sample(index: int) -> Sample:
        return Sample(f"{index}", ramp, 0, mask=ramp > 0.5, group="a")

    dataset = Dataset("ramp", tuple(map(str, range(16))), sample)
    plan = Plan(dataset, range(16), 16, augment=tuple(augmentations(["crop:padding=3", "flip"])))
    (lesson,) = lessons(plan)
    assert lesson.masks is not None
    assert lesson.masks.dtype == torch.bool
    assert torch.equal(lesson.masks, lesson.images > 0.5)
    assert len(lesson.images.flatten(1).unique(dim=0)) > 8
    assert lesson.groups == ("a",) * 16


def test_all_shifts_are_drawn_and_black_enters_from_outside():
    white = Sample("white", torch.ones(1, 8, 8), 0)
    (crop,) = augmentations(["crop:padding=1"])
    seen = {
        tuple(crop(white, torch.Generator().manual_seed(seed)).image.flatten().tolist())
        for seed in range(200)
    }
    assert len(seen) == 9
    assert {sum(each) for each in seen} == {64.0, 56.0, 49.0}


def test_a_shift_that_leaves_nothing_in_sight_leaves_black():
    white = Sample("white", torch.ones(3, 4, 4), 0)
    (crop,) = augmentations(["crop:padding=9"])
    seen = torch.stack([crop(white, torch.Generator().manual_seed(seed)).image for seed in range(50)])
    assert seen.shape == (50, 3, 4, 4)
    assert 0 < int((seen.sum((1, 2, 3)) == 0).sum()) < 50


def test_half_of_the_images_are_mirrored():
    ramp = Sample("ramp", torch.arange(4.0).reshape(1, 1, 4) / 4, 0)
    (flip,) = augmentations(["flip"])
    turned = [flip(ramp, torch.Generator().manual_seed(seed)).image[0, 0, 0] > 0 for seed in range(400)]
    assert 160 < sum(map(bool, turned)) < 240

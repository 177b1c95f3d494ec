from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.data import from_arrays
from limen.data.dataset import DataError, Dataset, Sample, batches, read_class_names
from limen.errors import UsageError
from limen.images import ImageFileError


def numbered(count: int) -> Dataset:
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    return from_arrays("numbered", pixels, np.arange(count) % 3)


def refuse(name: str, reason: str) -> None:
    raise AssertionError(f"{name} was skipped: {reason}")


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 30), size=st.integers(1, 12), data=st.data())
def test_batches_hold_the_samples_asked_for_in_order(count, size, data):
    order = data.draw(st.permutations(range(count)))
    found = list(batches(numbered(count), order, size, refuse))
    assert [index for batch in found for index in batch.indices] == order
    assert torch.cat([batch.images for batch in found])[:, 0, 0, 0].mul(255).round().tolist() == order
    assert torch.cat([batch.labels for batch in found]).tolist() == [index % 3 for index in order]
    assert [name for batch in found for name in batch.ids] == [f"{index:05d}" for index in order]
    assert all(len(batch.ids) == size for batch in found[:-1])


def test_a_bad_image_is_reported_and_its_place_goes_to_the_next_one():
    good = numbered(6)

    def read(index: int) -> Sample:
        if index in (1, 4):
            raise ImageFileError(f"file {index} is truncated")
        return good.load(index)

    skipped = []
    found = list(
        batches(Dataset("some bad", good.ids, read), range(6), 2, lambda *report: skipped.append(report))
    )
    assert [batch.indices for batch in found] == [(0, 2), (3, 5)]
    assert skipped == [("00001", "file 1 is truncated"), ("00004", "file 4 is truncated")]


def test_nothing_is_read_ahead_of_need():
    good, reads = numbered(9), []

    def read(index: int) -> Sample:
        reads.append(index)
        return good.load(index)

    next(batches(Dataset("counted", good.ids, read), range(9), 3, refuse))
    assert reads == [0, 1, 2]


def test_targets_are_carried_and_absent_where_there_are_none():
    assert next(batches(numbered(2), [0, 1], 2, refuse)).targets is None
    targeted = Dataset("targeted", ("a",), lambda index: Sample("a", torch.zeros(1, 2, 2), 0, target=7))
    assert next(batches(targeted, [0], 1, refuse)).targets.tolist() == [7]


def marked(masks, groups) -> Dataset:
    """Three black images of 2×3 pixels."""
    return from_arrays("marked", np.zeros((3, 2, 3, 1), np.uint8), np.arange(3), masks=masks, groups=groups)


def test_masks_and_groups_are_carried_and_absent_where_there_are_none():
    masks = np.random.default_rng(0).integers(0, 3, (3, 2, 3))
    batch = next(batches(marked(masks, ["day", "night", "day"]), [2, 1], 2, refuse))
    assert batch.masks.dtype == torch.bool
    assert batch.masks.numpy().tolist() == (masks[[2, 1], None] > 0).tolist()
    assert batch.groups == ("day", "night")
    bare = next(batches(marked(None, None), [2, 1], 2, refuse))
    assert bare.masks is None
    assert bare.groups is None


def test_a_batch_in_which_one_sample_lacks_a_mask_has_none():
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    samples = [Sample(name, torch.zeros(1, 2, 2), 0, mask=mask, group="day") for name in "ab"]
    samples.append(Sample("c", torch.zeros(1, 2, 2), 0))
    mixed = Dataset("mixed", ("a", "b", "c"), samples.__getitem__)
    assert [batch.masks is None for batch in batches(mixed, range(3), 2, refuse)] == [False, True]
    (whole,) = batches(mixed, range(3), 3, refuse)
    assert whole.masks is None
    assert whole.groups is None


def test_the_fingerprint_tells_masks_and_groups_apart():
    masks = np.zeros((3, 2, 3), bool)
    other = masks.copy()
    other[1, 1, 2] = True
    days, nights = ["day"] * 3, ["night"] * 3
    kinds = [(None, None), (masks, None), (other, None), (masks, days), (masks, nights), (None, days)]
    assert len({marked(*each).fingerprint() for each in kinds}) == len(kinds)
    assert marked(masks, days).fingerprint() == marked(masks.astype(int), tuple(days)).fingerprint()


@pytest.mark.parametrize(
    ("masks", "groups", "message"),
    [
        (np.zeros((3, 3, 2), bool), None, r"the masks are bool of shape \(3, 3, 2\)"),
        (np.zeros((3, 2, 3)), None, "the masks are float64"),
        (None, ["day"] * 2, "2 groups for 3 images"),
    ],
)
def test_masks_and_groups_of_another_form_are_refused(masks, groups, message):
    with pytest.raises(DataError, match=message):
        marked(masks, groups)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_position_outside_of_the_set_is_refused(index):
    with pytest.raises(UsageError, match=f"3 samples; there is none at position {index}"):
        numbered(3).load(index)


def test_a_batch_of_no_samples_is_refused():
    with pytest.raises(UsageError, match="batch size must be at least 1, not 0"):
        next(batches(numbered(3), [0], 0, refuse))


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_without_a_class_is_refused(label):
    labels = np.array([0, label])
    with pytest.raises(
        DataError, match=f"label {label} of sample 1 is out of range; labels must be from 0 to 9"
    ):
        from_arrays("two", np.zeros((2, 4, 4, 3), np.uint8), labels, [str(digit) for digit in range(10)])


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.int64), np.zeros(2, int), "the images are int64"),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, int), r"of shape \(2, 4, 4\)"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, int), r"with 1 or 3 channels"),
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, int), "N > 0"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, int), "expected 2 integers"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2), "the labels are float64"),
    ],
)
def test_arrays_of_another_form_are_refused(pixels, labels, message):
    with pytest.raises(DataError, match=message):
        from_arrays("arrays", pixels, labels)


@pytest.mark.parametrize("content", [b"", b"\n", b"cat\n\ndog\n", b"\xff\xfe\x00"])
def test_a_broken_list_of_classes_is_refused(tmp_path, content):
    file = tmp_path / "classes.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"classes\.txt"):
        read_class_names(file)


def test_a_list_of_classes_keeps_its_order_and_its_spaces(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("tench, Tinca tinca\ngoldfish\n", encoding="utf-8")
    assert read_class_names(file) == ("tench, Tinca tinca", "goldfish")

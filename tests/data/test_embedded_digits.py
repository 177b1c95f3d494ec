from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits

from limen.data import demo
from limen.errors import UsageError


def test_the_digits_are_scikit_learns_enlarged():
    values, labels = load_digits(return_X_y=True)
    dataset = demo("digits", split="train")
    for index in range(20):
        sample = dataset.load(index)
        small = torch.nn.functional.interpolate(sample.image[None], size=(8, 8), mode="area")
        original = torch.from_numpy(values[index].reshape(8, 8)).float() / 16
        assert sample.image.shape == (1, 28, 28)
        assert sample.label == labels[index]
        assert torch.corrcoef(torch.stack([small.flatten(), original.flatten()]))[0, 1] > 0.95


def test_the_two_parts_are_all_digits_once():
    _, labels = load_digits(return_X_y=True)
    parts = [demo("digits", split=split) for split in ("train", "test")]
    assert [part.load(i).label for part in parts for i in range(len(part))] == labels.tolist()


def test_count_takes_the_first_and_must_be_there():
    assert len(demo("digits", count=20)) == 20
    assert demo("digits", count=20).load(3).image.equal(demo("digits").load(3).image)
    for count in (0, 498):
        with pytest.raises(UsageError, match=f"count is {count}; expected an integer from 1 to 497"):
            demo("digits", count=count)

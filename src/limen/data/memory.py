"""Samples that are read once and then kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from limen.data.dataset import Dataset, Sample

MOST = 2**30
"""How many bytes of samples are kept in memory, unless another bound is given: one gibibyte."""


class _Kept:
    """What reads each sample once, as long as all of them fit into so many bytes."""

    def __init__(self, read: Callable[[int], Sample], count: int, most: int) -> None:
        self._read, self._count, self._most = read, count, most
        self._samples: dict[int, Sample] = {}

    def __call__(self, index: int) -> Sample:
        if index in self._samples:
            return self._samples[index]
        sample = self._read(index)
        if self._count * _bytes(sample) <= self._most:
            self._samples[index] = sample
        return sample


def held(dataset: Dataset, most: int = MOST, *, fixed: bool = False) -> Dataset:
    """The same data set, whose samples are kept in memory once they are read, if all of them fit.

    Whoever takes a sample must not change its tensors in place. Where processes read ahead, each keeps what
    it has read itself.

    Args:
        dataset: The data set; one that draws new samples for every epoch keeps none, unless it is fixed.
        most: How many bytes all samples together may take, if all are as large as the one at hand.
        fixed: Whether one that draws new samples for every epoch has these in all of them.

    Example:
        >>> from limen.data import demo
        >>> digits = held(demo("digits", count=4))
        >>> digits.load(2) is digits.load(2), len(digits)
        (True, 4)
    """
    if fixed:
        dataset = replace(dataset, redraw=None)
    if dataset.redraw is not None or isinstance(dataset.read, _Kept):
        return dataset
    return replace(dataset, read=_Kept(dataset.read, len(dataset), most))


def groups_of(dataset: Dataset) -> tuple[str | None, ...]:
    """The group of each sample; None for one that belongs to none.

    Where the data set does not tell them, each sample is read.

    Raises:
        ImageFileError: If a sample must be read, and its image cannot be used.

    Example:
        >>> from limen.data import demo
        >>> set(groups_of(demo("scenes", count=8, size=32))) <= {"day", "night"}
        True
    """
    if dataset.groups is not None:
        return dataset.groups
    return tuple(dataset.load(index).group for index in range(len(dataset)))


def _bytes(sample: Sample) -> int:
    tensors = [each for each in (sample.image, sample.mask) if each is not None]
    return sum(each.numel() * each.element_size() for each in tensors)

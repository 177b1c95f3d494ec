"""Augmentation: what is drawn of each training image anew in every epoch.

An augmentation is a function of a sample and a generator, which is seeded by the epoch and the sample's id:
what it draws does not depend on the batch, on the workers that read, or on the processes that train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from limen.catalog import Catalog, tried_on
from limen.data import Sample
from limen.errors import UsageError
from limen.identity import Named
from limen.spec import split_chain


def crop(sample: Sample, draws: torch.Generator, *, padding: int = 4) -> Sample:
    """The image, shifted by up to `padding` pixels each way; what enters from outside is black.

    Args:
        sample: The sample.
        draws: Where random numbers come from.
        padding: The longest shift, in pixels.

    Raises:
        UsageError: If `padding` is negative.

    Example:
        >>> grey = Sample("a", torch.full((3, 8, 8), 0.5), 0)
        >>> crop(grey, torch.Generator().manual_seed(0), padding=2).image.shape
        torch.Size([3, 8, 8])
    """
    if padding < 0:
        raise UsageError(f"padding is {padding}; expected 0 or more")
    shifts = torch.randint(-padding, padding + 1, (2,), generator=draws).tolist()
    sides = list(zip(sample.image.shape[1:], shifts, strict=True))
    source = [_overlap(size, shift) for size, shift in sides]
    target = [_overlap(size, -shift) for size, shift in sides]

    def shifted(planes: Tensor) -> Tensor:
        black = torch.zeros_like(planes)
        black[:, *target] = planes[:, *source]
        return black

    return _moved(sample, shifted)


def _overlap(size: int, shift: int) -> slice:
    """The part of a side of this size that lies inside the side shifted by so much."""
    return slice(max(0, shift), max(0, size + min(0, shift)))


def flip(sample: Sample, draws: torch.Generator, *, probability: float = 0.5) -> Sample:
    """The image, or its mirror image from left to right.

    Args:
        sample: The sample.
        draws: Where random numbers come from.
        probability: Of the mirror image.

    Raises:
        UsageError: If `probability` is not from 0 to 1.

    Example:
        >>> ramp = Sample("a", torch.tensor([[[0.0, 1.0]]]), 0)
        >>> flip(ramp, torch.Generator(), probability=1.0).image
        tensor([[[1., 0.]]])
    """
    if not 0 <= probability <= 1:
        raise UsageError(f"probability is {probability}; expected a number from 0 to 1")
    turned = float(torch.rand((), generator=draws)) < probability
    return _moved(sample, lambda planes: planes.flip(2)) if turned else sample


def _moved(sample: Sample, move: Callable[[Tensor], Tensor]) -> Sample:
    """The sample with its pixels moved, and with them its foreground."""
    mask = None if sample.mask is None else move(sample.mask)
    return replace(sample, image=move(sample.image), mask=mask)


def _a_sample() -> tuple[Sample, torch.Generator]:
    return Sample("", torch.zeros(3, 32, 32), 0), torch.Generator()


AUGMENTATIONS = Catalog(
    "augmentation",
    {"crop": crop, "flip": flip},
    "limen.augmentations",
    argument=False,
    takes=2,
    finish=tried_on(_a_sample, Sample),
)
"""The augmentations that a spec can name; a user's own is a function of a sample and a generator that returns
a sample, and of keywords of its own."""


def augmentations(specs: Iterable[str]) -> list[Named]:
    """The augmentations that specs, or chains of them, name, in their order.

    Raises:
        UsageError: If a spec cannot be followed.

    Example:
        >>> [each.identity.label for each in augmentations(["crop:padding=2+flip"])]
        ['crop:padding=2', 'flip']
    """
    return [AUGMENTATIONS.make(each) for spec in specs for each in split_chain(spec)]

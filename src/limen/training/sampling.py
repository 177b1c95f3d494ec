"""Sampling: which samples an epoch has, in which order.

A sampling is a function of a data set and a generator, which is seeded by the epoch. What it draws does not
depend on the processes that train, nor on an interruption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from limen.catalog import Catalog, tried_on
from limen.data import Dataset, from_arrays, groups_of
from limen.errors import UsageError
from limen.safety import MOST_COUNT, check_count

By = Literal["group", "label", "both"]
"""What makes a group of samples: the data's own groups, the labels, or each pair of the two."""


@dataclass(frozen=True)
class Drawn:
    """What an epoch learns from.

    Attributes:
        order: Positions in the data set, in the order in which they are learned from.
        factors: By how much the gradient of the sample at each of these positions is multiplied; None for 1.
    """

    order: Sequence[int]
    factors: Sequence[float] | None = None


def shuffled(dataset: Dataset, draws: torch.Generator) -> Drawn:
    """Each sample once, in random order.

    Example:
        >>> from limen.data import demo
        >>> sorted(shuffled(demo("digits", count=4), torch.Generator()).order)
        [0, 1, 2, 3]
    """
    return Drawn(torch.randperm(len(dataset), generator=draws).tolist())


def weighted(
    dataset: Dataset, draws: torch.Generator, *, count: int | None = None, literal: bool = False
) -> Drawn:
    """Samples with replacement, in proportion to the weights of the data.

    Args:
        dataset: Where to draw; one without weights is drawn from evenly.
        draws: Where random numbers come from.
        count: How many are drawn for an epoch; as many as there are samples, if None.
        literal: Whether the gradient of each is multiplied by its weight too. This is how the source's text
            reads; it weighs by the squares of the weights, and a step's length grows with them.

    Raises:
        UsageError: If `count` is not positive.

    Source:
        Algorithm 4.2 of the paper on imperceptible attacks, distributionally robust optimization and
        fairness (Hua et al.), lines 4 and 5.

    Example:
        >>> from dataclasses import replace
        >>> from limen.data import demo
        >>> uneven = replace(demo("digits", count=3), weights=torch.tensor([0.0, 2.0, 0.0]))
        >>> weighted(uneven, torch.Generator(), literal=True)
        Drawn(order=[1, 1, 1], factors=[2.0, 2.0, 2.0])
    """
    weights = torch.ones(len(dataset), dtype=torch.float64) if dataset.weights is None else dataset.weights
    order = draw_positions(weights, _count(count, dataset), draws)
    return Drawn(order, [float(weights[place]) for place in order] if literal else None)


def balanced(
    dataset: Dataset, draws: torch.Generator, *, by: By = "group", count: int | None = None
) -> Drawn:
    """Samples with replacement, so that each group is drawn equally often on average.

    Args:
        dataset: Where to draw; each of its samples must belong to a group.
        draws: Where random numbers come from.
        by: What makes a group.
        count: As of `weighted`.

    Raises:
        UsageError: If a sample belongs to no group, or `count` is not positive.
        ImageFileError: If a group or label must be read, and its image cannot be used.

    Source:
        Sagawa et al. 2020, Distributionally robust neural networks for group shifts, Section 2.2 and
        Appendix C: minibatches in which each group is equally likely.

    Example:
        >>> from limen.data import demo
        >>> len(balanced(demo("scenes", count=8, size=32), torch.Generator(), by="label").order)
        8
    """
    keys = keys_of(dataset, by)
    sizes = Counter(keys)
    weights = torch.tensor([1 / sizes[key] for key in keys], dtype=torch.float64)
    return Drawn(draw_positions(weights, _count(count, dataset), draws))


def _count(asked: int | None, dataset: Dataset) -> int:
    """How many draws an epoch has."""
    return len(dataset) if asked is None else check_count("count", asked, max(MOST_COUNT, len(dataset)))


def draw_positions(weights: Tensor, count: int, draws: torch.Generator) -> list[int]:
    """Positions, drawn with replacement in proportion to weights.

    Args:
        weights: Float64 (N,), not negative.
        count: How many to draw.
        draws: Where random numbers come from.

    Raises:
        UsageError: If a weight is negative or not finite, or all are 0.

    Example:
        >>> draw_positions(torch.tensor([0.0, 0.5, 0.0]), 3, torch.Generator())
        [1, 1, 1]
    """
    sums = weights.double().cumsum(0)
    if not bool((weights >= 0).all()) or not bool(torch.isfinite(sums).all()) or not sums[-1] > 0:
        raise UsageError("the weights of samples must be finite, not negative, and not all 0")
    drawn = torch.rand(count, generator=draws, dtype=torch.float64) * sums[-1]
    # A sample of weight 0 is never the first whose sum exceeds what was drawn.
    found = torch.searchsorted(sums, drawn, right=True)
    return found.clamp(max=int(weights.nonzero()[-1])).tolist()


def keys_of(dataset: Dataset, by: By) -> list[str]:
    """The name of the group that each sample belongs to.

    Raises:
        UsageError: If a sample belongs to none.
        ImageFileError: If a group or label must be read, and its image cannot be used.
    """
    groups = None if by == "label" else groups_of(dataset)
    if groups is not None and None in groups:
        raise UsageError(f"{dataset.spec}: not every sample belongs to a group; name groups, or use by=label")
    labels = None if by == "group" else [dataset.load(place).label for place in range(len(dataset))]
    return join_keys(groups, labels)


def join_keys(groups: Sequence[object] | None, labels: Sequence[int] | None) -> list[str]:
    """The names of groups of samples, by the data's own groups (N), labels (N), or both.

    Example:
        >>> join_keys(["night"], None), join_keys(None, [3]), join_keys(["night"], [3])
        (['night'], ['3'], ['3 night'])
    """
    columns = [column for column in (labels, groups) if column is not None]
    return [" ".join(map(str, parts)) for parts in zip(*columns, strict=True)]


def _a_set() -> tuple[Dataset, torch.Generator]:
    pixels, labels = np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, int)
    return from_arrays("", pixels, labels, groups=[""]), torch.Generator()


SAMPLINGS = Catalog(
    "sampling",
    {"shuffled": shuffled, "weighted": weighted, "balanced": balanced},
    "limen.samplings",
    argument=False,
    takes=2,
    finish=tried_on(_a_set, Drawn),
)
"""The samplings that a spec can name; a user's own is a function of a data set and a generator that returns a
`Drawn`, and of keywords of its own."""


def sampling_for(spec: str | None, dataset: Dataset) -> str:
    """The sampling that a spec names; where none is named, that which the data set asks for by its weights.

    Example:
        >>> from limen.data import demo
        >>> sampling_for(None, demo("digits", count=4)), sampling_for("balanced", demo("digits", count=4))
        ('shuffled', 'balanced')
    """
    if spec is not None:
        return spec
    return "shuffled" if dataset.weights is None else "weighted"

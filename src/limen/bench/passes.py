"""How many passes an attack takes: counted on the model and two stand-ins, one that cannot be fooled."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from limen.attacks import Outcome
from limen.classifier import Classifier
from limen.errors import LimenError

Counts = Mapping[str, int]
"""By parameter, how often an attack does something, such as `steps`."""

_FEWEST = (1, 2, 10)
_FIRST, _SECOND = 1, 3  # beyond the fewest: there are attacks whose first step is another
_CHANNELS = 8
_MARGIN = 20.0


class StandIn(nn.Module):
    """A network of no cost with the model's classes, whose logits differ little: its features are bounded.

    Args:
        channels: Of the images.
        classes: How many logits.
        margin: By how much the first logit is above the others; more than any image makes up for, so that no
            attack fools it, or 0, so that any does.
    """

    def __init__(self, channels: int, classes: int, margin: float = 0.0) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, _CHANNELS, 3, padding=1), nn.Tanh())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.last = nn.Linear(_CHANNELS, classes)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator).mul_(1 / _CHANNELS)
        self.register_buffer("ahead", margin * (torch.arange(classes) == 0))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.last(self.pool(self.features(images))) + self.ahead


@dataclass(frozen=True)
class Counter:
    """Counts the passes of attacks on an image, of the model and of stand-ins for it.

    Attributes:
        model: The model.
        image: An image (1, C, H, W) of the data, where the model is.
    """

    model: Classifier
    image: Tensor
    stand_ins: tuple[Classifier, ...] = field(init=False)

    def __post_init__(self) -> None:
        classes, device = self.model(self.image).shape[1], self.image.device
        # Made without a draw of the global generator, which is the user's.
        with torch.random.fork_rng(devices=[]):
            made = [StandIn(self.image.shape[1], classes, margin) for margin in (_MARGIN, 0.0)]
        nets = tuple(Classifier(net, device=device, ask=False) for net in made)
        object.__setattr__(self, "stand_ins", nets)

    def passes(self, attack: Callable[..., Outcome], most: float = math.inf) -> float:
        """The most forward and backward passes of an image: where it withstands, where not, and of the model.

        Args:
            attack: The attack.
            most: An attack that asks for more forward passes is stopped, and its passes are infinitely many.

        Raises:
            LimenError: If the attack refuses the image, the stand-ins or the model.
        """
        try:
            found = [self._tried(attack, classifier, most) for classifier in (*self.stand_ins, self.model)]
        except _TooManyError:
            return math.inf
        return max(int((each.forwards + each.backwards).max()) for each in found)

    def _tried(self, attack: Callable[..., Outcome], classifier: Classifier, most: float) -> Outcome:
        with warnings.catch_warnings(), _at_most(classifier, most):
            warnings.simplefilter("ignore")  # what is said of one image will be said of all
            return attack(classifier, self.image, classifier(self.image).argmax(1), ids=["0"], seed=0)


class _TooManyError(LimenError):
    """Raised inside an attack that asks for too many passes."""


@contextmanager
def _at_most(classifier: Classifier, most: float) -> Iterator[None]:
    """Let so many images pass, and then raise."""
    seen = 0

    def look(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        seen += len(arguments[0]) if arguments else 1
        if seen > most:
            raise _TooManyError

    handle = classifier.module.register_forward_pre_hook(look)
    try:
        yield
    finally:
        handle.remove()


def most_counts(
    defaults: Counts, allowed: int, passes: Callable[[Counts], float], kept: Collection[str] = ()
) -> tuple[dict[str, int], float]:
    """The counts whose passes come nearest to what is allowed without exceeding it, all of them 1 at least.

    They are scaled together from their defaults, and the first takes what is left; one that takes no passes
    stays as it is, and so do those that are kept, if the first can be as few as it may beside them. Passes
    are mostly a polynomial of the first degree in each count, which a few runs of small counts tell; where
    they are not, runs near the end correct it.

    Args:
        defaults: The counts, such as `steps` and `search_steps`, with their defaults.
        allowed: How many passes.
        passes: Counts the passes of an attack with these counts.
        kept: The counts that are not to be cut, but for the first.

    Returns:
        The counts, and their passes; of an attack that fails at counts of 1, as some of other libraries
        divide by a share of the steps, counts of 2 or 10 are the fewest.

    Raises:
        LimenError: If the attack fails at counts of 10, too.

    Example:
        >>> climbs = lambda counts: 2 * counts["steps"] * counts["search_steps"]
        >>> most_counts({"steps": 100, "search_steps": 9}, 100, climbs)
        ({'steps': 25, 'search_steps': 2}, 100)
    """
    names = list(defaults)
    if not names:
        return {}, passes({})
    known: dict[tuple[int, ...], float] = {}

    def counted(values: tuple[int, ...]) -> float:
        if values not in known:
            known[values] = passes(dict(zip(names, values, strict=True)))
        return known[values]

    fewest = (_fewest(counted, len(names)),) * len(names)
    found = fewest
    if counted(fewest) < allowed:
        still = [name in kept for name in names[1:]]
        found = _scaled([*defaults.values()], allowed, fewest, counted, still)
    return dict(zip(names, found, strict=True)), counted(found)


def _fewest(counted: Callable[[tuple[int, ...]], float], count: int) -> int:
    """The fewest that all counts can be."""
    for fewest in _FEWEST[:-1]:
        try:
            counted((fewest,) * count)
        except LimenError:
            continue
        return fewest
    counted(_FEWEST[-1:] * count)
    return _FEWEST[-1]


def _scaled(
    defaults: Sequence[int],
    allowed: int,
    fewest: tuple[int, ...],
    counted: Callable[[tuple[int, ...]], float],
    kept: Sequence[bool],
) -> tuple[int, ...]:
    """The counts, none below the fewest, of which the first takes what the others leave."""
    others, least = defaults[1:], fewest[0]
    cost = _fitted(len(defaults), least, counted)
    once = cost(fewest)
    # Passes that were not counted to their end are infinite, and tell nothing.
    idle = [
        math.isfinite(once) and cost(_at(fewest, place, least + 1)) == once
        for place in range(1, len(defaults))
    ]
    if any(kept):
        both = zip(others, idle, kept, strict=True)
        held = tuple(each if still or keep else least for each, still, keep in both)
        if cost((least, *held)) <= allowed:
            idle = [still or keep for still, keep in zip(idle, kept, strict=True)]

    def scaled(factor: float) -> tuple[int, ...]:
        both = zip(others, idle, strict=True)
        return tuple(each if still else max(least, round(each * factor)) for each, still in both)

    def first(rest: tuple[int, ...]) -> int:
        """The greatest first count that is allowed beside the others; 0 for none."""
        return _greatest(lambda value: cost((value, *rest)) <= allowed, allowed)

    # As many of the others as stand to the first as their defaults do.
    start = defaults[0]
    low, high = 0.0, max(1.0, allowed / start)
    for _ in range(20 if others else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if first(scaled(middle)) >= start * middle else (low, middle)
    found = (max(least, first(scaled(low))), *scaled(low))
    if counted(found) == cost(found):
        return found
    value = _greatest_near(lambda each: counted(_at(found, 0, each)) <= allowed, found[0], least)
    return _at(found, 0, max(least, value))


def _at(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _greatest(holds: Callable[[int], bool], most: int) -> int:
    """The greatest number from 0 to `most` for which it holds, where it holds up to some number."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _greatest_near(holds: Callable[[int], bool], start: int, least: int) -> int:
    """The same, without a bound from above, where it is near some number; below the least for none."""
    low, high, step = start, start + 1, 1
    if holds(start):
        while holds(high):
            low, high, step = high, high + 2 * step, 2 * step
    else:
        low, high = start - 1, start
        while low >= least and not holds(low):
            low, high, step = max(least - 1, low - 2 * step), low, 2 * step
    return low + _greatest(lambda each: holds(low + each), high - low - 1)


def _fitted(
    count: int, least: int, counted: Callable[[tuple[int, ...]], float]
) -> Callable[[tuple[int, ...]], float]:
    """The polynomial of the first degree in each count through runs of small counts."""
    start, end = ends = (least + _FIRST, least + _SECOND)
    corners = {each: counted(each) for each in itertools.product(ends, repeat=count)}

    def cost(values: tuple[int, ...]) -> float:
        total = 0.0
        for corner, passes in corners.items():
            shares = [
                (value - start if place == end else end - value) / (end - start)
                for value, place in zip(values, corner, strict=True)
            ]
            if share := math.prod(shares):
                total += passes * share
        return total

    return cost

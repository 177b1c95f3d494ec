"""How many passes an attack takes: counted on the model and two stand-ins, one that cannot be fooled."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from limen.attacks import Outcome
from limen.classifier import Classifier

Counts = Mapping[str, int]
"""By parameter, how often an attack does something, such as `steps`."""

_FIRST, _SECOND, _THIRD = 2, 4, 7
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

    def passes(self, attack: Callable[..., Outcome]) -> int:
        """The most forward and backward passes of an image: where it withstands, where not, and of the model.

        Raises:
            LimenError: If the attack refuses the image, the stand-ins or the model.
        """
        found = [self._tried(attack, classifier) for classifier in (*self.stand_ins, self.model)]
        return max(int((each.forwards + each.backwards).max()) for each in found)

    def _tried(self, attack: Callable[..., Outcome], classifier: Classifier) -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is said of one image will be said of all
            return attack(classifier, self.image, classifier(self.image).argmax(1), ids=["0"], seed=0)


def most_counts(
    defaults: Counts, allowed: int, passes: Callable[[Counts], int]
) -> tuple[dict[str, int], int]:
    """The counts whose passes come nearest to what is allowed without exceeding it, all of them 1 at least.

    They are scaled together from their defaults, and the first takes what is left; one that takes no passes
    stays as it is. Passes are mostly a polynomial of the first degree in each count, which a few runs of
    small counts tell; where they are not, runs near the end correct it.

    Args:
        defaults: The counts, such as `steps` and `search_steps`, with their defaults.
        allowed: How many passes.
        passes: Counts the passes of an attack with these counts.

    Returns:
        The counts, and their passes.

    Example:
        >>> climbs = lambda counts: 2 * counts["steps"] * counts["search_steps"]
        >>> most_counts({"steps": 100, "search_steps": 9}, 100, climbs)
        ({'steps': 25, 'search_steps': 2}, 100)
    """
    names = list(defaults)
    if not names:
        return {}, passes({})
    known: dict[tuple[int, ...], int] = {}

    def counted(values: tuple[int, ...]) -> int:
        if values not in known:
            known[values] = passes(dict(zip(names, values, strict=True)))
        return known[values]

    ones = (1,) * len(names)
    if counted(ones) >= allowed:
        return dict.fromkeys(names, 1), counted(ones)
    cost, exact = _fitted(len(names), counted)
    others = [defaults[name] for name in names[1:]]
    idle = [cost(_at(ones, place, 2)) == cost(ones) for place in range(1, len(names))]

    def scaled(factor: float) -> tuple[int, ...]:
        both = zip(others, idle, strict=True)
        return tuple(each if still else max(1, round(each * factor)) for each, still in both)

    def first(rest: tuple[int, ...]) -> int:
        """The greatest first count that is allowed beside the others; 0 for none."""
        return _greatest(lambda value: cost((value, *rest)) <= allowed, allowed)

    # As many of the others as stand to the first as their defaults do.
    start = defaults[names[0]]
    low, high = 0.0, max(1.0, allowed / start)
    for _ in range(20 if others else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if first(scaled(middle)) >= start * middle else (low, middle)
    found = (max(1, first(scaled(low))), *scaled(low))
    if exact and counted(found) == cost(found):
        return dict(zip(names, found, strict=True)), counted(found)
    value = _greatest_near(lambda each: counted(_at(found, 0, each)) <= allowed, found[0])
    found = _at(found, 0, max(1, value))
    return dict(zip(names, found, strict=True)), counted(found)


def _at(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _greatest(holds: Callable[[int], bool], most: int) -> int:
    """The greatest number from 0 to `most` for which it holds, where it holds up to some number."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _greatest_near(holds: Callable[[int], bool], start: int) -> int:
    """The same, without a bound from above, where it is near some number of 1 or more."""
    low, high, step = start, start + 1, 1
    if holds(start):
        while holds(high):
            low, high, step = high, high + 2 * step, 2 * step
    else:
        low, high = start - 1, start
        while low > 0 and not holds(low):
            low, high, step = max(0, low - 2 * step), low, 2 * step
    return low + _greatest(lambda each: holds(low + each), high - low - 1)


def _fitted(
    count: int, counted: Callable[[tuple[int, ...]], int]
) -> tuple[Callable[[tuple[int, ...]], float], bool]:
    """The polynomial of the first degree in each count through runs of small counts, and whether it fits."""
    ends = (_FIRST, _SECOND)
    corners = {each: counted(each) for each in itertools.product(ends, repeat=count)}

    def cost(values: tuple[int, ...]) -> float:
        total = 0.0
        for corner, passes in corners.items():
            shares = [
                (value - _FIRST if end == _SECOND else _SECOND - value) / (_SECOND - _FIRST)
                for value, end in zip(values, corner, strict=True)
            ]
            total += passes * math.prod(shares)
        return total

    beyond = (_THIRD,) * count
    return cost, cost(beyond) == counted(beyond)

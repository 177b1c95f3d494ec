"""How long an audit takes, measured before it begins: a few steps of each attack on a few images."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from limen import catalog
from limen.attacks import Outcome
from limen.audit.effort import Attempt
from limen.audit.setup import Subject
from limen.detection import feature_count, train_ensemble
from limen.errors import LimenError, LimenWarning
from limen.metrics import Metric
from limen.metrics.metric import measured
from limen.spec import Spec

_TARGET = 0.25  # seconds that a pass of the images that are timed should take
_MOST = 32
TRAINED = 32
"""On how many pairs of images the training of a detector is timed."""

_STEPS = 8  # enough that what an attack does once counts for little
_WATCHED, _LOOKS = 4, {"apgd": 20, "square": 60}
"""Of an attack that stops early, on how many images and for how many steps it is watched when it does."""


@dataclass(frozen=True)
class Timing:
    """What was measured.

    Attributes:
        forward: Seconds per image of a pass forward.
        passes: By the spec of an attempt, seconds per image and pass.
        pair: Seconds per image and attack to compare an image with its original.
        left_out: By the spec of an attempt, why it cannot attack these images.
        shares: By the spec of an attempt, which share of its passes it is likely to make, as images that are
            fooled leave it; 1 if it is not named.
        made_again: As `passes`, of the few images that attacks are made again on.
    """

    forward: float
    passes: Mapping[str, float] = field(default_factory=dict)
    pair: float = 0.0
    left_out: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    made_again: Mapping[str, float] = field(default_factory=dict)

    def again(self, attempts: Sequence[Attempt]) -> Lasting:
        """How long it takes to make all attacks again on one of a few images."""
        return _climbing(attempts, self.made_again, self.shares)

    def seconds(self, attempts: Sequence[Attempt], shields: int) -> Lasting:
        """How long an image takes, with all attacks and behind so many defences or other models."""
        rows = sum(each.rows for each in attempts)
        besides = rows * (self.pair + (1 + shields) * self.forward)
        return _climbing(attempts, self.passes, self.shares) + Lasting(besides, besides)


@dataclass(frozen=True)
class Lasting:
    """How many seconds something lasts.

    Attributes:
        likely: About how many.
        most: How many at most.
    """

    likely: float = 0.0
    most: float = 0.0

    def __add__(self, other: Lasting) -> Lasting:
        return Lasting(self.likely + other.likely, self.most + other.most)

    def times(self, factor: float) -> Lasting:
        """So many times as long."""
        return Lasting(factor * self.likely, factor * self.most)


def _climbing(
    attempts: Sequence[Attempt], passes: Mapping[str, float], shares: Mapping[str, float]
) -> Lasting:
    """How long the passes of attacks take."""
    most = {each.spec: passes.get(each.spec, 0.0) * each.passes * each.rows for each in attempts}
    return Lasting(sum(shares.get(spec, 1.0) * one for spec, one in most.items()), sum(most.values()))


def timed(
    subject: Subject, attempts: Sequence[Attempt], metrics: Sequence[Metric], images: int, few: int = 0
) -> Timing:
    """Time a few steps of each attack on images that the model has right.

    Args:
        subject: The model and the images.
        attempts: The attacks.
        metrics: What each result is measured by.
        images: How many images are attacked side by side, each under all budgets of an attack.
        few: On how many images attacks are made again, budget by budget; 0 for none.
    """
    forward, fit = _forward(subject)
    passes, made_again, left_out = {}, {}, {}
    for attempt in attempts:
        spec = shortened(attempt)
        try:
            passes[attempt.spec] = _pass(subject, spec, min(fit, images * attempt.rows))
            alone = few and few < min(fit, images * attempt.rows)
            made_again[attempt.spec] = _pass(subject, spec, few) if alone else passes[attempt.spec]
        except LimenError as error:
            left_out[attempt.spec] = str(error)
    shares = {each.spec: _share(subject, each) for each in attempts if each.spec in passes and _stops(each)}
    shown, _ = _right(subject, min(fit, images))
    moved = (shown + 4 / 255 * torch.ones_like(shown)).clamp(0, 1)
    pair = _pair([each for each in metrics if min(shown.shape[2:]) >= each.least_side], shown, moved)
    return Timing(forward, passes, pair, left_out, shares, made_again)


def _pair(metrics: Sequence[Metric], originals: torch.Tensor, images: torch.Tensor) -> float:
    """Seconds to compare an image with its original; the first of two times makes windows that stay."""
    with torch.no_grad():
        measured(metrics, originals, images)
        begin = time.perf_counter()
        measured(metrics, originals, images)
    return (time.perf_counter() - begin) / len(images)


def _right(subject: Subject, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """So many images that the model has right, and their labels; again where they are fewer."""
    images, labels = subject.first_right(count)
    rows = torch.arange(count) % len(images)
    return images[rows], labels[rows]


def _pass(subject: Subject, spec: str, count: int) -> float:
    """Seconds that a pass of an attack takes for each of so many images side by side."""
    seconds, outcome = _run(subject, spec, count)
    return seconds / max(1, int(outcome.forwards.sum()))


def training_seconds(dimension: int) -> float:
    """Seconds to train a detector on `TRAINED` pairs; 0 where none can be, as its library is missing."""
    drawn = np.random.default_rng(0).normal(size=(2, TRAINED, feature_count("spam", "luma")))
    begin = time.perf_counter()
    try:
        train_ensemble(drawn[0], drawn[1], dimension=dimension)
    except LimenError:
        return 0.0
    return time.perf_counter() - begin


def _run(subject: Subject, spec: str, count: int) -> tuple[float, Outcome]:
    """The seconds that an attack takes on the first images that are right, and what came of it."""
    images, labels = _right(subject, count)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        outcome = catalog.attack(spec)(subject.attacked, images, labels, ids=range(count))
    return time.perf_counter() - begin, outcome


def _stops(attempt: Attempt) -> bool:
    """Whether images that are fooled leave the attack."""
    return "early_stop=true" in attempt.spec or attempt.spec.startswith("square")


def _share(subject: Subject, attempt: Attempt) -> float:
    """Which share of its passes an attack makes that stops early, on a few images and steps of it.

    Who is not fooled in these is taken to be none later.
    """
    count, made = min(_WATCHED, int(subject.right.sum())), []
    looks = next(steps for name, steps in _LOOKS.items() if attempt.spec.startswith(name))
    for budget in attempt.budgets:
        short = shortened(replace(attempt, budgets=(budget,)), looks, stops=True)
        _, outcome = _run(subject, short, count)
        left = torch.where(outcome.success, outcome.forwards / attempt.passes, 1.0)
        made.append(float(left.clamp_max(1).mean()))
    return float(np.mean(made))


def shortened(attempt: Attempt, steps: int = _STEPS, *, stops: bool = False) -> str:
    """The spec of an attempt with as few steps as tell how long one takes, at its least budget.

    Args:
        attempt: The attempt.
        steps: How many steps at most.
        stops: Whether it still stops at a success, if it does.

    Example:
        >>> shortened(Attempt("L∞", "apgd_linf:steps=20,early_stop=true", 22, "linf", (1 / 255, 2 / 255)))
        'apgd_linf:eps=1/255,steps=8'
    """
    one = replace(attempt, budgets=attempt.budgets[:1])
    spec = Spec.parse(one.runs or one.spec, argument=False)
    short = {"steps": str(steps), "targets": "1", "search_steps": "1"}
    values = {key: (short[key],) if key in short else texts for key, texts in spec.values}
    if not stops:
        values.pop("early_stop", None)
    if spec.name == "smooth_carlini_wagner_l2":
        values |= {key: (short[key],) for key in ("steps", "search_steps")}
    return str(Spec(spec.name, spec.argument, tuple(values.items())))


def _forward(subject: Subject) -> tuple[float, int]:
    """Seconds of a pass forward for an image among others, and how many images fit into the time of a pass.

    The first of two passes warms caches, and is not timed.
    """
    count = 1
    while True:
        images, _ = _right(subject, count)
        with torch.no_grad():
            subject.classifier(images)
            begin = time.perf_counter()
            subject.classifier(images)
        seconds = time.perf_counter() - begin
        if count >= _MOST or 2 * 4 * seconds > _TARGET:
            return seconds / count, count
        count *= 2

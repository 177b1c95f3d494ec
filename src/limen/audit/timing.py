"""How long an audit takes, measured before it begins: a few steps of each attack on a few images."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from limen import catalog
from limen.audit.effort import Attempt
from limen.audit.setup import Subject
from limen.errors import LimenError, LimenWarning
from limen.metrics import Metric
from limen.metrics.metric import measured
from limen.spec import Spec

_TARGET = 0.25  # seconds that a pass of the images that are timed should take
_MOST = 16
_SHORT = {"steps": "2", "targets": "1", "search_steps": "1"}


@dataclass(frozen=True)
class Timing:
    """What was measured.

    Attributes:
        forward: Seconds per image of a pass forward.
        passes: By the spec of an attempt, seconds per image and pass.
        pair: Seconds per image and attack to compare an image with its original.
        left_out: By the spec of an attempt, why it cannot attack these images.
    """

    forward: float
    passes: Mapping[str, float] = field(default_factory=dict)
    pair: float = 0.0
    left_out: Mapping[str, str] = field(default_factory=dict)

    def seconds(self, attempts: Sequence[Attempt], shields: int) -> float:
        """How long an image takes at most, with all attacks and behind so many defences."""
        rows = sum(each.rows for each in attempts)
        climbs = sum(self.passes.get(each.spec, 0.0) * each.passes * each.rows for each in attempts)
        return climbs + rows * (self.pair + (1 + shields) * self.forward)


def timed(subject: Subject, attempts: Sequence[Attempt], metrics: Sequence[Metric]) -> Timing:
    """Time a few steps of each attack on images that the model has right.

    Args:
        subject: The model and the images.
        attempts: The attacks.
        metrics: What each result is measured by.
    """
    first, _ = subject.first_right(1)
    forward = _forward(subject, first)
    count = max(1, min(_MOST, int(_TARGET / max(4 * forward, 1e-6)), int(subject.right.sum())))
    images, labels = subject.first_right(count)
    passes, left_out = {}, {}
    for attempt in attempts:
        begin = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LimenWarning)
                outcome = catalog.attack(shortened(attempt))(
                    subject.attacked, images, labels, ids=range(count)
                )
        except LimenError as error:
            left_out[attempt.spec] = str(error)
            continue
        passes[attempt.spec] = (time.perf_counter() - begin) / max(1, int(outcome.forwards.sum()))
    moved = (images + 4 / 255 * torch.ones_like(images)).clamp(0, 1)
    begin = time.perf_counter()
    with torch.no_grad():
        measured([each for each in metrics if min(images.shape[2:]) >= each.least_side], images, moved)
    return Timing(forward, passes, (time.perf_counter() - begin) / count, left_out)


def shortened(attempt: Attempt) -> str:
    """The spec of an attempt with as few steps as tell how long one takes, at its least budget.

    Example:
        >>> shortened(Attempt("L∞", "apgd_linf:steps=20,loss=dlr", 22, "linf", (1 / 255, 2 / 255)))
        'apgd_linf:eps=1/255,steps=2,loss=dlr'
    """
    one = replace(attempt, budgets=attempt.budgets[:1])
    spec = Spec.parse(one.runs or one.spec, argument=False)
    values = tuple((key, (_SHORT[key],) if key in _SHORT else texts) for key, texts in spec.values)
    stated = {key for key, _ in values}
    if spec.name == "smooth_carlini_wagner_l2":
        values += tuple((key, (_SHORT[key],)) for key in ("steps", "search_steps") if key not in stated)
    return str(Spec(spec.name, spec.argument, values))


def _forward(subject: Subject, image: torch.Tensor) -> float:
    """Seconds of a pass forward, the second of two: the first one warms caches."""
    with torch.no_grad():
        subject.classifier(image)
        begin = time.perf_counter()
        subject.classifier(image)
    return time.perf_counter() - begin

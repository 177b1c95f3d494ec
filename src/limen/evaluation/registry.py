"""Every evaluation that a spec can name."""

from __future__ import annotations

from limen.catalog import Catalog, Request
from limen.errors import UsageError
from limen.evaluation.attention import attention
from limen.evaluation.certified import certified
from limen.evaluation.detection import detection
from limen.evaluation.distribution import distribution
from limen.evaluation.fairness import fairness
from limen.evaluation.foreground import foreground
from limen.evaluation.gradients import gradients
from limen.evaluation.indicators import indicators
from limen.evaluation.magnification import magnify_images
from limen.evaluation.optimality import optimality
from limen.evaluation.protocol import Evaluation
from limen.evaluation.saliency import saliency
from limen.evaluation.survival import defenses
from limen.evaluation.transfer import transfer
from limen.identity import Named


def _evaluation(measure: Named, request: Request) -> Evaluation:
    title, describe = (getattr(request.entry.thing, name, None) for name in ("title", "describe"))
    if title is None or describe is None:
        raise UsageError(
            f"{request.entry.name} is no evaluation; put @limen.evaluation.evaluation(…) above it"
        )
    return Evaluation(measure.identity, title, measure, describe, request.entry.thing.by_batch)


EVALUATIONS = Catalog(
    "evaluation",
    {
        "attention": attention,
        "certified": certified,
        "defenses": defenses,
        "detection": detection,
        "distribution": distribution,
        "fairness": fairness,
        "foreground": foreground,
        "gradients": gradients,
        "indicators": indicators,
        "magnify": magnify_images,
        "optimality": optimality,
        "saliency": saliency,
        "transfer": transfer,
    },
    "limen.evaluations",
    argument=False,
    takes=2,
    finish=_evaluation,
)
"""The evaluations that a spec can name; a user's own is a function made one by `evaluation`."""

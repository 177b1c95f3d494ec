"""Whether the model answers alike each time, and whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.evaluation.cleans import logits_of

_IMAGES, _TIMES = 8, 3
_REPEATED = 1e-4  # of the largest logit: by how much answers to one batch may differ
_REBATCHED = 2e-2  # by how much an image alone may differ from it in a batch, as other kernels are used


def steadiness(subject: Subject) -> Iterator[Finding]:
    """Some images again and again, and each alone."""
    images = subject.images[:_IMAGES]
    passes = torch.stack([logits_of(subject.classifier, images) for _ in range(_TIMES)]).cpu()
    size = float(passes.abs().max())
    change = float((passes - passes[0]).abs().max())
    if not subject.classifier.repeatable or change > _REPEATED * size:
        turned = int((passes.argmax(2) != passes[0].argmax(1)).any(0).sum())
        evidence = (
            f"In {_TIMES} passes of the same {len(images)} images logits of up to {size:.3g} differed by up "
            f"to {change:.2g}, and the class changed on {turned}; or random numbers were drawn in evaluation "
            "mode."
        )
        cure = (
            "Turn off dropout, noise or sampling at prediction, or see how many successes hold when the "
            "model is asked again; gradients of single draws mislead."
        )
        yield Finding("steadiness", "The model answers differently each time", "weakens", evidence, cure)
        return
    alone = torch.cat([logits_of(subject.classifier, image[None]) for image in images]).cpu()
    moved = float((alone - passes[0]).abs().max())
    if len(images) > 1 and moved > _REBATCHED * size:
        evidence = (
            f"Logits of up to {size:.3g} differed by up to {moved:.2g} between an image alone and in a batch "
            f"of {len(images)}."
        )
        cure = "Make the network in evaluation mode: a batch norm that was traced in training mode does this."
        yield Finding(
            "steadiness", "An answer depends on what else is in the batch", "weakens", evidence, cure
        )
        return
    same = f"{_TIMES} passes of the same {len(images)} images gave the same answers, as did each alone."
    yield Finding("steadiness", "Determinism", "sound", same)

"""Whether gradients are there, are not zero, and lead anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.classifier import Classifier, ModelError
from limen.defenses import Adaptive, defenses_of
from limen.errors import UsageError

_IMAGES = 16
_PIECE = 8
_SHARE = 0.1  # of the images on which something must be wrong
_STEP, _DRAWS = 4 / 255, 4
_FEW = 4

NO_GRADIENT = "no_gradient"
"""The key of the finding that there is none at all, so that attacks which take one cannot run."""


def gradients(subject: Subject) -> Iterator[Finding]:
    """The gradients of the logit margin and of the cross-entropy on images that the model has right."""
    images, labels = subject.first_right(_IMAGES)
    if not len(images):
        return
    model = attacked(subject.classifier)
    try:
        margins, slopes = _slopes(model, images, labels, _margin)
        _, losses = _slopes(model, images, labels, _cross_entropy)
    except (ModelError, UsageError) as error:
        cure = (
            "Let the gradient pass straight through what hides it. Until then only attacks without gradients "
            "are run, which find far less."
        )
        yield Finding(NO_GRADIENT, "No gradient flows through the model", "weakens", f"{error}.", cure)
        return
    found = _flat(slopes, losses)
    if found is None:
        found = _leading(model, images, labels, margins, slopes)
    yield found


def attacked(classifier: Classifier) -> Classifier:
    """The classifier as attacks are given it: with a gradient through its defences, or around them."""
    return Adaptive(classifier) if defenses_of(classifier) else classifier


def _flat(slopes: Tensor, losses: Tensor) -> Finding | None:
    """Whether gradients are zero or not finite, and what that comes of."""
    count = len(slopes)
    broken = ~torch.isfinite(slopes).flatten(1).all(1) | ~torch.isfinite(losses).flatten(1).all(1)
    still = (slopes == 0).flatten(1).all(1)
    faded = ~still & (losses == 0).flatten(1).all(1)
    if int(broken.sum()):
        return Finding(
            "finite",
            "Gradients are not finite",
            "weakens",
            f"On {int(broken.sum())} of {count} images a value of the gradient is NaN or infinite.",
            "Look for a root, a logarithm or a division at 0 inside the model.",
        )
    if int(still.sum()) > _SHARE * count:
        return Finding(
            "flat",
            "Gradients are masked: they are zero, as behind rounding or other steps",
            "weakens",
            f"On {int(still.sum())} of {count} images the gradient of the logits themselves is zero "
            "throughout, though the model tells classes apart.",
            "Let the gradient pass straight through the rounding; what withstands these attacks is no "
            "robustness.",
        )
    if int(faded.sum()) > _SHARE * count:
        return Finding(
            "saturation",
            "The loss is saturated: logits are so large that its gradient vanishes",
            "weakens",
            f"On {int(faded.sum())} of {count} images the cross-entropy has a gradient of zero, and the "
            "logits have not.",
            "Divide the logits by a temperature. Attacks that climb the cross-entropy are blind here; those "
            "of the margin, which this audit runs too, are not.",
        )
    return None


def _leading(model: Classifier, images: Tensor, labels: Tensor, margins: Tensor, slopes: Tensor) -> Finding:
    """Whether a step along the gradient beats steps at random of the same size, on most images."""
    generator = torch.Generator().manual_seed(0)

    def fall(direction: Tensor) -> Tensor:
        moved = (images - _STEP * direction).clamp(0, 1)
        with torch.no_grad():
            return margins - torch.cat(
                [
                    _margin(model(piece), of)
                    for piece, of in zip(moved.split(_PIECE), labels.split(_PIECE), strict=True)
                ]
            )

    along = fall(slopes.sign())
    drawn = [
        fall((torch.rand(images.shape, generator=generator) - 0.5).sign().to(images)) for _ in range(_DRAWS)
    ]
    won = int((along > torch.stack(drawn).amax(0)).sum())
    said = (
        f"A step of 4/255 along the gradient brought the margin further down than {_DRAWS} steps at random "
        f"on {won} of {len(images)} images."
    )
    if len(images) >= _FEW and 2 * won <= len(images):
        return Finding(
            "misleading",
            "Gradients are masked: they lead nowhere",
            "weakens",
            said,
            "Something inside the model shatters the gradient, such as noise, rounding with a gradient made "
            "up for it, or a filter. Attack the network without it, and average over what is random.",
        )
    return Finding("gradients", "Gradients", "sound", said)


def _slopes(model: Classifier, images: Tensor, labels: Tensor, of) -> tuple[Tensor, Tensor]:
    """The values (N,) and their gradients (N, C, H, W)."""
    values, slopes = [], []
    for piece, truth in zip(images.split(_PIECE), labels.split(_PIECE), strict=True):
        asked = piece.detach().clone().requires_grad_()
        with torch.enable_grad():
            found = of(model(asked), truth)
            (slope,) = torch.autograd.grad(found.sum(), asked)
        values.append(found.detach())
        slopes.append(slope)
    return torch.cat(values), torch.cat(slopes)


def _margin(logits: Tensor, labels: Tensor) -> Tensor:
    own = logits.gather(1, labels[:, None])[:, 0]
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(1)


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")

"""What the loss of a classifier heeds in images: its gradient, and what that looks like."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks.objective import other_logits
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import norm

_DEVIATIONS = 3


@dataclass(frozen=True, eq=False)
class LossGradients:
    """What a classifier's loss heeds in N images.

    Attributes:
        right: Whether the classifier gives each image its label, (N,) bool.
        gradients: The gradient of the log-odds against the label, (N, C, H, W), which has the direction of
            that of the cross-entropy and does not fade where the classifier is sure.
        lengths: The L2 length of the gradient of the cross-entropy itself, float64 (N,).
    """

    right: Tensor
    gradients: Tensor
    lengths: Tensor


def loss_gradients(classifier: Classifier, images: Tensor, labels: Tensor) -> LossGradients:
    """The gradient of the cross-entropy by the values of images.

    With the log-odds m against the label, the cross-entropy is log(1 + exp m), so its gradient is σ(m)·∇m.

    Args:
        classifier: The classifier.
        images: (N, C, H, W) in [0, 1].
        labels: Their classes, (N,).

    Raises:
        UsageError: If a label is none of the classifier's classes.

    Example:
        >>> import limen
        >>> classifier = limen.Classifier(torch.nn.Flatten())  # the logits are the pixels
        >>> loss_gradients(classifier, torch.full((1, 1, 1, 2), 0.5), torch.tensor([0])).lengths
        tensor([0.7071], dtype=torch.float64)
    """
    labels = labels.to(classifier.device)
    with torch.enable_grad():
        leaves = images.detach().to(classifier.device, classifier.dtype).requires_grad_()
        logits = classifier(leaves)
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
            raise UsageError(
                f"a label is {int(labels.max())}, but a classifier has {logits.shape[1]} classes; give one "
                "with the classes of the run's"
            )
        odds = other_logits(logits, labels).logsumexp(1) - logits.gather(1, labels[:, None])[:, 0]
        (gradients,) = torch.autograd.grad(odds.sum(), leaves)
    lengths = odds.detach().double().sigmoid() * norm(gradients.double())
    return LossGradients((logits.argmax(1) == labels).cpu(), gradients.cpu(), lengths.cpu())


def seen_as(gradients: Tensor) -> Tensor:
    """Gradients as pictures: within ±3 standard deviations of their mean, which is mid-grey, and in colour.

    Args:
        gradients: (N, C, H, W).

    Returns:
        (N, C, H, W) in [0, 1]; mid-grey where a gradient is the same everywhere.

    Source:
        Tsipras et al. 2019, Robustness may be at odds with accuracy, Figure 2.

    Example:
        >>> seen_as(torch.tensor([[[[1.0, -1.0]]]])).round(decimals=3)
        tensor([[[[0.6670, 0.3330]]]])
    """
    means = gradients.mean((1, 2, 3), keepdim=True)
    widths = _DEVIATIONS * gradients.std((1, 2, 3), correction=0, keepdim=True)
    scaled = (gradients - means) / widths.where(widths > 0, 1)
    return (scaled.clamp(-1, 1) + 1) / 2

"""A classifier behind a defence."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UsageError


class Defended(Classifier):
    """A classifier that sees every image only after a defence.

    Everything else, its fingerprint too, is the classifier's own. The gradient flows through the
    defence where that has one; where it has none, an attack is refused, as it would otherwise stand still
    and make the defence look strong. So a defence whose derivative is zero almost everywhere, such
    as rounding, is to give a tensor without a gradient.

    Args:
        classifier: The classifier, which may itself be behind a defence that then comes second.
        defense: Takes images (N, C, H, W) in [0, 1] and gives images of that kind.

    Example:
        >>> from limen.defenses import bilateral
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
        >>> defended = Defended(Classifier(net), bilateral)
        >>> defended(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, classifier: Classifier, defense: Callable[[Tensor], Tensor]) -> None:
        vars(self).update(vars(classifier))
        self._classifier = classifier
        self._defense = defense

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1], after the defence.

        Raises:
            UsageError: As the classifier, or if a gradient is asked for that the defence does not have.
            ModelError: As the classifier.
        """
        defended = self._defense(images)
        if torch.is_grad_enabled() and images.requires_grad and not defended.requires_grad:
            name = getattr(self._defense, "__name__", "this one")
            raise UsageError(
                f"no gradient flows through the defence ({name}): attack the model without it, and then "
                "classify the images behind it"
            )
        return self._classifier(defended)

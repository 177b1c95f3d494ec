"""A classifier behind a defence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from limen.classifier import Classifier, Wrapped
from limen.errors import UsageError
from limen.identity import Identity, identify


class Defended(Wrapped):
    """A classifier that sees every image only after a defence.

    The gradient flows through the defence where that has one; where it has none, an attack is refused, as it
    would otherwise stand still and make the defence look strong. So a defence whose derivative is zero almost
    everywhere, such as rounding, is to give a tensor without a gradient.

    Args:
        classifier: The classifier, which may itself be behind a defence that then comes second.
        defense: Takes images (N, C, H, W) in [0, 1] and gives images of that kind.

    Example:
        >>> from limen.defenses import bilateral
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
        >>> defended = Defended(Classifier(net), bilateral)
        >>> defended(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 10])
        >>> [defense.label for defense in defenses_of(defended)]
        ['bilateral']
    """

    def __init__(self, classifier: Classifier, defense: Callable[[Tensor], Tensor]) -> None:
        super().__init__(classifier)
        self.defense = defense

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1], after the defence.

        Raises:
            UsageError: As the classifier, or if a gradient is asked for that the defence does not have.
            ModelError: As the classifier.
        """
        defended = self.defense(images)
        if torch.is_grad_enabled() and images.requires_grad and not defended.requires_grad:
            name = getattr(self.defense, "__name__", None) or defenses_of(self)[0].label
            raise UsageError(
                f"no gradient flows through the defence ({name}): attack adaptively, as "
                "limen.defenses.Adaptive does, or attack the model without it, and then classify the images "
                "behind it"
            )
        return self.classifier(defended)

    def fingerprint(self) -> str:
        """A SHA-256 hex digest of the classifier's own and of what the defence is.

        Raises:
            UsageError: If it cannot be told what the defence is, as of a lambda; the message says the cure.
        """
        defense = json.dumps(asdict(identify(self.defense)), sort_keys=True)
        return hashlib.sha256(f"{self.classifier.fingerprint()} {defense}".encode()).hexdigest()


def defenses_of(classifier: Classifier) -> tuple[Identity, ...]:
    """The defences that images pass on their way to a classifier, in this order; none for a bare one.

    Raises:
        UsageError: If it cannot be told what one is, as of a lambda; the message says how to help.
    """
    if not isinstance(classifier, Defended):
        return ()
    return (identify(classifier.defense), *defenses_of(classifier.classifier))


def undefended(classifier: Classifier) -> Classifier:
    """The classifier without the defences in front of it."""
    return undefended(classifier.classifier) if isinstance(classifier, Defended) else classifier

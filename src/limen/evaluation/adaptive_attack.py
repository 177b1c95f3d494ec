"""Attacks that know of the defences in front of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from limen.attacks import Attack, Outcome
from limen.attacks.mask import known_masks
from limen.attacks.tracing import known_trace
from limen.classifier import Classifier
from limen.defenses import Adaptive
from limen.images import LATTICE


@dataclass(frozen=True)
class AdaptiveAttack:
    """An attack that takes gradients through defences, in each way that there is, and keeps the best.

    First the gradient is that of the defences, of what stands in for them, or goes straight through. What
    that does not fool, where anything stood in for a defence, is tried once more straight through all.

    Attributes:
        attack: Any attack.
        draws: How many draws of random defences each pass is the mean of.

    Source:
        Athalye, Carlini & Wagner 2018; `limen.defenses.Adaptive`.

    Example:
        >>> import torch
        >>> from limen.attacks import pgd_l2
        >>> from limen.defenses import Defended, jpeg
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5))
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> attack = AdaptiveAttack(pgd_l2(steps=2))
        >>> attack(Defended(Classifier(net), jpeg), images, labels).images.shape
        torch.Size([2, 3, 8, 8])
    """

    attack: Callable[..., Outcome]
    draws: int = 1

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor,
        targeted: bool = False,
        ids: Sequence[object] | None = None,
        seed: int = 0,
        lattice: int | None = LATTICE,
        masks: Tensor | None = None,
        trace: bool = False,
    ) -> Outcome:
        """Attack a batch of images, as any attack does.

        The outcome's success is that at the mean over the draws; whether an image fools is for the
        classifier itself to say.
        """
        names = range(len(images)) if ids is None else ids
        how: dict[str, Any] = {"targeted": targeted, "seed": seed, "lattice": lattice}
        how |= known_trace(self.attack, trace)
        known = Adaptive(classifier, self.draws)
        given = known_masks(self.attack, masks)
        outcome = self.attack(known, images, labels, ids=names, **how, **given)
        left = (~outcome.success).nonzero()[:, 0]
        if not (known.has_stand_ins and len(left)):
            return outcome
        again = self.attack.select(left) if isinstance(self.attack, Attack) else self.attack
        straight = Adaptive(classifier, self.draws, backward="identity")
        these = [names[row] for row in left.tolist()]
        given = {name: rows[left] for name, rows in given.items()}
        return outcome.retried(left, again(straight, images[left], labels[left], ids=these, **how, **given))

"""Where an attack ends, for whoever learns from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from limen.attacks import Attack
from limen.attacks.mask import known_masks
from limen.classifier import Classifier


def ended(
    attack: Callable[..., Any],
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    *,
    seed: int,
    masks: Tensor | None = None,
    lattice: int | None = None,
) -> Tensor:
    """Where an attack takes images, whether they then fool the classifier or not.

    Args:
        attack: Limen's own, or a user's callable, which only says what fooled: the rest stays as it was.
        classifier: The network.
        images: (N, C, H, W) in [0, 1].
        labels: Their classes (N,).
        ids: A name for each, from which its random numbers come.
        seed: The seed of all of them.
        masks: Which pixels are foreground, bool (N, 1, H, W), if the data says.
        lattice: Steps between 0 and 1 to round to; None for floats.

    Returns:
        Images (N, C, H, W).
    """
    if isinstance(attack, Attack):
        return attack.perturb(classifier, images, labels, ids=ids, seed=seed, masks=masks, lattice=lattice)
    known = known_masks(attack, masks)
    return attack(classifier, images, labels, ids=ids, seed=seed, lattice=lattice, **known).images

"""Which photographs a detector is trained on, and which it is tested on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limen.errors import UsageError


def halves(classes: Sequence[int], repeats: int, seed: int) -> list[np.ndarray]:
    """Split images into halves again and again, so that each class is in both halves as evenly as can be.

    Repeats come in twos: what is trained on in one is tested on in the next. So over an even number of
    repeats each image is tested equally often.

    Args:
        classes: The class of each image, (N,).
        repeats: How many splits.
        seed: Seed of the draws.

    Returns:
        For each repeat, which images are trained on, (N,) bool; the others are tested on.

    Raises:
        UsageError: If there is no repeat.

    Source:
        Dietterich 1998, Approximate statistical tests for comparing supervised classification learning
        algorithms, Section 3 (5×2 cross-validation).

    Example:
        >>> first, second = halves([0, 0, 1, 1], 2, seed=0)
        >>> int(first[:2].sum()), int(first[2:].sum()), bool((first != second).all())
        (1, 1, True)
    """
    if repeats < 1:
        raise UsageError(f"repeats must be at least 1, not {repeats}")
    generator, count = np.random.default_rng(seed), len(classes)
    trained: list[np.ndarray] = []
    while len(trained) < repeats:
        # Neighbours in an order by class are mostly of one class; of each two, one goes to either half.
        order = np.lexsort((generator.random(count), np.asarray(classes)))
        firsts = generator.integers(0, 2, (count + 1) // 2)
        sides = np.stack([firsts, 1 - firsts], axis=1).ravel()[:count].astype(bool)
        half = np.empty(count, bool)
        half[order] = sides
        trained += [half, ~half]
    return trained[:repeats]

"""The Lagrangian dual of distributionally robust risk, estimated from losses and costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.analysis.intervals import estimate_means
from limen.errors import UsageError


@dataclass(frozen=True)
class Dual:
    """An estimate of λδ + E[φ], where φ is the greatest loss less λ times the cost, near each image.

    For every λ ≥ 0 that sum bounds the mean loss under every distribution whose transport from that of the
    data costs at most δ. An attack finds a loss less cost that is at most φ, so the estimate may be too low:
    it is no bound, but the nearer to it, the better the attack.

    Attributes:
        value: The estimate.
        low: The lower end of its 95 % interval over the images.
        high: Its upper end.
        clean: The mean loss on clean images.
        loss: The mean loss where φ was found.
        cost: The mean cost there: the transport that it spends.
        weight: λ.
        radius: δ.
        count: Of how many images.
    """

    value: float
    low: float
    high: float
    clean: float
    loss: float
    cost: float
    weight: float
    radius: float
    count: int


def estimate_dual(
    clean: np.ndarray, attacked: np.ndarray, costs: np.ndarray, weight: float, radius: float, seed: int = 0
) -> Dual:
    """The dual at a fixed λ, from what an attack has found.

    Args:
        clean: The loss of each image, (N,).
        attacked: The loss where the attack ends, (N,).
        costs: What it costs to go there, (N,); where this is not finite, the image stays.
        weight: λ, not negative.
        radius: δ, not negative.
        seed: Of the bootstrap.

    Raises:
        UsageError: If there is no image, or λ or δ is negative.

    Source:
        Equations 3.2 and 3.3 of the paper on imperceptible attacks, distributionally robust optimization and
        fairness (Hua et al.), after Blanchet & Murthy 2019, Theorem 1.

    Example:
        >>> made = estimate_dual(np.array([1.0, 1.0]), np.array([3.0, 1.5]), np.array([1.0, 2.0]), 0.5, 2.0)
        >>> made.value, made.loss, made.cost
        (2.75, 2.0, 0.5)
    """
    if not len(clean) or not weight >= 0 or not radius >= 0:
        raise UsageError(
            f"the dual of {len(clean)} images at weight {weight} and radius {radius}; expected one image or "
            "more, and numbers that are not negative"
        )
    known = np.isfinite(costs)
    gains = np.where(known, attacked - weight * np.where(known, costs, 0.0), -np.inf)
    moved = gains > clean  # the supremum is over all images, so also over staying
    surrogate = np.where(moved, gains, clean)
    (mean,) = estimate_means(surrogate[:, None], seed=seed)
    spent = weight * radius
    value, low, high = mean.value + spent, mean.low + spent, mean.high + spent
    loss, cost = np.where(moved, attacked, clean).mean(), np.where(moved, costs, 0.0).mean()
    return Dual(value, low, high, float(clean.mean()), float(loss), float(cost), weight, radius, len(clean))

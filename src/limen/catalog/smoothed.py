"""`smoothed:MODEL`: any model that a spec names, under noise."""

from __future__ import annotations

from limen.smoothing import Smoothed


def smoothed(
    model: str, *, sigma: float = 0.25, draws: int = 100, seed: int = 0, device: str | None = None
) -> Smoothed:
    """A model that votes under Gaussian noise, `limen.smoothing.Smoothed`.

    Args:
        model: The spec of the model inside, with commas written twice.
        sigma: The noise's standard deviation, for images in [0, 1].
        draws: How many draws of noise an answer is made of.
        seed: Where the noise comes from, beside the image.
        device: Where to run.

    Raises:
        UsageError: If the spec cannot be followed, or a value is refused.

    Example:
        >>> smoothed("demo:digits", sigma=0.5).sigma
        0.5
    """
    from limen.catalog import MODELS  # which holds this

    return Smoothed(MODELS.make(model, device=device), sigma, draws, seed)

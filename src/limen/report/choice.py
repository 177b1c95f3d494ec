"""Which images a gallery shows, and in which order: the worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from limen.errors import LimenError
from limen.report.series import Series

Key = tuple[str, str]
"""An image: its data set's spec and its id, as runs over the same data show the same photographs."""

STATES = ("fooled", "failed", "wrong")
"""What became of an image: fooled, not fooled, or wrong before any attack."""


def keys(series: Series) -> list[Key]:
    """The image of each record."""
    spec = series.run.manifest.data.spec
    return [(spec, str(key)) for key in series.columns["id"]]


def states(series: Series) -> list[str]:
    """What became of the image of each record, as `STATES` names it."""
    return [
        ("fooled" if success else "failed") if correct else "wrong"
        for correct, success in zip(series.correct, series.success, strict=True)
    ]


def ranked(series: Sequence[Series]) -> list[Key]:
    """All images, the worst first.

    Those that an attack fooled come first, the most distorted at their head; then those that none fooled, and
    last those that a model had wrong before any attack. Distortion is an image's largest under an attack that
    fooled it, in 1 - SSIM (L2 where that is missing) over the attack's median, so that a coarse attack does
    not decide alone which images are the worst.
    """
    worst: dict[Key, tuple[int, float]] = {}
    for one in series:
        for key, state, value in zip(keys(one), states(one), _relative(one), strict=True):
            rank = STATES.index(state), -float(value) if state == "fooled" else 0.0
            worst[key] = min(worst.get(key, rank), rank)
    return sorted(worst, key=lambda key: worst[key])


def _relative(series: Series) -> np.ndarray:
    columns = {each.key: each for each in series.run.manifest.metrics}
    fooled = series.success & series.correct
    for metric in (columns[key] for key in ("ssim", "l2") if key in columns):
        values = np.where(fooled, metric.plotted(series.columns[metric.key]), np.nan)
        if np.isfinite(values).any():
            return np.nan_to_num(values / (float(np.nanmedian(values)) or 1.0), nan=0.0)
    return np.zeros(len(series))


def affordable(series: Sequence[Series], limit: int) -> int:
    """How many images fit into `limit` pixels: each is an original, and three pictures an attack.

    The size is that of the first image that can be read, as a run's images are of one size.
    """
    for one in series:
        for key in one.columns["id"]:
            original = read(one.run.original, str(key))
            if original is not None:
                return max(1, limit // (original.shape[0] * original.shape[1] * (1 + 3 * len(series))))
    return limit


def read(reader: Callable[..., np.ndarray], *key: str) -> np.ndarray | None:
    """A stored picture, or None where it is missing or broken: one lost file must not cost the page."""
    try:
        return reader(*key)
    except (LimenError, OSError):
        return None

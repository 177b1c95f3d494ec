"""Which images a gallery shows: as many as fit, spread from the least to the most distorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from limen.errors import LimenError
from limen.report.series import Series

Key = tuple[str, str]
"""An image: its data set's spec and its id, as runs over the same data show the same photographs."""


def keys(series: Series) -> list[Key]:
    """The image of each record."""
    spec = series.run.manifest.data.spec
    return [(spec, str(key)) for key in series.columns["id"]]


def spread(distortions: dict[Key, float], count: int) -> list[Key]:
    """`count` of the keys, evenly over the sorted distortions and always with the largest.

    Images that no attack had to change come only where there are too few others.

    Example:
        >>> spread({("d", "a"): 3.0, ("d", "b"): 1.0, ("d", "c"): 2.0}, 2)
        [('d', 'b'), ('d', 'a')]
    """
    ranked = sorted(distortions, key=lambda key: (distortions[key], key))
    changed = [key for key in ranked if distortions[key] > 0]
    ranked = changed if len(changed) >= count else ranked
    if count >= len(ranked):
        return ranked
    return [
        ranked[place] for place in np.linspace(len(ranked) - 1, 0, max(count, 0)).round().astype(int)[::-1]
    ]


def distortions(series: Sequence[Series]) -> dict[Key, float]:
    """Each image's largest distortion under any attack; infinite where no attack succeeded.

    Distortion is 1 - SSIM (L2 where that is missing) over the attack's median, so that a coarse
    attack does not decide alone which images count as the worst.
    """
    largest: dict[Key, float] = {}
    for one in series:
        for key, value in zip(keys(one), _relative(one), strict=True):
            largest[key] = max(largest.get(key, -np.inf), float(value))
    return {key: value if np.isfinite(value) else np.inf for key, value in largest.items()}


def _relative(series: Series) -> np.ndarray:
    columns = {each.key: each for each in series.run.manifest.metrics}
    for metric in (columns[key] for key in ("ssim", "l2") if key in columns):
        values = np.where(series.success, metric.plotted(series.columns[metric.key]), np.nan)
        if np.isfinite(values).any():
            return np.nan_to_num(values / (float(np.nanmedian(values)) or 1.0), nan=-np.inf)
    return np.full(len(series), -np.inf)


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

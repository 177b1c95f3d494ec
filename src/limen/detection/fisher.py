"""Fisher's linear discriminant: one direction, and a threshold on the projections on it."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-10
"""What is added to the diagonal of the scatter, so that it can always be inverted."""


def direction(clean: np.ndarray, attacked: np.ndarray) -> np.ndarray:
    """The direction (Σ_c + Σ_s + 1e-10·I)⁻¹(μ_s − μ_c) that sets two classes apart.

    Args:
        clean: Features (n, d) of one class.
        attacked: Features (n, d) of the other.

    Returns:
        The direction (d,).

    Source:
        Kodovský, Fridrich & Holub 2012, Ensemble classifiers for steganalysis of digital media, equation 3.

    Example:
        >>> direction(np.array([[0.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 1.0], [1.0, 3.0]])).round(-5)
        array([1.e+10, 0.e+00])
    """
    means = clean.mean(0), attacked.mean(0)
    centred = np.concatenate([clean - means[0], attacked - means[1]]) / np.sqrt(len(clean))
    difference = means[1] - means[0]
    rows, columns = centred.shape
    if rows >= columns:
        return np.linalg.solve(centred.T @ centred + RIDGE * np.eye(columns), difference)
    # Woodbury's identity: with fewer images than features, the smaller system has the same solution.
    inside = np.linalg.solve(centred @ centred.T + RIDGE * np.eye(rows), centred @ difference)
    return (difference - centred.T @ inside) / RIDGE


def threshold(clean: np.ndarray, attacked: np.ndarray) -> tuple[float, float]:
    """Where to cut projections so that false alarms and missed detections are fewest on these images.

    Args:
        clean: Projections (n,) of one class.
        attacked: Projections (n,) of the other.

    Returns:
        The threshold, halfway between two different projections, and a sign: what lies above the threshold
        counts as attacked where it is 1, and what lies below where it is −1. If all projections are equal,
        the threshold is that value.

    Example:
        >>> threshold(np.array([0.0, 1.0, 2.0]), np.array([1.5, 3.0, 4.0]))
        (1.25, 1.0)
        >>> threshold(np.array([3.0, 4.0]), np.array([1.0, 2.0]))
        (2.5, -1.0)
    """
    values = np.concatenate([clean, attacked])
    order = np.argsort(values, kind="stable")
    values, is_attacked = values[order], np.repeat([False, True], [len(clean), len(attacked)])[order]
    missed = np.cumsum(is_attacked)[:-1]
    alarms = len(clean) - np.cumsum(~is_attacked)[:-1]
    errors = np.stack([alarms + missed, len(values) - alarms - missed], axis=1)
    errors[values[1:] == values[:-1]] = len(values) + 1  # between equal values nothing can be cut
    place, flipped = divmod(int(errors.argmin()), 2)
    middle = values[place] + (values[place + 1] - values[place]) / 2
    return float(middle), -1.0 if flipped else 1.0

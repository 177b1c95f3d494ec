"""Ensembles of Fisher linear discriminants: many weak learners in random subspaces, which vote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from limen.detection.fisher import direction, threshold
from limen.detection.subspaces import search_dimension
from limen.errors import UsageError

MOST_LEARNERS = 500
"""How many learners an ensemble has at most."""

_FEWEST, _WINDOW, _MEMORY, _SPREAD = 25, 5, 50, 0.005


@dataclass(frozen=True, eq=False)
class Ensemble:
    """L learners; each projects its d features on its weights, and votes by whether a threshold is exceeded.

    Attributes:
        subspaces: Which of the D features each learner sees, (L, d) int32, rising in each row.
        weights: The learners' weights, (L, d) float64.
        thresholds: What a projection must exceed for the vote *attacked*, (L,) float64.
        error: The out-of-bag error: the share of training images that those learners get wrong, by their
            majority, that were not trained on them. Where the size of the subspaces was searched it is the
            least of all sizes, and so somewhat too low.
        seed: Seed of all that was drawn, also of the coins that settle ties.
    """

    subspaces: np.ndarray
    weights: np.ndarray
    thresholds: np.ndarray
    error: float
    seed: int

    def scores(self, features: np.ndarray) -> np.ndarray:
        """The share of learners, in [0, 1], that vote *attacked*, (N,), for features (N, D)."""
        votes = np.zeros(len(features))
        for subspace, weights, above in zip(self.subspaces, self.weights, self.thresholds, strict=True):
            # A sum along each row, unlike a product of matrices, does not depend on the rest of the batch.
            votes += (np.take(features, subspace, axis=1) * weights).sum(1) > above
        return votes / len(self.thresholds)

    def decide(self, features: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
        """What the majority votes, (N,) bool; a coin, drawn from the seed and the features, settles a tie.

        Args:
            features: Features (N, D).
            scores: Their `scores`, if they are known.
        """
        scores = self.scores(features) if scores is None else scores
        decided = scores > 0.5
        for row in np.flatnonzero(scores == 0.5):
            decided[row] = _coin(self.seed, features[row])
        return decided


def train_ensemble(
    clean: np.ndarray,
    attacked: np.ndarray,
    *,
    seed: int = 0,
    learners: int = MOST_LEARNERS,
    dimension: int | None = None,
) -> Ensemble:
    """Train an ensemble on pairs of images.

    Each learner sees a random subspace of the features and a bootstrap sample of the pairs; both images of a
    pair are in it or not. Its threshold minimises false alarms plus missed detections on that sample. There
    are as many learners as the out-of-bag error needs to settle: at least 25, until its averages over 5
    learners lie within 0.005 over the last 50. The size of the subspaces is searched by that error.

    Args:
        clean: Features (n, D) of the originals, finite.
        attacked: Features (n, D) of what was made of each, in the same order.
        seed: Seed of all that is drawn.
        learners: How many learners there are at most.
        dimension: How many features each learner sees; None searches for the number.

    Raises:
        UsageError: If there are fewer than two pairs, shapes differ, values are not finite, or a number is
            out of range.

    Source:
        Kodovský, Fridrich & Holub 2012, Ensemble classifiers for steganalysis of digital media, Algorithms
        1 and 2, with the constants of the authors' program.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> clean = generator.normal(size=(40, 12))
        >>> ensemble = train_ensemble(clean, clean + np.eye(12)[0] * 3)
        >>> ensemble.error < 0.2, ensemble.decide(np.eye(12)[:1] * 5)
        (True, array([ True]))
    """
    pairs = _pairs(clean, attacked)
    features = pairs.shape[2]
    if learners < 1:
        raise UsageError(f"learners must be at least 1, not {learners}")
    check_dimension(dimension, features)
    best: Ensemble | None = None

    def error_of(size: int) -> float:
        nonlocal best
        grown = _grow(pairs, size, learners, seed)
        # Of equally good ones the smallest, as it is the cheapest.
        if best is None or (grown.error, size) < (best.error, best.subspaces.shape[1]):
            best = grown
        return grown.error

    if dimension is None:
        search_dimension(features, error_of)
    return best or _grow(pairs, dimension or features, learners, seed)


def check_dimension(dimension: int | None, features: int) -> None:
    """Refuse to show learners more features than there are, or none.

    Raises:
        UsageError: If the dimension is a number out of range.
    """
    if dimension is not None and not 1 <= dimension <= features:
        raise UsageError(f"dimension must be from 1 to {features}, the number of features, not {dimension}")


def _grow(pairs: np.ndarray, size: int, most: int, seed: int) -> Ensemble:
    """Train learners on subspaces of this size until the out-of-bag error has settled."""
    _, count, features = pairs.shape
    generator = np.random.default_rng([seed, size])
    votes = np.zeros((2, count), int)  # for *attacked*, less those for *clean*, out of bag
    grown: list[tuple[np.ndarray, np.ndarray, float]] = []
    errors: list[float] = []
    while len(grown) < most and not _settled(errors):
        subspace = np.sort(generator.permutation(features)[:size]).astype(np.int32)
        bag = generator.integers(0, count, count)
        seen = np.take(pairs, subspace, axis=2)
        weights = direction(*seen[:, bag])
        projections = seen @ weights
        above, sign = threshold(*projections[:, bag])
        out = np.ones(count, bool)
        out[bag] = False
        votes[:, out] += np.where(sign * projections[:, out] > sign * above, 1, -1)
        grown.append((subspace, sign * weights, sign * above))
        coins = np.where(generator.random((2, count)) < 0.5, 1, -1)
        decided = np.where(votes == 0, coins, votes) > 0
        errors.append(float((decided[0].sum() + (~decided[1]).sum()) / (2 * count)))
    subspaces, weights, thresholds = (np.stack(each) for each in zip(*grown, strict=True))
    return Ensemble(subspaces, weights, thresholds, errors[-1], seed)


def _settled(errors: list[float]) -> bool:
    if len(errors) < _FEWEST:
        return False
    averages = np.convolve(errors[-_MEMORY:], np.full(_WINDOW, 1 / _WINDOW), mode="valid")
    return bool(np.ptp(averages) < _SPREAD)


def _pairs(clean: np.ndarray, attacked: np.ndarray) -> np.ndarray:
    """Both classes as one array (2, n, D)."""
    if clean.ndim != 2 or clean.shape != attacked.shape:
        raise UsageError(
            f"features are {clean.shape} and {attacked.shape}; a detector is trained on pairs, (n, D) twice"
        )
    if len(clean) < 2 or not clean.shape[1]:
        raise UsageError(f"{len(clean)} pairs of {clean.shape[1]} features are too few to train on")
    pairs = np.stack([clean, attacked]).astype(np.float64)
    if not np.isfinite(pairs).all():
        raise UsageError("features hold NaN or infinite values")
    return pairs


def _coin(seed: int, values: np.ndarray) -> bool:
    """A coin that shows the same for the same features, whatever else is in their batch."""
    content = np.ascontiguousarray(values, np.float64).tobytes()
    return bool(hashlib.sha256(f"{seed}:".encode() + content).digest()[0] & 1)

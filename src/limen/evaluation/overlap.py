"""How the perturbed pixels of an image lie to those where the classifier looks, counted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from limen.analysis import Estimate, estimate_means
from limen.errors import UsageError

MEASURES = {
    "precision": ("Precision", "of the perturbed pixels, the share where the model looks"),
    "pixels": ("Pixels perturbed", "of all pixels, the share perturbed"),
    "recall": ("Recall", "of the pixels where the model looks, the share perturbed"),
    "iou": ("IoU", "perturbed pixels and those where the model looks, intersection over union"),
    "iou_outside": ("IoU outside", "perturbed pixels and those where the model does not look, likewise"),
}
"""Title and meaning of each measure, in the order of the tables."""

TABLE_THRESHOLD = 0.11
"""The threshold on 1 − SSIM that tables are made at (Table I of the paper)."""

THRESHOLDS = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.09, TABLE_THRESHOLD),
    *(0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9),
)
"""Thresholds on 1 − SSIM, dense where perturbations that people cannot see lie."""

ATTENTION_THRESHOLD = 0.75
"""The threshold on class activation maps of the paper."""

_COLUMNS = ("threshold", *MEASURES, "peak")


@dataclass(frozen=True, eq=False)
class Overlap:
    """How one attack's perturbations lie to the regions of attention, image by image.

    Attributes:
        ids: The images, those classified correctly before the attack and fooled by it, (n,).
        thresholds: Thresholds on 1 − SSIM, rising, (T,).
        peaks: The greatest 1 − SSIM of each image, mean over channels, (n,).
        values: By the names of `MEASURES`, values in [0, 1], (n, T); one that would divide by zero is NaN.
    """

    ids: tuple[str, ...]
    thresholds: np.ndarray
    peaks: np.ndarray
    values: Mapping[str, np.ndarray]

    @property
    def empty(self) -> np.ndarray:
        """How many images are not perturbed above each threshold, and so are left out of precision, (T,)."""
        return np.isnan(self.values["precision"]).sum(0)

    def means(self) -> dict[str, Estimate]:
        """Each measure's mean over the images that have it at each threshold, with its interval."""
        together = estimate_means(np.concatenate([*self.values.values()], axis=1))
        parts = (np.split(ends, len(self.values)) for ends in (together.mean, together.low, together.high))
        return {name: Estimate(*ends) for name, *ends in zip(self.values, *parts, strict=True)}


def overlap_measures(
    noise: Tensor,
    attention: Tensor,
    thresholds: Sequence[float] = THRESHOLDS,
    attention_threshold: float = ATTENTION_THRESHOLD,
) -> dict[str, Tensor]:
    """How the perturbed region N = (noise > threshold) lies to the region of attention G.

    With the pixels counted as TP (in N and G), FP (in N alone), FN (in G alone) and TN (in
    neither): precision TP/(TP+FP), pixels perturbed (TP+FP)/all, recall TP/(TP+FN), IoU
    TP/(TP+FP+FN), and IoU-outside FP/(TP+FP+TN). They are taken channel by channel and averaged
    over the channels in which they are defined.

    Args:
        noise: Noise maps 1 − SSIM, (N, C, H, W).
        attention: Maps of where the classifier looks, (N, H, W).
        thresholds: T rising thresholds on the noise.
        attention_threshold: What attention must exceed to be in G.

    Returns:
        By the names of `MEASURES`, float64 values in [0, 1], (N, T); NaN where 0 is divided by 0 in
        every channel, such as the precision of an empty N.

    Raises:
        UsageError: If the shapes do not fit, or the thresholds do not rise.

    Example:
        >>> noise = torch.tensor([[[[0.9, 0.5], [0.2, 0.0]]]])
        >>> attention = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
        >>> measures = overlap_measures(noise, attention, (0.1, 0.4, 0.95))
        >>> measures["precision"].tolist()
        [[0.6666666666666666, 0.5, nan]]
        >>> measures["pixels"].tolist()
        [[0.75, 0.5, 0.0]]
    """
    if noise.ndim != 4 or attention.shape != (noise.shape[0], *noise.shape[2:]):
        raise UsageError(
            f"noise {tuple(noise.shape)} and attention {tuple(attention.shape)} do not fit; "
            "expected (N, C, H, W) and (N, H, W)"
        )
    if any(low >= high for low, high in itertools.pairwise(thresholds)):
        raise UsageError("the thresholds must rise")
    inside = attention > attention_threshold
    counts = _counts(noise, inside, thresholds)
    outside_hit, hit = counts[:, :, 0], counts[:, :, 1]
    total = noise.shape[2] * noise.shape[3]
    region = inside.sum((1, 2))[:, None, None].double()
    perturbed = hit + outside_hit
    shares = {
        "precision": hit / perturbed,
        "pixels": perturbed / total,
        "recall": hit / region,
        "iou": hit / (region + outside_hit),
        "iou_outside": outside_hit / (total - region + hit),
    }
    return {name: shares[name].nanmean(1) for name in MEASURES}


def overlaps_of(records: pa.Table, labels: Sequence[str]) -> dict[str, Overlap]:
    """The records of this evaluation, attack by attack."""
    found = {}
    for label in labels:
        rows = records.filter(pc.field("attack") == label)
        ids = tuple(dict.fromkeys(rows["id"].to_pylist()))
        shape = (len(ids), rows.num_rows // max(len(ids), 1))
        columns = {name: rows[name].to_numpy().astype(float).reshape(shape) for name in _COLUMNS}
        thresholds, peaks = columns.pop("threshold")[:1].ravel(), columns.pop("peak")[:, :1].ravel()
        found[label] = Overlap(ids, thresholds, peaks, columns)
    return found


def _counts(noise: Tensor, inside: Tensor, thresholds: Sequence[float]) -> Tensor:
    """How many pixels of each channel exceed each threshold outside and inside a region: (N, C, 2, T).

    One pass over the pixels, however many thresholds there are.
    """
    channels, bins = noise.shape[:2].numel(), len(thresholds) + 1
    exceeded = torch.bucketize(noise, torch.tensor(thresholds, dtype=noise.dtype, device=noise.device))
    channel = torch.arange(channels, device=noise.device).view(*noise.shape[:2], 1, 1)
    places = (channel * 2 + inside[:, None]) * bins + exceeded
    counts = torch.bincount(places.flatten(), minlength=channels * 2 * bins).view(*noise.shape[:2], 2, bins)
    return counts.flip(-1).cumsum(-1).flip(-1)[..., 1:].double()

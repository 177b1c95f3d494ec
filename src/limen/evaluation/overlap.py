"""Whether perturbations fall where the classifier looks (Pochimireddy et al., Section V)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.evaluation.attack_run import Progress
from limen.evaluation.fooled import fooled_images, load, most_fooled, together
from limen.images import to_uint8
from limen.metrics import ssim_map
from limen.runs import Overlap, OverlapEvaluation, Run, write_overlap
from limen.runs.overlap import MEASURES, TABLE_THRESHOLD
from limen.structure import class_activation_map, feature_layer

THRESHOLDS = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.09, TABLE_THRESHOLD),
    *(0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9),
)
"""Thresholds on 1 − SSIM, dense where perturbations that people cannot see lie."""

ATTENTION_THRESHOLD = 0.75
"""The threshold on class activation maps of the paper."""


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
        attention: Class activation maps, (N, H, W).
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
    _check(noise, attention, thresholds)
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


def attention_overlap(
    run: Run,
    classifier: Classifier,
    *,
    attacks: Sequence[str] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    method: str = "gradcam++",
    layer: str | None = None,
    attention_threshold: float = ATTENTION_THRESHOLD,
    batch_size: int = 32,
    limit: int | None = None,
    progress: Progress | None = None,
) -> list[Overlap]:
    """Measure, over a stored run, whether perturbations fall where the classifier looks.

    Only images that the model classified correctly and an attack fooled count for that attack. Attention
    is the class activation map of the original for the class that the model gave it; noise is
    1 − SSIM of the two stored 8-bit images.

    Args:
        run: The run, with the images and records.
        classifier: The model that the run was made with.
        attacks: Labels of attacks of the run; None for all.
        thresholds: T rising thresholds on 1 − SSIM.
        method: One of `limen.structure.METHODS`.
        layer: Dotted name of the layer to take; None for the last feature map.
        attention_threshold: What attention must exceed to count.
        batch_size: Images looked at side by side; memory is bounded by one batch.
        limit: Only the first so many images of the data set; None for all.
        progress: Called with each attack's label, finished images and all images.

    Returns:
        One overlap an attack, in the order given.

    Raises:
        UsageError: If the run lacks an attack, an image is under 11 pixels, or the layer gives no map.
        RunError: If a record or an image cannot be read.

    Example:
        >>> import tempfile, limen
        >>> from limen.evaluation import describe_run, run_attacks
        >>> classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=4)
        >>> attacks = [limen.attacks.fgsm(eps=0.1)]
        >>> manifest = describe_run(classifier, dataset, attacks, model_spec="demo:photos")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with limen.runs.create_or_resume(folder, manifest) as writer:
        ...         run_attacks(classifier, dataset, attacks, writer)
        ...     (overlap,) = attention_overlap(limen.runs.open_run(folder), classifier, thresholds=[0.11])
        >>> overlap.precision.shape == (len(overlap.ids), 1)
        True
    """
    fooled = fooled_images(run, run.manifest.labels if attacks is None else attacks, limit)
    done = dict.fromkeys(fooled, 0)
    parts: dict[str, list[dict[str, Tensor]]] = {label: [] for label in fooled}

    def finish(label: str, images: int) -> None:
        done[label] += images
        if progress is not None:
            progress(label, done[label], len(fooled[label]))

    for label in fooled:
        finish(label, 0)
    for ids, originals, maps in _attention(run, classifier, together(fooled), method, layer, batch_size):
        for label, of_attack in fooled.items():
            rows = [row for row, image_id in enumerate(ids) if image_id in of_attack]
            if rows:
                stored = _load([run.image_path(label, ids[row]) for row in rows], classifier)
                noise = 1 - ssim_map(originals[rows], stored)
                parts[label].append(overlap_measures(noise, maps[rows], thresholds, attention_threshold))
                finish(label, len(rows))
    return [
        _overlap(label, tuple(of_attack), thresholds, parts[label]) for label, of_attack in fooled.items()
    ]


def evaluate_overlap(
    run: Run,
    classifier: Classifier,
    *,
    method: str = "gradcam++",
    layer: str | None = None,
    batch_size: int = 32,
    limit: int | None = None,
    pictures: int = 12,
    progress: Progress | None = None,
) -> OverlapEvaluation:
    """Measure the overlap of all attacks of a run at the `THRESHOLDS`, and store it in the run.

    Args:
        run: The run.
        classifier: The model that the run was made with.
        method: One of `limen.structure.METHODS`.
        layer: Dotted name of the layer to take; None for the last feature map.
        batch_size: Images looked at side by side.
        limit: Only the first so many images of the data set; None for all.
        pictures: Of how many images to keep the class activation map; those that most attacks fooled.
        progress: Called with each attack's label, finished images and all images.

    Raises:
        UsageError: If the run has no records, an image is under 11 pixels, or the layer gives no map.
        RunError: If something in the run cannot be read or written.
    """
    if layer is None:
        ids = run.table()["id"].slice(0, 1).to_pylist()
        if not ids:
            raise UsageError(f"{run.directory}: the run holds no records yet; attack some images first")
        layer = feature_layer(classifier, _load([run.original_path(ids[0])], classifier), method)
    options = {"method": method, "layer": layer, "batch_size": batch_size}
    overlaps = attention_overlap(run, classifier, limit=limit, progress=progress, **options)
    pictured = most_fooled([overlap.ids for overlap in overlaps], pictures)
    maps = {}
    for ids, _, attention in _attention(run, classifier, pictured, **options):
        maps.update(zip(ids, to_uint8(attention[:, None]), strict=True))
    evaluation = OverlapEvaluation(method, layer, ATTENTION_THRESHOLD, tuple(overlaps), tuple(maps))
    write_overlap(run, evaluation, maps)
    return evaluation


def _attention(
    run: Run, classifier: Classifier, ids: Sequence[str], method: str, layer: str | None, batch_size: int
) -> Iterator[tuple[Sequence[str], Tensor, Tensor]]:
    """Batch by batch, the ids, the originals, and their maps for the class that the model gives them."""
    for start in range(0, len(ids), batch_size):
        batch = ids[start : start + batch_size]
        originals = _load([run.original_path(image_id) for image_id in batch], classifier)
        layer = layer or feature_layer(classifier, originals, method)
        yield batch, originals, class_activation_map(classifier, originals, method=method, layer=layer)


def _load(paths: Sequence[Path], classifier: Classifier) -> Tensor:
    return load(paths).to(classifier.device, classifier.dtype)


def _check(noise: Tensor, attention: Tensor, thresholds: Sequence[float]) -> None:
    if noise.ndim != 4 or attention.shape != (noise.shape[0], *noise.shape[2:]):
        raise UsageError(
            f"noise {tuple(noise.shape)} and attention {tuple(attention.shape)} do not fit; "
            "expected (N, C, H, W) and (N, H, W)"
        )
    if any(low >= high for low, high in itertools.pairwise(thresholds)):
        raise UsageError("the thresholds must rise")


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


def _overlap(
    label: str, ids: tuple[str, ...], thresholds: Sequence[float], parts: Sequence[Mapping[str, Tensor]]
) -> Overlap:
    nothing = torch.zeros(0, len(thresholds), dtype=torch.float64)
    measures = {
        name: torch.cat([nothing, *(part[name].cpu() for part in parts)]).numpy() for name in MEASURES
    }
    return Overlap(label, ids, np.array(thresholds, float), **measures)

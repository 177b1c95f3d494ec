"""Whether perturbations fall where the classifier looks (Pochimireddy et al., Section V)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from limen import pictures, structure
from limen.analysis import Estimate
from limen.catalog import ATTENTION
from limen.document import Block, Cell, Chart, Charts, Group, Line, Mark, Pictures, Table
from limen.errors import UsageError
from limen.evaluation.cells import bands, measured_cell
from limen.evaluation.context import Context, Images
from limen.evaluation.fooled import most_fooled, picture_rows
from limen.evaluation.overlap import (
    ATTENTION_THRESHOLD,
    MEASURES,
    TABLE_THRESHOLD,
    THRESHOLDS,
    Overlap,
    overlap_measures,
    overlaps_of,
)
from limen.evaluation.protocol import evaluation
from limen.metrics import ssim_map
from limen.runs import Part, Run, Stored


def describe(stored: Stored) -> list[Block]:
    """The measures in a table and over the thresholds, and pictures of what lies where."""
    overlaps = overlaps_of(stored.records(), stored.attacks)
    means = {label: overlap.means() for label, overlap in overlaps.items()}
    return [_table(overlaps, means), _charts(overlaps, means), *_pictures(stored, overlaps)]


@evaluation("Where perturbations fall", describe, by_batch=True)
def attention(
    run: Run,
    context: Context,
    *,
    method: str = "gradcam++",
    threshold: float = ATTENTION_THRESHOLD,
    images: int = 12,
) -> Iterator[Part]:
    """Whether perturbations fall where the classifier looks.

    Only images that the model classified correctly and an attack fooled count for that attack. Attention is
    that of the original for the class that the model gave it; noise is 1 − SSIM of the two stored 8-bit
    images. Each row holds the measures of `overlap_measures` at one threshold.

    Args:
        run: The run.
        context: What the evaluation is given.
        method: How attention is found: `cam`, `gradcam`, `gradcam++` or a user's own, with its options as in
            `gradcam:layer=features.18`.
        threshold: What attention must exceed to count.
        images: How many images to picture; those that most attacks fooled.

    Raises:
        UsageError: If the method finds no layer, or an image is under 11 pixels.
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold is {threshold}; expected a number from 0 to 1, as attention has")
    look, wanted = _method(run, context, method), context.fooled()
    for batch in context.batches(wanted, context.classifier):
        maps = look(batch.ids, batch.originals)
        for label, rows, ids in batch.remaining():
            noise = 1 - ssim_map(batch.originals[rows], context.adversarial(label, ids, context.classifier))
            measures = overlap_measures(noise, maps[rows], attention_threshold=threshold)
            yield Part(_records(label, ids, noise, measures))
    chosen = most_fooled(wanted.values(), images)
    for start in range(0, len(chosen), context.batch_size):
        ids = chosen[start : start + context.batch_size]
        maps = look(ids, context.originals(ids, context.classifier)).float().cpu().numpy()
        for image_id, attended in zip(ids, maps, strict=True):
            yield Part(pictures=_compose(run, wanted, image_id, attended, attended > threshold))


def _method(run: Run, context: Context, spec: str) -> Callable[[Sequence[str], Tensor], Tensor]:
    """A function of ids and originals that gives the attention to the class that the model gave each."""
    method, table = ATTENTION.read(spec), run.table()
    function, options = method.entry.thing, dict(method.keywords)
    context.note_code("method", method.identity)
    classes = dict(zip(table["id"].to_pylist(), table["clean_prediction"].to_pylist(), strict=True))
    ids = [*classes][:1]
    if ids and options.get("layer") is None:
        layer = structure.layer_of(function, context.classifier, context.originals(ids, context.classifier))
        if layer is not None:
            context.note("layer", layer)
            options["layer"] = layer

    def look(ids: Sequence[str], originals: Tensor) -> Tensor:
        given = torch.tensor([classes[image_id] for image_id in ids], device=originals.device)
        return function(context.classifier, originals, given, **options)

    return look


def _records(label: str, ids: Sequence[str], noise: Tensor, measures: Mapping[str, Tensor]) -> pa.Table:
    peaks, count = noise.mean(1).amax((1, 2)).double().cpu().numpy(), len(THRESHOLDS)
    values = {name: pa.array(measures[name].cpu().numpy().ravel(), from_pandas=True) for name in MEASURES}
    return pa.table(
        {
            "attack": [label] * (len(ids) * count),
            "id": [image_id for image_id in ids for _ in THRESHOLDS],
            "threshold": THRESHOLDS * len(ids),
            **values,
            "peak": np.repeat(peaks, count),
        }
    )


def _compose(
    run: Run, wanted: Images, image_id: str, attended: np.ndarray, region: np.ndarray
) -> dict[tuple[str | None, str], np.ndarray]:
    original, lost = run.original(image_id), {}
    for label, ids in wanted.items():
        if image_id in ids and (
            (heights := pictures.lost_structure(original, run.image(label, image_id))) is not None
        ):
            lost[label] = heights
    top = pictures.common_top(list(lost.values()))
    composed = {None: pictures.overlaid(original, attended, region)}
    composed |= {label: pictures.outlined(heights, top, region) for label, heights in lost.items()}
    return {(label, image_id): np.asarray(image.convert("RGB")) for label, image in composed.items()}


def _table(overlaps: Mapping[str, Overlap], means: Mapping[str, Mapping[str, Estimate]]) -> Table:
    at = THRESHOLDS.index(TABLE_THRESHOLD)
    rows = []
    for label, overlap in overlaps.items():
        cells = [Cell()] * (len(MEASURES) + 1)
        if overlap.ids:
            measured = [[*means[label][name]][at] for name in MEASURES]
            cells = [*map(measured_cell, measured), Cell(value=overlap.empty[at], form="count")]
        rows.append([Cell(label, series=label), Cell(value=len(overlap.ids), form="count"), *cells])
    return Table(
        f"Where 1 − SSIM exceeds {TABLE_THRESHOLD}",
        "Means over the images that were classified correctly and fooled, with 95 % intervals. "
        "Precision leaves out the images that are not perturbed so much anywhere.",
        ("Attack", "Images", *(title for title, _ in MEASURES.values()), "Not perturbed"),
        [Group("", rows)],
    )


def _charts(overlaps: Mapping[str, Overlap], means: Mapping[str, Mapping[str, Estimate]]) -> Charts:
    charts = []
    for measure, (title, about) in MEASURES.items():
        lines = []
        for label, overlap in overlaps.items():
            heights = bands(means[label][measure])
            lines.append(Line(label, overlap.thresholds.tolist(), *heights, series=label))
        charts.append(_chart(f"{title}: {about}", "mean", lines))
    shares = []
    for label, overlap in overlaps.items():
        share = 1 - overlap.empty / max(len(overlap.ids), 1)
        shares.append(Line(label, overlap.thresholds.tolist(), share.tolist(), series=label))
    title = "Images perturbed: of the fooled images, the share with any such pixel"
    return Charts(
        "Over the threshold that makes a pixel count as perturbed",
        "Means with bands of 95 % intervals. A mean over few images, at the right end of the "
        "precision, says little: see the last chart.",
        [*charts, _chart(title, "share", shares)],
    )


def _chart(title: str, y_label: str, lines: Sequence[Line]) -> Chart:
    top = max((value for line in lines for value in line.heights if np.isfinite(value)), default=1.0)
    return Chart(
        title,
        "threshold on 1 − SSIM",
        y_label,
        lines,
        y_range=(0.0, min(1.0, 1.05 * top) or 1.0),
        log_x=True,
        marks=[Mark(TABLE_THRESHOLD, f"{TABLE_THRESHOLD}")],
    )


def _pictures(stored: Stored, overlaps: Mapping[str, Overlap]) -> Iterator[Pictures]:
    peaks = {label: dict(zip(each.ids, each.peaks, strict=True)) for label, each in overlaps.items()}

    def top(image_id: str) -> float:
        return pictures.common_top([np.array([of[image_id]]) for of in peaks.values() if image_id in of])

    rows = picture_rows(stored, peaks, "attention to the original", scale="1 − SSIM", top=top)
    if rows:
        yield Pictures(
            "Attention and lost structure",
            "Left, the original, coloured where the model looks; right, the map of 1 − SSIM of each attack "
            "(mean over channels), on one scale for each image. The cyan outline, the same in all pictures "
            "of an image, surrounds the attention that counts.",
            rows,
        )

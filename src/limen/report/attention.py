"""The section on attention: how perturbations lie to where the model looks, in numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limen import pictures
from limen.document import Chart, Line, Mark
from limen.report import choice
from limen.report.gallery import PIXELS
from limen.report.series import Series
from limen.runs import Overlap, OverlapEvaluation, Run, attention_path, read_overlap
from limen.runs.files import decode_png
from limen.runs.overlap import TABLE_THRESHOLD

METHODS = {"cam": "CAM", "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}

MEASURES = {
    "precision": ("Precision", "of the perturbed pixels, the share where the model looks"),
    "pixels": ("Pixels perturbed", "of all pixels, the share perturbed"),
    "recall": ("Recall", "of the pixels where the model looks, the share perturbed"),
    "iou": ("IoU", "perturbed pixels and those where the model looks, intersection over union"),
    "iou_outside": ("IoU outside", "perturbed pixels and those where the model does not look, likewise"),
}
"""Title and meaning of each measure, in the order of the page."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of a run: the run's name on the page, how attention was found, what it had to exceed."""

    run: str
    method: str
    layer: str
    threshold: float


@dataclass(frozen=True)
class Row:
    """The means of one attack at the threshold of the table.

    Attributes:
        series: Position of the attack among all attacks of the page.
        images: Over how many images the means are.
        empty: On how many of them nothing is perturbed above the threshold.
        means: Mean and both ends of its interval of each measure, None where there is none.
    """

    series: int
    images: int
    empty: int
    means: Mapping[str, tuple[float, float, float] | None]


@dataclass(frozen=True)
class Panel:
    """The map of one attack: the attack's position, whether it fooled the model, the map as a data URL."""

    series: int
    fooled: bool
    url: str | None


@dataclass(frozen=True)
class Look:
    """One image: where the model looks, and what each attack changed.

    Attributes:
        id: The image's id in the data set.
        shape: Height and width in pixels.
        url: The original with its attention as a data URL, None if a picture is missing.
        top: The value of 1 − SSIM that this image's maps draw brightest.
        panels: One an attack.
    """

    id: str
    shape: tuple[int, int]
    url: str | None
    top: float
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Attention:
    """The whole section; `threshold` is the table's."""

    evaluated: tuple[Evaluated, ...]
    threshold: float
    rows: tuple[Row, ...]
    charts: tuple[Chart, ...]
    looks: tuple[Look, ...]


def attention(runs: Mapping[str, Run], series: Sequence[Series], count: int) -> Attention | None:
    """What the page says of attention, None where no run was evaluated.

    Args:
        runs: Each run under its name on the page.
        series: All attacks of the page.
        count: How many images to show at most, of each run.

    Raises:
        RunError: If a stored evaluation cannot be read.
    """
    evaluations = {name: found for name, run in runs.items() if (found := read_overlap(run))}
    overlaps = {
        place: overlap
        for place, one in enumerate(series)
        for overlap in (evaluations[one.name].overlaps if one.name in evaluations else ())
        if overlap.label == one.label
    }
    if not overlaps:
        return None
    return Attention(
        tuple(
            Evaluated(name, METHODS.get(each.method, each.method), each.layer, each.attention_threshold)
            for name, each in evaluations.items()
        ),
        TABLE_THRESHOLD,
        tuple(_row(place, overlap) for place, overlap in overlaps.items()),
        _charts([_name(one, len(runs) > 1) for one in series], overlaps),
        tuple(
            look
            for name, evaluation in evaluations.items()
            for look in _looks(runs[name], evaluation, name, series, overlaps, count)
        ),
    )


def _row(place: int, overlap: Overlap) -> Row:
    at = int(np.abs(overlap.thresholds - TABLE_THRESHOLD).argmin())
    means = {
        name: None
        if np.isnan(each.mean[at])
        else (float(each.mean[at]), float(each.low[at]), float(each.high[at]))
        for name, each in overlap.means().items()
    }
    return Row(place, len(overlap.ids), int(overlap.empty[at]), means)


def _name(series: Series, several: bool) -> str:
    return f"{series.label} ({series.name})" if several else series.label


def _charts(names: Sequence[str], overlaps: Mapping[int, Overlap]) -> tuple[Chart, ...]:
    means = {place: overlap.means() for place, overlap in overlaps.items()}
    charts = []
    for measure, (title, about) in MEASURES.items():
        # A line for every attack of the page, also one without values, as colours go by position.
        lines = [Line(name, (), ()) for name in names]
        for place, of_attack in means.items():
            each = of_attack[measure]
            ends = (each.mean.tolist(), each.low.tolist(), each.high.tolist())
            lines[place] = Line(names[place], overlaps[place].thresholds.tolist(), *ends)
        charts.append(_chart(f"{title}: {about}", "mean", lines))
    lines = [Line(name, (), ()) for name in names]
    for place, overlap in overlaps.items():
        if overlap.ids:
            share = 1 - overlap.empty / len(overlap.ids)
            lines[place] = Line(names[place], overlap.thresholds.tolist(), share.tolist())
    title = "Images perturbed: of the fooled images, the share with any such pixel"
    return (*charts, _chart(title, "share", lines))


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


def _looks(
    run: Run,
    evaluation: OverlapEvaluation,
    name: str,
    series: Sequence[Series],
    overlaps: Mapping[int, Overlap],
    count: int,
) -> list[Look]:
    places = [place for place in overlaps if series[place].name == name]
    fits = choice.affordable([series[place] for place in places], PIXELS)
    looks = []
    for image_id in evaluation.pictured[: min(count, fits)]:
        original = choice.read(run.original, image_id)
        seen = choice.read(lambda key: decode_png(attention_path(run, evaluation, key)), image_id)
        if original is None or seen is None or seen.shape[:2] != original.shape[:2]:
            looks.append(Look(image_id, (1, 1), None, 1.0, ()))
            continue
        region = seen[..., 0] / 255 > evaluation.attention_threshold
        lost = {
            place: _lost(run, series[place].label, image_id, original)
            for place in places
            if image_id in overlaps[place].ids
        }
        top = pictures.common_top([each for each in lost.values() if each is not None])
        panels = [
            Panel(
                place,
                place in lost,
                None if each is None else pictures.data_url(pictures.outlined(each, top, region)),
            )
            for place in places
            for each in (lost.get(place),)
        ]
        url = pictures.data_url(pictures.overlaid(original, seen[..., 0] / 255, region))
        looks.append(Look(image_id, (original.shape[0], original.shape[1]), url, top, tuple(panels)))
    return looks


def _lost(run: Run, label: str, image_id: str, original: np.ndarray) -> np.ndarray | None:
    adversarial = choice.read(run.image, label, image_id)
    if adversarial is None or adversarial.shape != original.shape:
        return None
    return pictures.lost_structure(original, adversarial)


def _outlined(lost: np.ndarray, top: float, region: np.ndarray) -> str:
    return pictures.data_url(pictures.outlined(lost, top, region))

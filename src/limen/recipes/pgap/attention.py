"""Whether perturbations fall where the classifier looks: Table I and Figure 5 of the paper, from one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from limen import catalog
from limen.document import Cell, Chart, Charts, Document, Group, Line, Mark, Notes, Table, number, percent
from limen.evaluation import QualityCurve, attention_overlap, quality_curve
from limen.evaluation.overlap import TABLE_THRESHOLD, THRESHOLDS
from limen.metrics import METRICS
from limen.recipes.pgap.comparison import PAPER, charted
from limen.recipes.recipe import Bench, Reproduction, Request, Showing, attacked, settings
from limen.runs import Overlap
from limen.runs.overlap import Estimate
from limen.spec import value_text

FOLDER = "pgap-attention"
"""The run that the recipes of this module share."""

LOW_THRESHOLD = 0.01
"""A second threshold on 1 − SSIM, which the perturbations that people cannot see exceed somewhere."""

_STANDARDISED = 0.225
"""The standard deviation of ImageNet's pixels in [0, 1], by which many models divide."""

_MEASURES = {
    "precision": "Precision",
    "pixels": "Pixels perturbed",
    "recall": "Recall",
    "iou_outside": "IoU outside",
}


@dataclass(frozen=True)
class Entry:
    """An attack under one budget.

    Attributes:
        title: What the paper calls it, with the paper's budget.
        spec: The attack, with the budget in [0, 1].
        paper: The printed figures, by measure.
    """

    title: str
    spec: str
    paper: Mapping[str, float] = field(default_factory=dict)


def _entry(title: str, spec: str, *printed: float) -> Entry:
    return Entry(title, spec, dict(zip(_MEASURES, printed, strict=True)))


AS_IN_THE_PAPER = (
    _entry("FGSM (0.5)", f"fgsm:eps={value_text(0.5 * _STANDARDISED)}", 0.1613, 0.9817, 0.9759, 0.8263),
    _entry("FGM (100)", f"fgm:eps={value_text(100 * _STANDARDISED)}", 0.1982, 0.6682, 0.7750, 0.5594),
    _entry("PGD (0.03)", "pgd_linf:eps=0.03,steps=50,random_start=false", 0.1329, 0.3217, 0.2503, 0.3128),
    _entry("PGD-L2 (5.0)", "pgd_l2:eps=5,steps=50", 0.1672, 0.3017, 0.2585, 0.2880),
    _entry("FPGAP (0.005)", "fpgap:eps=0.005,steps=50", 0.3577, 0.0454, 0.0837, 0.0369),
)
"""The rows of Table I."""

STOPPING = (
    Entry("PGD, early stop", "pgd_linf:eps=0.03,steps=50,random_start=false,early_stop=true"),
    Entry("PGD-L2, early stop", "pgd_l2:eps=5,steps=50,early_stop=true"),
    Entry("PGAP", "pgap:eps=0.005,steps=50"),
    Entry("SSIM-PGD, early stop", "ssim_pgd:eps=0.01,steps=50,early_stop=true"),
)
"""The rivals with the early stop of FPGAP, PGAP, and natural-gradient PGD in the SSIM metric."""

_GROUPS = {
    "As in the paper: fixed budgets, FPGAP stops at the first success": AS_IN_THE_PAPER,
    "Beside it: all stop at the first success": STOPPING,
}
_CHARTS = charted(AS_IN_THE_PAPER, STOPPING)


@dataclass(frozen=True)
class Measured:
    """The run, and how each attack's perturbations lie to the regions of attention."""

    bench: Bench
    overlaps: Mapping[str, Overlap]

    def fooled(self, entry: Entry) -> QualityCurve:
        """The attack's fooling rate."""
        return quality_curve(self.bench.records, [entry.spec], METRICS["ssim"].column)


def measure(request: Request, showing: Showing) -> Measured:
    """Do what is left of the run, and look at every image that was fooled."""
    dataset = catalog.data(request.data)
    classifier = catalog.model(request.model, request.device)
    specs = [entry.spec for group in _GROUPS.values() for entry in group]
    bench = attacked(request, classifier, dataset, specs, FOLDER, showing)
    with showing([f"overlap, {spec}" for spec in specs]) as progress:
        overlaps = attention_overlap(
            bench.run,
            classifier,
            attacks=specs,
            thresholds=sorted({*THRESHOLDS, TABLE_THRESHOLD, LOW_THRESHOLD}),
            batch_size=request.batch_size,
            limit=request.limit,
            progress=lambda label, done, total: progress(f"overlap, {label}", done, total),
        )
    return Measured(bench, dict(zip(specs, overlaps, strict=True)))


def table_1(request: Request, showing: Showing) -> Reproduction:
    """Overlap of perturbations and attention at one threshold."""
    measured = measure(request, showing)
    tables = [_table(measured, threshold) for threshold in (TABLE_THRESHOLD, LOW_THRESHOLD)]
    sheet = Document(
        "Do perturbations fall where the classifier looks?",
        f"{PAPER} Table I",
        settings(request, measured.bench),
        [*tables, _notes(measured)],
    )
    return Reproduction(sheet, list(_records(measured, (TABLE_THRESHOLD, LOW_THRESHOLD))))


def figure_5(request: Request, showing: Showing) -> Reproduction:
    """Overlap of perturbations and attention over the threshold on the noise."""
    measured = measure(request, showing)
    means = {spec: overlap.means() for spec, overlap in measured.overlaps.items()}
    blocks = [
        Charts(
            title,
            "Means over the images that the attack fools. A line ends where no image is perturbed above the "
            "threshold. Bands: 95 % bootstrap intervals.",
            [_chart(measured, means, measure, entries) for measure in _MEASURES],
        )
        for title, entries in _CHARTS.items()
    ]
    thresholds = next(iter(measured.overlaps.values())).thresholds.tolist()
    sheet = Document(
        "Do perturbations fall where the classifier looks?",
        f"{PAPER} Figure 5",
        settings(request, measured.bench),
        [*blocks, _notes(measured)],
    )
    return Reproduction(sheet, list(_records(measured, thresholds)))


def _table(measured: Measured, threshold: float) -> Table:
    groups = [
        Group(title, [_row(measured, entry, threshold) for entry in entries])
        for title, entries in _GROUPS.items()
    ]
    printed = " Below it, the paper's figure." if threshold == TABLE_THRESHOLD else ""
    return Table(
        f"Where 1 − SSIM exceeds {threshold:g}",
        "Means over the images fooled, with 95 % bootstrap intervals; precision over those of them that have "
        f"a pixel above the threshold, whose number stands with it.{printed}",
        ("Attack", "Fooled", *_MEASURES.values()),
        groups,
    )


def _row(measured: Measured, entry: Entry, threshold: float) -> list[Cell]:
    curve, overlap = measured.fooled(entry), measured.overlaps[entry.spec]
    place, means = _place(overlap, threshold), overlap.means()
    cells = [Cell(entry.title, entry.spec), Cell(percent(float(curve.rate[0])), f"of {curve.images}")]
    for measure, estimate in means.items():
        if measure in _MEASURES:
            notes = [_interval(estimate, place)]
            if measure == "precision":
                total = len(overlap.ids)
                notes.append(f"{total - overlap.empty[place]} of {total} images")
            if measure in entry.paper and threshold == TABLE_THRESHOLD:
                notes.append(f"paper {entry.paper[measure]:.3f}")
            cells.append(Cell(number(float(estimate.mean[place])), "\n".join(filter(None, notes))))
    return cells


def _interval(estimate: Estimate, place: int) -> str:
    low, high = float(estimate.low[place]), float(estimate.high[place])
    return "" if np.isnan(low) else f"{number(low)} to {number(high)}"


def _place(overlap: Overlap, threshold: float) -> int:
    return int(np.searchsorted(overlap.thresholds, threshold))


def _records(measured: Measured, thresholds: Sequence[float]) -> Iterator[dict[str, object]]:
    for entries in _GROUPS.values():
        for entry in entries:
            overlap, rate = measured.overlaps[entry.spec], float(measured.fooled(entry).rate[0])
            means = overlap.means()
            for threshold in thresholds:
                place = _place(overlap, threshold)
                for measure in _MEASURES:
                    estimate = means[measure]
                    yield {
                        "attack": entry.title,
                        "spec": entry.spec,
                        "fooled": rate,
                        "images": len(overlap.ids),
                        "empty": int(overlap.empty[place]),
                        "threshold": threshold,
                        "measure": measure,
                        "paper": entry.paper.get(measure) if threshold == TABLE_THRESHOLD else None,
                        "mean": float(estimate.mean[place]),
                        "low": float(estimate.low[place]),
                        "high": float(estimate.high[place]),
                    }


def _chart(
    measured: Measured, means: Mapping[str, Mapping[str, Estimate]], measure: str, entries: Sequence[Entry]
) -> Chart:
    lines = []
    for entry in entries:
        estimate, overlap = means[entry.spec][measure], measured.overlaps[entry.spec]
        values = (overlap.thresholds, estimate.mean, estimate.low, estimate.high)
        lines.append(Line(entry.title, *(each.tolist() for each in values)))
    return Chart(
        f"Average {_MEASURES[measure].lower() if measure != 'iou_outside' else _MEASURES[measure]}",
        "threshold on 1 − SSIM",
        _MEASURES[measure],
        lines,
        y_range=(0, 1),
        log_x=True,
        marks=[Mark(TABLE_THRESHOLD, "Table I")],
    )


def _notes(measured: Measured) -> Notes:
    manifest = measured.bench.run.manifest
    return Notes(
        "What differs from the paper",
        (
            f"The model is {manifest.model.spec} and the images are {manifest.data.spec}; the paper measures "
            "MobileNetV2 on all 50,000 validation images of ImageNet. Only images that the model classifies "
            "correctly and the attack fools count.",
            "The paper does not say in which unit its budgets are. Here FGSM's and FGM's are read in units "
            "of the standard deviation of ImageNet's pixels, 0.225 in [0, 1], which comes near its figures "
            "for MobileNetV2; PGD's and PGD-L2's in [0, 1], the widest likely reading, under which they "
            "still perturb fewer pixels than the paper's. FPGAP's budget has no unit.",
            "The attention is Grad-CAM++ of the original at the model's last feature map, above 0.75; the "
            "noise is 1 − SSIM of the stored 8-bit images, channel by channel.",
            "At fixed budgets the paper compares attacks of very different strength: those with large "
            "perturbations are above the threshold nearly everywhere, so their precision nears the share of "
            "the image that is attended to. The second group compares at the first success.",
        ),
    )

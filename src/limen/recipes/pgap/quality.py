"""Fooling rate against average quality: Tables II and III and Figure 6 of the paper, from one run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from limen import catalog
from limen.document import (
    Cell,
    Chart,
    Charts,
    Document,
    Group,
    Line,
    Mark,
    Notes,
    Table,
    percent,
)
from limen.evaluation import QualityCurve, RateAt, quality_curve, rate_at
from limen.recipes.pgap.comparison import (
    AS_IN_THE_PAPER,
    DATA_SETS,
    PAPER,
    QUALITIES,
    STOPPING,
    Competitor,
    charted,
)
from limen.recipes.recipe import Bench, Reproduction, Request, Showing, attacked, kind_of, settings

FOLDER = "pgap-budgets"
"""The run that the recipes of this module share."""

_NAMES = {"ssim": "SSIM", "psnr": "PSNR"}
_GROUPS = {
    "As in the paper: fixed budgets, FPGAP and PGAP stop at the first success": AS_IN_THE_PAPER,
    "Beside it: the rivals stop at the first success, too": STOPPING,
}
_CHARTS = charted(AS_IN_THE_PAPER, STOPPING)


@dataclass(frozen=True)
class Measured:
    """The run over all budgets, and what kind of images it is on."""

    bench: Bench
    kind: str
    budgets: int

    def curve(self, competitor: Competitor, metric: str) -> QualityCurve:
        """The competitor's rate and average quality at each budget."""
        columns = {each.key: each for each in self.bench.run.manifest.metrics}
        return quality_curve(self.bench.records, competitor.labels(self.kind, self.budgets), columns[metric])


def measure(request: Request, showing: Showing) -> Measured:
    """Do what is left of the run over all competitors and budgets."""
    dataset = catalog.data(request.data)
    kind = kind_of(request, dataset)
    classifier = catalog.model(request.model, request.device)
    specs = [each.grid(kind, request.budgets) for group in _GROUPS.values() for each in group]
    bench = attacked(request, classifier, dataset, specs, FOLDER, showing)
    return Measured(bench, kind, request.budgets)


def table_2(request: Request, showing: Showing) -> Reproduction:
    """Fooling rates at equal average SSIM."""
    return _rates(request, measure(request, showing), "ssim", "Table II")


def table_3(request: Request, showing: Showing) -> Reproduction:
    """Fooling rates at equal average PSNR."""
    return _rates(request, measure(request, showing), "psnr", "Table III")


def figure_6(request: Request, showing: Showing) -> Reproduction:
    """Average SSIM and average PSNR against fooling rate."""
    measured = measure(request, showing)
    curves = {
        metric: {each.title: measured.curve(each, metric) for group in _GROUPS.values() for each in group}
        for metric in _NAMES
    }
    target = {metric: QUALITIES[metric][measured.kind] for metric in _NAMES}
    blocks = [
        Charts(
            title,
            "Each point is a budget: the share of correctly classified images fooled, over their average "
            "quality, which falls to the right. Bands: 95 % bootstrap intervals of the rate.",
            [_chart(metric, curves[metric], competitors, target[metric]) for metric in _NAMES],
        )
        for title, competitors in _CHARTS.items()
    ]
    sheet = Document(
        f"Fooling rate against quality, {DATA_SETS[measured.kind]}",
        f"{PAPER} Figure 6",
        settings(request, measured.bench),
        [*blocks, _notes(measured)],
    )
    return Reproduction(sheet, [row for of_metric in curves.values() for row in _points(of_metric)])


def _rates(request: Request, measured: Measured, metric: str, table: str) -> Reproduction:
    printed = QUALITIES[metric][measured.kind]
    target = printed if request.quality is None else request.quality
    name, data = _NAMES[metric], DATA_SETS[measured.kind]
    groups, records = [], []
    for title, competitors in _GROUPS.items():
        rows = []
        for each in competitors:
            curve = measured.curve(each, metric)
            found = rate_at(curve, target)
            paper = each.paper.get(metric, {}).get(measured.kind)
            rows.append(_row(each, measured.kind, paper, found, curve))
            records.append(_record(each, each.grid(measured.kind, measured.budgets), paper, found, curve))
        groups.append(Group(title, rows))
    caption = (
        "The share of correctly classified images that are fooled at the budget whose fooled images have an "
        f"average {name} of {target:g}, between the two nearest budgets; below it the 95 % bootstrap "
        f"interval over images. The paper's figures are for {data} at average {name} {printed:g}."
    )
    columns = ("Attack", f"Paper, {data}", f"Rate at {name} {target:g}", "Weakest budget", "Strongest budget")
    sheet = Document(
        f"Fooling rate at equal {name}, {data}",
        f"{PAPER} {table}",
        settings(request, measured.bench),
        [Table(f"Fooling rate at average {name} {target:g}", caption, columns, groups), _notes(measured)],
    )
    return Reproduction(sheet, records)


def _row(
    competitor: Competitor, kind: str, paper: float | None, found: RateAt, curve: QualityCurve
) -> list[Cell]:
    return [
        Cell(competitor.title, competitor.range(kind)),
        Cell("–" if paper is None else percent(paper)),
        _rate(found, curve),
        _budget(curve, 0),
        _budget(curve, -1),
    ]


def _rate(found: RateAt, curve: QualityCurve) -> Cell:
    name = curve.metric.title
    if found.side == "within":
        return Cell(percent(found.rate), f"{percent(found.low)} to {percent(found.high)}")
    if found.side == "worse":
        # More than all cannot be fooled, so there the bound is the rate.
        bound = "" if found.at_least == 1 else "≥ "
        return Cell(f"{bound}{percent(found.at_least)}", f"{name} stays above {found.quality:g}")
    return Cell("–", f"{name} stays below {found.quality:g}")


def _budget(curve: QualityCurve, place: int) -> Cell:
    quality = float(curve.quality[place])
    shown = "none fooled" if math.isnan(quality) else f"{curve.metric.title} {_shown(curve, quality)}"
    return Cell(percent(float(curve.rate[place])), shown)


def _shown(curve: QualityCurve, value: float) -> str:
    return " ".join(filter(None, (curve.metric.shown(value), curve.metric.unit)))


def _record(
    competitor: Competitor, spec: str, paper: float | None, found: RateAt, curve: QualityCurve
) -> dict[str, object]:
    return {
        "attack": competitor.title,
        "spec": spec,
        "metric": curve.metric.key,
        "quality": found.quality,
        "paper": paper,
        "rate": found.rate,
        "low": found.low,
        "high": found.high,
        "side": found.side,
        "at_least": found.at_least,
        "images": curve.images,
    }


def _points(curves: Mapping[str, QualityCurve]) -> Iterator[dict[str, object]]:
    for title, curve in curves.items():
        columns = (curve.labels, curve.rate, *curve.rate_interval(), curve.quality, *curve.quality_interval())
        names = ("spec", "rate", "rate_low", "rate_high", "quality", "quality_low", "quality_high")
        for values in zip(*columns, strict=True):
            yield {
                "attack": title,
                "metric": curve.metric.key,
                **dict(zip(names, values, strict=True)),
                "images": curve.images,
            }


def _chart(
    metric: str, curves: Mapping[str, QualityCurve], competitors: Sequence[Competitor], target: float
) -> Chart:
    lines = []
    for each in competitors:
        curve = curves[each.title]
        # Near 1, SSIM is told apart only by its distance from 1.
        x = 1 - curve.quality if metric == "ssim" else curve.quality
        lines.append(
            Line(each.title, *(values.tolist() for values in (x, curve.rate, *curve.rate_interval())))
        )
    if metric == "ssim":
        mark = Mark(1 - target, f"SSIM {target:g}")
        return Chart(
            "Average SSIM",
            "1 − average SSIM",
            "fooled",
            lines,
            y_range=(0, 1),
            log_x=True,
            percent=True,
            marks=[mark],
        )
    known = [value for line in lines for value in line.x if math.isfinite(value)] + [target]
    return Chart(
        "Average PSNR",
        "average PSNR, dB",
        "fooled",
        lines,
        x_range=(max(known) + 1, min(known) - 1),
        y_range=(0, 1),
        percent=True,
        marks=[Mark(target, f"{target:g} dB")],
    )


def _notes(measured: Measured) -> Notes:
    manifest = measured.bench.run.manifest
    return Notes(
        "What differs from the paper",
        (
            f"The model is {manifest.model.spec} and the images are {manifest.data.spec}; the paper measures "
            "MobileNetV2 on all 50,000 validation images of ImageNet, and networks of its own on CIFAR-10 "
            "and MNIST. Only images that the model classifies correctly count.",
            "Quality is averaged over the images fooled, as the others are returned unperturbed. The paper "
            "averages over all images, with those that a fixed budget perturbed without success.",
            "Success and quality are those of the stored 8-bit image. The paper works with float images, in "
            "which changes below half a step of the lattice exist; in a file they are lost. FGSM and PGD "
            "change values by whole steps here, which is a PSNR of 48 dB if they change every value, so a "
            "better quality may lie beyond their weakest budget.",
            "FPGAP and PGAP stop at the first change of the label, while the paper's other attacks spend the "
            "whole budget. The second group gives these the same stop.",
        ),
    )

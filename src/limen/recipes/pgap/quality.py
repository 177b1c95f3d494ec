"""Fooling rate against average quality: Tables II and III and Figure 6 of the paper, from the same runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa

from limen.analysis import quality_curve, rate_at
from limen.document import Block, Cell, Chart, Charts, Document, Mark, percent
from limen.metrics import METRICS
from limen.recipes.bench import DATA_SETS, FLOATS, STORED, Bench, Kind, Like, Ran, Row, facts
from limen.recipes.blocks import Find, Rows, cell, lines, page, table
from limen.recipes.entries import Budgets, Entry, Groups, beside
from limen.recipes.recipe import about, recipe, records

FOLDER = "pgap-budgets"
"""The runs that the recipes of this module share: this one, and one in floats."""

PAPER = (
    "Pochimireddy, Siripuram & Channappayya, Can Perceptual Guidance Lead to Semantically Explainable "
    "Adversarial Perturbations?"
)

QUALITIES = {
    "ssim": {"imagenet": 0.998, "cifar10": 0.998, "mnist": 0.85},
    "psnr": {"imagenet": 65.0, "cifar10": 57.0, "mnist": 25.0},
}
"""The average quality at which Tables II and III compare."""

RATES = {
    "mnist": {
        "rate ssim": (0.0556, 0.3004, 0.066, 0.1891, 0.9953, None),
        "rate psnr": (0.1592, 0.3004, 0.2982, 0.4867, 0.9953, None),
    },
    "cifar10": {
        "rate ssim": (0.5892, 0.5681, 0.7612, 0.8472, 1.0, None),
        "rate psnr": (0.2102, 0.3099, 0.4157, 0.3376, 1.0, None),
    },
    "imagenet": {
        "rate ssim": (0.82696, 0.79008, 0.92332, 0.97614, 1.0, None),
        "rate psnr": (0.4822, 0.66434, 0.4942, 0.74458, 0.99998, None),
    },
}
"""Tables II and III: fooling rates by kind of images and metric. PGAP's the paper only draws."""

# Budgets in L∞, L2, S2 of a step, of which fifty add up, and SSIM.
_BUDGETS = {
    "imagenet": (Budgets(1, 16, levels=True), Budgets(0.1, 5), Budgets(2e-5, 0.01), Budgets(1e-5, 0.03)),
    "cifar10": (Budgets(1, 16, levels=True), Budgets(0.05, 2.5), Budgets(5e-5, 0.02), Budgets(1e-5, 0.03)),
    "mnist": (Budgets(4, 128, levels=True), Budgets(0.3, 6), Budgets(1e-3, 0.3), Budgets(1e-3, 0.5)),
}


def rivals(kind: Kind) -> Groups:
    """The rows of Tables II and III, and the rivals of FPGAP and PGAP with the early stop that these have."""
    linf, l2, s2, ssim = _BUDGETS[kind]
    fixed = (
        Entry("FGSM", "fgsm", linf),
        Entry("FGM", "fgm", l2),
        Entry("PGD", "pgd_linf:steps=50,random_start=false", linf),
        Entry("PGD-L2", "pgd_l2:steps=50", l2),
        Entry("FPGAP", "fpgap:steps=50", s2),
        Entry("PGAP", "pgap:steps=50", s2),
    )
    return {
        "As in the paper: fixed budgets, FPGAP and PGAP stop at the first success": beside(
            fixed, {"paper": RATES[kind]}
        ),
        "Beside it: the rivals stop at the first success, too": (
            Entry("PGD, early stop", "pgd_linf:steps=50,random_start=false,early_stop=true", linf),
            Entry("PGD-L2, early stop", "pgd_l2:steps=50,early_stop=true", l2),
            Entry("SSIM-PGD, early stop", "ssim_pgd:steps=50,early_stop=true", ssim),
        ),
    }


def charted(rows: Rows) -> dict[str, list[str]]:
    """Which attacks share a chart: the paper's own, and those that are alike in stopping at a success.

    In the paper's order FGSM and FGM have but one step, and FPGAP and PGAP stop; PGD and PGD-L2 between
    them, which do not, are the first two of the second group with the stop.
    """
    fixed, stopping = ([title for title, _ in of.by("attack")] for _, of in rows.by("group"))
    alike = [*fixed[:2], *stopping[:2], *fixed[4:], *stopping[2:]]
    return {"Settings of the paper": fixed, "All attacks that take steps stop at their first success": alike}


def _measure(bench: Bench, budgets: int, like: Like, qualities: Mapping[str, float | None]) -> pa.Table:
    """In both settings, by metric, the rate at a quality, the paper's if None, and at each budget."""
    kind = like or bench.kind
    ran = bench.in_both(FOLDER, rivals(kind), budgets)
    asked = {metric: QUALITIES[metric][kind] if at is None else at for metric, at in qualities.items()}
    rows = [row for each in ran for metric, at in asked.items() for row in _rows(each, metric, at)]
    return records(rows, facts=facts(ran), kind=kind)


def _rows(ran: Ran, metric: str, quality: float) -> Iterator[Row]:
    curve = quality_curve(ran.records, ran.labels, metric)
    found = rate_at(curve, quality)
    common = {"metric": metric, "images": curve.images}
    rate = {"value": found.rate, "low": found.low, "high": found.high}
    yield ran.row(statistic="rate", at=quality, **rate, **common)
    # What is sure where no two budgets enclose the quality, and the strongest is still better.
    yield ran.row(statistic="rate at least", at=quality, value=found.at_least, **common)
    names = ("budget", "at", "at_low", "at_high", "value", "low", "high")
    ends = (curve.quality, *curve.quality_interval(), curve.rate, *curve.rate_interval())
    for values in zip(ran.budgets, *ends, strict=True):
        yield ran.row(statistic="budget", **dict(zip(names, values, strict=True)), **common)


def _tables(records: pa.Table) -> Document:
    rows, kind = Rows(records.to_pylist()), about(records)["kind"]
    metric, target = rows[0]["metric"], rows[0]["at"]
    name = METRICS[metric].column.title
    caption = (
        "The share of correctly classified images that are fooled at the budget whose fooled images have an "
        f"average {name} of {target:g}, between the two nearest budgets; below it the 95 % "
        "interval over images. Beside it the share and the average quality at the weakest and at the "
        f"strongest budget. The paper's figures are for {DATA_SETS[kind]} at average {name} "
        f"{QUALITIES[metric][kind]:g}."
    )
    cells = {"Rate": _rate, "Weakest": partial(_budget, place=0), "Strongest": partial(_budget, place=-1)}
    columns = {
        f"{title}, {pixels}": _in_setting(pixels, find)
        for pixels in (FLOATS, STORED)
        for title, find in cells.items()
    }
    number = {"ssim": "Table II", "psnr": "Table III"}[metric]
    made = table(f"Fooling rate at average {name} {target:g}", caption, rows, columns)
    return _page(records, f"Fooling rate at equal {name}", number, [made])


def _in_setting(pixels: str, find: Find) -> Find:
    """What finds its cell among the rows of one setting alone."""
    return lambda rows: find(rows.where(pixels=pixels))


def _rate(rows: Rows) -> Cell:
    rate, bound = rows.one(statistic="rate"), rows.one(statistic="rate at least")["value"]
    if rate["value"] is not None:
        return cell(rate, "share")
    side = "below" if bound is None else "above"
    note = f"fooled only {side} {METRICS[rate['metric']].column.title} {rate['at']:g}"
    # More than all cannot be fooled, so there the bound is the rate.
    at_least = "" if bound in (None, 1) else "≥ "
    return replace(cell(rate, "share", note), text=f"{at_least}{percent(bound)}")


def _budget(rows: Rows, place: int) -> Cell:
    row = rows.where(statistic="budget")[place]
    metric = METRICS[row["metric"]].column
    shown = " ".join(filter(None, (metric.title, metric.shown(row["at"]), metric.unit)))
    return Cell(value=row["value"], form="share", note="none fooled" if row["at"] is None else shown)


def _figure(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    caption = (
        "Each point is a budget: the share of correctly classified images fooled, over their average "
        "quality, which falls to the right. Bands: 95 % intervals of the rate."
    )
    blocks = [
        Charts(f"{title}, {pixels}", caption, [_chart(metric, of, titles) for metric in QUALITIES])
        for pixels, of in rows.by("pixels")
        for title, titles in charted(rows).items()
    ]
    return _page(records, "Fooling rate against quality", "Figure 6", blocks)


def _chart(metric: str, rows: Rows, titles: list[str]) -> Chart:
    target = rows.one(metric=metric, statistic="rate")["at"]
    column = METRICS[metric].column
    drawn = lines(rows.where(metric=metric, statistic="budget"), titles, column.plotted)
    known = [x for line in drawn for x in line.x if math.isfinite(x)] + [target]
    return Chart(
        f"Average {column.title}",
        f"average {column.axis}",
        "fooled",
        drawn,
        x_range=(max(known) + 1, min(known) - 1) if column.reverse else None,
        y_range=(0, 1),
        # Near 1, a metric is told apart only by its distance from 1.
        log_x=column.complement,
        percent=True,
        marks=[Mark(float(column.plotted(np.array(target))), f"{column.title} {target:g}")],
    )


def _page(records: pa.Table, title: str, number: str, blocks: Sequence[Block]) -> Document:
    notes = (
        "The paper measures MobileNetV2 on all 50,000 validation images of ImageNet, and networks of its own "
        "on CIFAR-10 and MNIST. Only images that the model classifies correctly count.",
        "Quality is averaged over the images fooled, as the others are returned unperturbed. The paper "
        "averages over all images, with those that a fixed budget perturbed without success.",
        "The paper works with float images, in which changes below half a step of the 8-bit lattice exist; "
        "in a file they are lost. So everything stands here twice. In floats, success and quality are those "
        "of the attack's own image in memory. On 8 bits they are those of the stored image, and the attack "
        "rounds as it goes: FGSM and PGD change values by whole steps, which is a PSNR of 48 dB if they "
        "change every value, so a better quality may lie beyond their weakest budget.",
        "FPGAP and PGAP stop at the first change of the label, while the paper's other attacks spend the "
        "whole budget. The second group gives these the same stop.",
    )
    return page(records, f"{title}, {DATA_SETS[about(records)['kind']]}", f"{PAPER} {number}", blocks, notes)


@recipe(describe=_tables)
def pgap_table_2(
    bench: Bench, *, quality: float | None = None, budgets: int = 8, like: Like = None
) -> pa.Table:
    """Fooling rate at equal average SSIM (Pochimireddy et al., Table II)."""
    return _measure(bench, budgets, like, {"ssim": quality})


@recipe(describe=_tables)
def pgap_table_3(
    bench: Bench, *, quality: float | None = None, budgets: int = 8, like: Like = None
) -> pa.Table:
    """Fooling rate at equal average PSNR (Pochimireddy et al., Table III)."""
    return _measure(bench, budgets, like, {"psnr": quality})


@recipe(describe=_figure)
def pgap_figure_6(bench: Bench, *, budgets: int = 8, like: Like = None) -> pa.Table:
    """Fooling rate against average SSIM and average PSNR (Pochimireddy et al., Figure 6)."""
    return _measure(bench, budgets, like, {"ssim": None, "psnr": None})

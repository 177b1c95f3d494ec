"""Fooling rate against average quality: Tables II and III and Figure 6 of the paper, from the same runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from limen.analysis import quality_curve, rate_at
from limen.document import Block, Cell, Chart, Charts, Document, Mark, percent
from limen.metrics import METRICS
from limen.recipes.bench import FLOATS, STORED, Bench, Kind, Ran, facts
from limen.recipes.blocks import cell, lines, page, table
from limen.recipes.entries import Budgets, Entry, Groups
from limen.recipes.recipe import recipe
from limen.recipes.records import Row, Rows, about, records

FOLDER = "pgap-budgets"
"""The runs that the recipes of this module share: this one, and one in floats."""

PAPER = (
    "Pochimireddy, Siripuram & Channappayya, Can Perceptual Guidance Lead to Semantically Explainable "
    "Adversarial Perturbations?"
)

DATA_SETS = {"imagenet": "ImageNet", "cifar10": "CIFAR-10", "mnist": "MNIST"}
"""What the paper calls the kinds of images."""

QUALITIES = {
    "ssim": {"imagenet": 0.998, "cifar10": 0.998, "mnist": 0.85},
    "psnr": {"imagenet": 65.0, "cifar10": 57.0, "mnist": 25.0},
}
"""The average quality at which Tables II and III compare."""

RATES = {
    "ssim": {
        "mnist": {"FGSM": 0.0556, "FGM": 0.3004, "PGD": 0.066, "PGD-L2": 0.1891, "FPGAP": 0.9953},
        "cifar10": {"FGSM": 0.5892, "FGM": 0.5681, "PGD": 0.7612, "PGD-L2": 0.8472, "FPGAP": 1.0},
        "imagenet": {"FGSM": 0.82696, "FGM": 0.79008, "PGD": 0.92332, "PGD-L2": 0.97614, "FPGAP": 1.0},
    },
    "psnr": {
        "mnist": {"FGSM": 0.1592, "FGM": 0.3004, "PGD": 0.2982, "PGD-L2": 0.4867, "FPGAP": 0.9953},
        "cifar10": {"FGSM": 0.2102, "FGM": 0.3099, "PGD": 0.4157, "PGD-L2": 0.3376, "FPGAP": 1.0},
        "imagenet": {"FGSM": 0.4822, "FGM": 0.66434, "PGD": 0.4942, "PGD-L2": 0.74458, "FPGAP": 0.99998},
    },
}
"""Tables II and III: fooling rates by metric, kind of images and attack. PGAP's the paper only draws."""

_LINF = {
    "imagenet": Budgets(1, 16, levels=True),
    "cifar10": Budgets(1, 16, levels=True),
    "mnist": Budgets(4, 128, levels=True),
}
_L2 = {"imagenet": Budgets(0.1, 5.0), "cifar10": Budgets(0.05, 2.5), "mnist": Budgets(0.3, 6.0)}
# A budget of a step: fifty of them add up.
_S2 = {"imagenet": Budgets(2e-5, 0.01), "cifar10": Budgets(5e-5, 0.02), "mnist": Budgets(1e-3, 0.3)}
_SSIM = {"imagenet": Budgets(1e-5, 0.03), "cifar10": Budgets(1e-5, 0.03), "mnist": Budgets(1e-3, 0.5)}


def rivals(kind: Kind) -> Groups:
    """The rows of Tables II and III, and the rivals of FPGAP and PGAP with the early stop that these have."""
    linf, l2, s2, ssim = (each[kind] for each in (_LINF, _L2, _S2, _SSIM))
    fixed = (
        Entry("FGSM", "fgsm", linf),
        Entry("FGM", "fgm", l2),
        Entry("PGD", "pgd_linf:steps=50,random_start=false", linf),
        Entry("PGD-L2", "pgd_l2:steps=50", l2),
        Entry("FPGAP", "fpgap:steps=50", s2),
        Entry("PGAP", "pgap:steps=50", s2),
    )
    printed = [
        {f"rate {metric}": of[kind][each.title] for metric, of in RATES.items() if each.title in of[kind]}
        for each in fixed
    ]
    return {
        "As in the paper: fixed budgets, FPGAP and PGAP stop at the first success": [
            replace(each, printed={"paper": of}) for each, of in zip(fixed, printed, strict=True)
        ],
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


def _measure(
    bench: Bench, budgets: int, like: Kind | None, qualities: Mapping[str, float | None]
) -> pa.Table:
    """In both settings, by metric, the rate at a quality, the paper's if None, and at each budget."""
    kind = like or bench.kind
    ran = bench.in_both(FOLDER, rivals(kind), budgets)
    asked = {metric: QUALITIES[metric][kind] if at is None else at for metric, at in qualities.items()}
    rows = [row for each in ran for metric, at in asked.items() for row in _rows(each, metric, at)]
    return records(rows, facts=facts(ran), kind=kind)


def _rows(ran: Ran, metric: str, quality: float) -> Iterator[Row]:
    curve = quality_curve(ran.records, ran.labels, metric)
    found = rate_at(curve, quality)
    columns = {**ran.columns, "metric": metric, "images": curve.images}
    at = {"at": quality, "value": found.rate, "low": found.low, "high": found.high}
    yield {**columns, "statistic": "rate", **at, **ran.entry.paper("rate", metric)}
    # What is sure where no two budgets enclose the quality, and the strongest is still better.
    yield {**columns, "statistic": "rate at least", "at": quality, "value": found.at_least}
    names = ("budget", "at", "at_low", "at_high", "value", "low", "high")
    ends = (curve.quality, *curve.quality_interval(), curve.rate, *curve.rate_interval())
    for values in zip(ran.budgets, *ends, strict=True):
        yield {**columns, "statistic": "budget", **dict(zip(names, values, strict=True))}


def _tables(records: pa.Table) -> Document:
    rows, data = Rows(records.to_pylist()), DATA_SETS[about(records)["kind"]]
    metric, target = rows[0]["metric"], rows[0]["at"]
    name, printed = METRICS[metric].column.title, QUALITIES[metric][about(records)["kind"]]
    caption = (
        "The share of correctly classified images that are fooled at the budget whose fooled images have an "
        f"average {name} of {target:g}, between the two nearest budgets; below it the 95 % bootstrap "
        "interval over images. Beside it the share and the average quality at the weakest and at the "
        f"strongest budget. The paper's figures are for {data} at average {name} {printed:g}."
    )
    cells = {"Rate": _rate, "Weakest": lambda of: _budget(of, 0), "Strongest": lambda of: _budget(of, -1)}
    columns = {
        f"{title}, {pixels}": lambda of, pixels=pixels, find=find: find(of.where(pixels=pixels))
        for pixels in (FLOATS, STORED)
        for title, find in cells.items()
    }
    number = {"ssim": "Table II", "psnr": "Table III"}[metric]
    made = table(f"Fooling rate at average {name} {target:g}", caption, rows, columns)
    return _page(records, f"Fooling rate at equal {name}", number, [made])


def _rate(rows: Rows) -> Cell:
    rate, bound = rows.one(statistic="rate"), rows.one(statistic="rate at least")["value"]
    if rate["value"] is not None:
        return cell(rate, "share")
    side = (
        f"{METRICS[rate['metric']].column.title} stays {'below' if bound is None else 'above'} {rate['at']:g}"
    )
    # More than all cannot be fooled, so there the bound is the rate.
    at_least = "" if bound in (None, 1) else "≥ "
    return replace(cell(rate, "share", side), text=f"{at_least}{percent(bound)}")


def _budget(rows: Rows, place: int) -> Cell:
    row = rows.where(statistic="budget")[place]
    metric = METRICS[row["metric"]].column
    shown = " ".join(filter(None, (metric.title, metric.shown(row["at"]), metric.unit)))
    return Cell(value=row["value"], form="share", note="none fooled" if row["at"] is None else shown)


def _figure(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    caption = (
        "Each point is a budget: the share of correctly classified images fooled, over their average "
        "quality, which falls to the right. Bands: 95 % bootstrap intervals of the rate."
    )
    blocks = [
        Charts(f"{title}, {pixels}", caption, [_chart(metric, of, titles) for metric in QUALITIES])
        for pixels, of in rows.by("pixels")
        for title, titles in charted(rows).items()
    ]
    return _page(records, "Fooling rate against quality", "Figure 6", blocks)


def _chart(metric: str, rows: Rows, titles: list[str]) -> Chart:
    target = rows.one(metric=metric, statistic="rate")["at"]
    points = rows.where(metric=metric, statistic="budget")
    column = METRICS[metric].column
    drawn = lines(points, titles, column.plotted)
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
    facts, data = about(records)["facts"], DATA_SETS[about(records)["kind"]]
    notes = (
        f"The model is {facts['Model']} and the images are {facts['Data']}; the paper measures "
        "MobileNetV2 on all 50,000 validation images of ImageNet, and networks of its own on CIFAR-10 "
        "and MNIST. Only images that the model classifies correctly count.",
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
    return page(records, f"{title}, {data}", f"{PAPER} {number}", blocks, notes)


@recipe(describe=_tables)
def pgap_table_2(
    bench: Bench, *, quality: float | None = None, budgets: int = 8, like: Kind | None = None
) -> pa.Table:
    """Fooling rate at equal average SSIM (Pochimireddy et al., Table II)."""
    return _measure(bench, budgets, like, {"ssim": quality})


@recipe(describe=_tables)
def pgap_table_3(
    bench: Bench, *, quality: float | None = None, budgets: int = 8, like: Kind | None = None
) -> pa.Table:
    """Fooling rate at equal average PSNR (Pochimireddy et al., Table III)."""
    return _measure(bench, budgets, like, {"psnr": quality})


@recipe(describe=_figure)
def pgap_figure_6(bench: Bench, *, budgets: int = 8, like: Kind | None = None) -> pa.Table:
    """Fooling rate against average SSIM and average PSNR (Pochimireddy et al., Figure 6)."""
    return _measure(bench, budgets, like, {"ssim": None, "psnr": None})

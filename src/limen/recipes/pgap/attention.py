"""Whether perturbations fall where the classifier looks: Table I and Figure 5 of the paper, from one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pyarrow as pa

from limen.document import Block, Chart, Charts, Document, Mark
from limen.evaluation.overlap import TABLE_THRESHOLD, Overlap, overlaps_of
from limen.recipes.bench import Bench, Ran, Row, facts
from limen.recipes.blocks import Rows, lines, one, page, table
from limen.recipes.entries import Entry, Groups, beside
from limen.recipes.pgap.quality import PAPER, charted
from limen.recipes.recipe import recipe, records
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

TABLE_1 = {
    "precision": (0.1613, 0.1982, 0.1329, 0.1672, 0.3577),
    "pixels": (0.9817, 0.6682, 0.3217, 0.3017, 0.0454),
    "recall": (0.9759, 0.7750, 0.2503, 0.2585, 0.0837),
    "iou_outside": (0.8263, 0.5594, 0.3128, 0.2880, 0.0369),
}
"""Table I, by measure, at the threshold `TABLE_THRESHOLD`."""

_FIXED = (
    Entry("FGSM (0.5)", f"fgsm:eps={value_text(0.5 * _STANDARDISED)}"),
    Entry("FGM (100)", f"fgm:eps={value_text(100 * _STANDARDISED)}"),
    Entry("PGD (0.03)", "pgd_linf:eps=0.03,steps=50,random_start=false"),
    Entry("PGD-L2 (5.0)", "pgd_l2:eps=5,steps=50"),
    Entry("FPGAP (0.005)", "fpgap:eps=0.005,steps=50"),
)

ENTRIES: Groups = {
    "As in the paper: fixed budgets, FPGAP stops at the first success": beside(_FIXED, {"paper": TABLE_1}),
    "Beside it: all stop at the first success": (
        Entry("PGD, early stop", "pgd_linf:eps=0.03,steps=50,random_start=false,early_stop=true"),
        Entry("PGD-L2, early stop", "pgd_l2:eps=5,steps=50,early_stop=true"),
        Entry("PGAP", "pgap:eps=0.005,steps=50"),
        Entry("SSIM-PGD, early stop", "ssim_pgd:eps=0.01,steps=50,early_stop=true"),
    ),
}
"""The rows of Table I; and the rivals with FPGAP's early stop, PGAP, and natural-gradient PGD for SSIM."""


def _measure(bench: Bench) -> pa.Table:
    """The figures of each attack, and over thresholds on 1 − SSIM how its perturbations lie."""
    ran = bench.attacked(FOLDER, ENTRIES)
    measured = bench.evaluated(ran[0].run, "attention:images=0", "overlap")
    overlaps = overlaps_of(measured, [each.labels[0] for each in ran])
    rows = (row for each in ran for row in _rows(each, overlaps[each.labels[0]]))
    return records(rows, facts=facts(ran))


def _rows(ran: Ran, overlap: Overlap) -> Iterator[Row]:
    yield from ran.figures(["ssim"])
    for measure, of in overlap.means().items():
        for at, empty, mean in zip(overlap.thresholds, overlap.empty, of, strict=True):
            # An image that is nowhere perturbed above the threshold has no precision.
            images = len(overlap.ids) - (empty if measure == "precision" else 0)
            row = {"statistic": measure, "at": at, "images": images, **asdict(mean)}
            yield ran.row(**row) if at == TABLE_THRESHOLD else {**ran.columns, **row}


def _tables(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    blocks = []
    for threshold in (TABLE_THRESHOLD, LOW_THRESHOLD):
        caption = (
            "Means over the images fooled, with 95 % intervals; precision over those of them that "
            "have a pixel above the threshold, whose number stands with it. The paper has 0.11."
        )
        columns = {"Fooled": one("share", count=True, statistic="success")} | {
            title: one(statistic=measure, at=threshold, count=measure == "precision")
            for measure, title in _MEASURES.items()
        }
        blocks.append(table(f"Where 1 − SSIM exceeds {threshold:g}", caption, rows, columns))
    return _page(records, "Table I", blocks)


def _figure(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    caption = (
        "Means over the images that the attack fools. A line ends where no image is perturbed above the "
        "threshold. Bands: 95 % intervals."
    )
    blocks = [
        Charts(title, caption, [_chart(measure, rows, titles) for measure in _MEASURES])
        for title, titles in charted(rows).items()
    ]
    return _page(records, "Figure 5", blocks)


def _chart(measure: str, rows: Rows, titles: list[str]) -> Chart:
    name, drawn = _MEASURES[measure], lines(rows.where(statistic=measure), titles)
    title = f"Average {name if measure == 'iou_outside' else name.lower()}"
    axes = {"y_range": (0, 1), "log_x": True, "marks": [Mark(TABLE_THRESHOLD, "Table I")]}
    return Chart(title, "threshold on 1 − SSIM", name, drawn, **axes)


def _page(records: pa.Table, number: str, blocks: Sequence[Block]) -> Document:
    notes = (
        "The paper measures MobileNetV2 on all 50,000 validation images of ImageNet. Only images that the "
        "model classifies correctly and the attack fools count.",
        "The paper does not say in which unit its budgets are. Here FGSM's and FGM's are read in units "
        "of the standard deviation of ImageNet's pixels, 0.225 in [0, 1], which comes near its figures "
        "for MobileNetV2; PGD's and PGD-L2's in [0, 1], the widest likely reading, under which they "
        "still perturb fewer pixels than the paper's. FPGAP's budget has no unit.",
        "The attention is Grad-CAM++ of the original at the model's last feature map, above 0.75; the "
        "noise is 1 − SSIM of the stored 8-bit images, channel by channel.",
        "At fixed budgets the paper compares attacks of very different strength: those with large "
        "perturbations are above the threshold nearly everywhere, so their precision nears the share of "
        "the image that is attended to. The second group compares at the first success.",
    )
    title = "Do perturbations fall where the classifier looks?"
    return page(records, title, f"{PAPER} {number}", blocks, notes)


@recipe(describe=_tables)
def pgap_table_1(bench: Bench) -> pa.Table:
    """Overlap of perturbations and Grad-CAM++ (Pochimireddy et al., Table I)."""
    return _measure(bench)


@recipe(describe=_figure)
def pgap_figure_5(bench: Bench) -> pa.Table:
    """Overlap of perturbations and Grad-CAM++ over thresholds (Pochimireddy et al., Figure 5)."""
    return _measure(bench)

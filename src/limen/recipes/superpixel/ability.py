"""How often the model and others are fooled: Table 1, and Figure 8 on the superpixels and the mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from limen.document import Chart, Charts, Document, Mark
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Rows, lines, one, table
from limen.recipes.recipe import recipe
from limen.recipes.superpixel.common import (
    ATTACKS,
    ATTENTION,
    DELTAS,
    SAI_FGM,
    Printed,
    attack,
    attacked,
    counted,
    images,
    made_of,
    page,
    rate,
    transferred,
)
from limen.recipes.superpixel.robustness import DEFENSES, behind

TABLE_1 = {
    "paper_Inc-v3": (0.84, 0.738, 0.998, 1.0, 0.999, 0.9995),
    "paper_Inc-v4": (0.5475, 0.562, 0.4065, 0.6835, 0.6645, 0.685),
    "paper_IncRes-v2": (0.5675, 0.5155, 0.38, 0.6495, 0.6795, 0.661),
    "paper_Inc-v3adv": (0.5605, 0.5675, 0.307, 0.6505, 0.624, 0.6745),
}
"""Table 1 by network: success on that which is attacked, and on three others."""

SIZES = range(2, 9)
TWELFTHS = range(12)
"""The superpixel sizes and the twelfths of the binarisation factor that Figure 8 varies."""

_BEST_SIZE, _BEST_TWELFTH = 5, 4
_NO_OTHER = (
    "The paper's other networks are missing. Given such for the same classes by model=SPEC, which may stand "
    "several times, the recipe shows them the images as well."
)


def printed(name: str, white: bool) -> Printed:
    """What Table 1 prints of an attack: on the attacked network, or on each of the others."""
    place = ATTACKS.index(name)
    return {
        column: values[place] for column, values in TABLE_1.items() if (column == "paper_Inc-v3") == white
    }


def _table_1(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    columns = {
        name or "White box": one("share", count=True, classifier=name) for name, _ in rows.by("classifier")
    }
    caption = (
        f"The share of images fooled at δ = {DELTAS[-1]}. White box: on the attacked model. Beside it on "
        "models that the attacks did not see, of the images that both classify correctly; below each, what "
        "the paper prints of its three."
    )
    made = table("Success on the model and on others", caption, rows, columns)
    notes = (
        "MI-FGM and M-SAI-FGM have a momentum of 1, which the paper does not tell.",
        *(() if len(columns) > 1 else (_NO_OTHER,)),
    )
    return page(records, "Do superpixel attacks fool, and transfer?", "Table 1", [made], notes)


@recipe(describe=_table_1)
def superpixel_table_1(
    bench: Bench, *, model: tuple[str, ...] = (), attention: str | None = ATTENTION
) -> pa.Table:
    """Success on the model and on others (Dong et al., Table 1)."""
    ran = attacked(bench, attention)
    seen = transferred(bench, ran, model)
    rows = (
        rate(each, seen[name, label], printed(each.entry.title, name is None), classifier=name, spec=label)
        for each in ran
        for label in each.labels[-1:]
        for name in (None, *model)
    )
    return made_of(ran, rows, attention)


def _figure_8(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    sizes, thresholds = (of for _, of in rows.by("group"))
    charts = [
        _chart("Superpixel size", "size S", sizes, _BEST_SIZE),
        _chart("Binarisation factor", "factor φ in twelfths", thresholds, _BEST_TWELFTH, scale=12),
    ]
    caption = (
        "Left, at δ = 4, over the side of a superpixel, plainly and after resizing to a third and back. "
        "Right, at δ = 16, over the least attention at which a value may change. The share of images fooled, "
        f"of {images(rows)} right without an attack. Marked is what the paper finds best. Bands: Wilson's "
        "95 % intervals."
    )
    notes = (
        "At which δ the paper varies φ it does not say; here it is that of Table 1. It finds transfer at "
        "4/12 better by 10 points than without attention, φ = 0.",
        *(() if len({*(row["classifier"] for row in thresholds)}) > 1 else (_NO_OTHER,)),
    )
    title = "How large superpixels, and how much attention?"
    return page(records, title, "Figure 8", [Charts("Size and mask", caption, charts)], notes)


def _chart(title: str, axis: str, rows: Rows, best: float, scale: int = 1) -> Chart:
    drawn = lines(rows, plotted=lambda values: (scale * values).round(9))
    marks = [Mark(best, "the paper's best")]
    return Chart(title, axis, "fooled", drawn, y_range=(0, 1), percent=True, marks=marks)


@recipe(describe=_figure_8)
def superpixel_figure_8(
    bench: Bench, *, model: tuple[str, ...] = (), attention: str | None = ATTENTION
) -> pa.Table:
    """Superpixel size and binarisation factor (Dong et al., Figure 8)."""
    by_size = {"Size": [attack(SAI_FGM, [4], attention, f"S = {size}", size=size) for size in SIZES]}
    by_factor = {
        "Factor": [
            attack(SAI_FGM, [16], attention, f"φ = {part}/12", threshold=f"{part}/12") for part in TWELFTHS
        ]
    }
    sized = bench.attacked("superpixel-size", by_size)
    masked = bench.attacked("superpixel-factor", by_factor)
    rows = [*_sizes(bench, sized), *_factors(bench, masked, model)]
    return made_of([*sized, *masked], rows, attention)


def _sizes(bench: Bench, ran: Sequence[Ran]) -> Iterator[Row]:
    plain, resized = counted(ran[0].records, "attack"), behind(bench, ran, [DEFENSES["resize"].at(3)])
    for each, size in zip(ran, SIZES, strict=True):
        (label,) = each.labels
        yield rate(each, plain[label,], attack="White box", at=size)
        yield rate(each, resized[label, "resize", 3.0], attack="After resizing, γ = 3", at=size)


def _factors(bench: Bench, ran: Sequence[Ran], models: Sequence[str]) -> Iterator[Row]:
    seen = transferred(bench, ran, models)
    for name in (None, *models):
        for each, part in zip(ran, TWELFTHS, strict=True):
            columns = {"attack": name or "White box", "classifier": name, "at": part / 12}
            yield rate(each, seen[name, each.labels[0]], **columns)

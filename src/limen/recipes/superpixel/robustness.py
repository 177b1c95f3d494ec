"""What image processing leaves of attacks: Table 3 and Figures 4 to 6."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from limen.document import Chart, Charts, Document
from limen.evaluation.shields import read_shields
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Rows, lines, one, table
from limen.recipes.recipe import recipe
from limen.recipes.superpixel.common import (
    ATTACKS,
    ATTENTION,
    DELTAS,
    I_FGM,
    SAI_FGM,
    Counts,
    attack,
    attacked,
    counted,
    images,
    made_of,
    page,
    rate,
)
from limen.spec import value_text, write_spec

FOLDER = "superpixel-robustness"
"""The run that Table 3 and Figures 5 and 6 share."""

_DELTAS = (2, *DELTAS)


@dataclass(frozen=True)
class DefenseRange:
    """A defence over its strengths.

    Attributes:
        title: What the paper calls it.
        name: Its name in the catalogue.
        axis: What a strength is.
        parameter: The parameter that is varied; empty for none.
        strengths: Its values.
    """

    title: str
    name: str
    axis: str = ""
    parameter: str = ""
    strengths: Sequence[float] = ()

    @property
    def spec(self) -> str:
        """The defence as a spec, with several values of its parameter."""
        values = tuple(value_text(float(each)) for each in self.strengths)
        return write_spec(self.name, [(self.parameter, values)] if values else [])

    def at(self, *strengths: float) -> DefenseRange:
        """The same over these strengths alone."""
        return replace(self, strengths=strengths)

    @property
    def steps(self) -> Sequence[float | None]:
        """The strengths as records have them."""
        return [float(each) for each in self.strengths] or [None]


_PAIRS = tuple(zip(ATTACKS[::2], ATTACKS[1::2], strict=True))
"""The attacks without superpixels and with them, which charts show against each other."""

_FACTORS = tuple(round(1 + step / 10, 1) for step in range(21))
_QUALITIES = tuple(range(95, 0, -10))
DEFENSES = {
    each.name: each
    for each in (
        DefenseRange("Resizing", "resize", "factor γ", "factor", _FACTORS),
        DefenseRange("JPEG", "jpeg", "quality q", "quality", _QUALITIES),
        DefenseRange("DNN-oriented JPEG", "dnn_jpeg", "quality q", "quality", _QUALITIES),
        DefenseRange("Average pooling", "average_pool", "kernel", "size", (3, 5, 7)),
        DefenseRange("Max pooling", "max_pool", "kernel", "size", (3, 5, 7)),
        DefenseRange("TVM", "total_variation"),
        DefenseRange("Bit-depth reduction", "bit_depth", "depth d", "bits", (2, 3, 4)),
    )
}
"""The defences of Section 4.2 by name, over the strengths of the paper."""

TABLE_3 = {
    ("average_pool", 4): {I_FGM: (73.67, 20.55, 7.07), SAI_FGM: (93.27, 65.14, 36.91)},
    ("average_pool", 8): {I_FGM: (85.94, 31.21, 11.47), SAI_FGM: (97.44, 79.96, 58.03)},
    ("average_pool", 16): {I_FGM: (95.13, 46.02, 20.36), SAI_FGM: (99.57, 91.48, 77.35)},
    ("max_pool", 4): {I_FGM: (41.45, 16.67, 13.47), SAI_FGM: (70.37, 39.20, 34.67)},
    ("max_pool", 8): {I_FGM: (54.79, 27.29, 20.39), SAI_FGM: (85.10, 61.64, 55.73)},
    ("max_pool", 16): {I_FGM: (68.36, 37.06, 30.38), SAI_FGM: (93.85, 83.29, 79.82)},
}
"""Table 3 in per cent: by pooling and δ, by attack over the kernels 3, 5 and 7."""

PRINTED = {
    (name, float(kernel), delta, title): value / 100
    for (name, delta), by_title in TABLE_3.items()
    for title, values in by_title.items()
    for kernel, value in zip((3, 5, 7), values, strict=True)
} | {
    ("resize", 2.0, 4, I_FGM): 0.4605,
    ("resize", 2.0, 4, SAI_FGM): 0.8217,
    ("jpeg", 55.0, 4, I_FGM): 0.684,
    ("jpeg", 55.0, 4, SAI_FGM): 0.914,
    ("total_variation", None, 4, I_FGM): 0.446,
    ("total_variation", None, 4, SAI_FGM): 0.82,
}
"""All that the paper prints, by defence, strength, δ and attack; of its curves, what text and Table 4 say."""


def behind(bench: Bench, ran: Sequence[Ran], ranges: Sequence[DefenseRange]) -> Counts:
    """By label, defence and strength, how many images are fooled behind it that attacks have not seen."""
    spec = write_spec("defenses", [("defense", tuple(each.spec for each in ranges))])
    found = counted(bench.evaluated(ran[0].run, spec, "defences"), "attack", "defense", "strength")
    counts: Counts = defaultdict(lambda: (0, 0))
    for span in ranges:
        # Records have a strength only where there are several.
        for at, shield in zip(span.steps, read_shields([span.spec]), strict=True):
            for label in (label for each in ran for label in each.labels):
                counts[label, span.name, at] = found[label, shield.name, shield.strength]
    return counts


def swept(bench: Bench, ran: Sequence[Ran], deltas: Sequence[float], *names: str) -> Iterator[Row]:
    """A row for each attack, budget and strength of these defences."""
    ranges = [DEFENSES[name] for name in names]
    found = behind(bench, ran, ranges)
    for span in ranges:
        for each in ran:
            for delta, label in zip(deltas, each.labels, strict=True):
                for at in span.steps:
                    value = PRINTED.get((span.name, at, delta, each.entry.title))
                    printed = {} if value is None else {"paper": value}
                    columns = {"defense": span.name, "at": at, "delta": float(delta), "spec": label}
                    yield rate(each, found[label, span.name, at], printed, **columns)


def _robust(bench: Bench, attention: str | None, *names: str) -> pa.Table:
    ran = bench.attacked(FOLDER, {"": [attack(each, _DELTAS, attention) for each in (I_FGM, SAI_FGM)]})
    return made_of(ran, swept(bench, ran, _DELTAS, *names), attention)


def _table_3(records: pa.Table) -> Document:
    rows = Rows(
        {**row, "group": f"{DEFENSES[row['defense']].title}, δ = {row['delta']:g}"}
        for row in sorted(records.to_pylist(), key=lambda row: (row["defense"], row["delta"]))
    )
    columns = {f"Kernel {size}": one("share", count=True, at=float(size)) for size in (3, 5, 7)}
    caption = "The share of images fooled behind pooling in strides of 1, of those that are right behind it."
    made = table("Success after pooling", caption, rows, columns)
    notes = (
        "The paper has no δ = 2. At the border, average pooling mirrors the image, and max pooling looks at "
        "no more than there is.",
        "The text calls 79.82 % and 30.38 % the success behind kernels of 5; in the table it is that of max "
        "pooling with kernels of 7.",
    )
    return page(records, "Does pooling undo attacks?", "Table 3", [made], notes)


@recipe(describe=_table_3)
def superpixel_table_3(bench: Bench, *, attention: str | None = ATTENTION) -> pa.Table:
    """Success after average and max pooling (Dong et al., Table 3)."""
    return _robust(bench, attention, "average_pool", "max_pool")


def figure(records: pa.Table, title: str, number: str, notes: Sequence[str] = ()) -> Document:
    """Charts of each defence and budget over its strengths; over the budget where it has no strength."""
    rows = Rows(records.to_pylist())
    charts = [
        chart
        for name, of in rows.by("defense")
        for chart in (_over_strengths(name, of) if DEFENSES[name].parameter else [_over_budgets(name, of)])
    ]
    gaps = "" if all(row["images"] for row in rows) else " Of none there is no point."
    caption = (
        "The share of images fooled behind each defence, of those that are right behind it without an "
        f"attack: {images(rows)}.{gaps} Bands: Wilson's 95 % intervals."
    )
    told = Rows(
        {**row, "group": f"{_setting(row)}, δ = {row['delta']:g}"} for row in rows if row["paper"] is not None
    )
    says = "Of its curves, the paper tells these points in its text and in Table 4."
    points = table("What the paper prints", says, told, {"Fooled": one("share", count=True)})
    curves = Charts("Success behind the defence", caption, charts)
    return page(records, title, number, [curves, points], notes)


def _setting(row: Row) -> str:
    span = DEFENSES[row["defense"]]
    return span.title if row["at"] is None else f"{span.title}, {span.axis} = {row['at']:g}"


def _over_strengths(name: str, rows: Rows) -> Iterator[Chart]:
    for delta, of in rows.by("delta"):
        title = f"{DEFENSES[name].title}, δ = {delta:g}"
        for pair in _PAIRS:
            shown = Rows(row for row in of if row["attack"] in pair)
            if shown:
                guided = "" if len(of) == len(shown) else f", {pair[1]}"
                yield _chart(title + guided, DEFENSES[name].axis, shown)


def _over_budgets(name: str, rows: Rows) -> Chart:
    return _chart(DEFENSES[name].title, "budget δ", Rows({**row, "at": row["delta"]} for row in rows))


def _chart(title: str, axis: str, rows: Rows) -> Chart:
    return Chart(title, axis, "fooled", lines(rows), y_range=(0, 1), percent=True)


def _figure_4(records: pa.Table) -> Document:
    notes = ("MI-FGM and M-SAI-FGM have a momentum of 1, which the paper does not tell.",)
    return figure(records, "Does resizing undo attacks?", "Figure 4", notes)


@recipe(describe=_figure_4)
def superpixel_figure_4(bench: Bench, *, attention: str | None = ATTENTION) -> pa.Table:
    """Success after resizing (Dong et al., Figure 4)."""
    ran = attacked(bench, attention)
    return made_of(ran, swept(bench, ran, DELTAS, "resize"), attention)


def _figure_5(records: pa.Table) -> Document:
    notes = (
        "What the quality of DNN-oriented JPEG is the paper does not say. Here both of its quantisation "
        "steps are scaled as JPEG scales its tables, with 50 for the published steps.",
    )
    return figure(records, "Does JPEG undo attacks?", "Figure 5", notes)


@recipe(describe=_figure_5)
def superpixel_figure_5(bench: Bench, *, attention: str | None = ATTENTION) -> pa.Table:
    """Success after JPEG and DNN-oriented JPEG over the quality (Dong et al., Figure 5)."""
    return _robust(bench, attention, "jpeg", "dnn_jpeg")


def _figure_6(records: pa.Table) -> Document:
    notes = (
        "TVM drops half of the values, channel by channel, with a weight of 0.03. Its published program "
        "makes a mistake at the border that is not repeated here.",
    )
    return figure(records, "Do TVM and fewer colours undo attacks?", "Figure 6", notes)


@recipe(describe=_figure_6)
def superpixel_figure_6(bench: Bench, *, attention: str | None = ATTENTION) -> pa.Table:
    """Success after TVM over the budget, and after bit-depth reduction (Dong et al., Figure 6)."""
    return _robust(bench, attention, "total_variation", "bit_depth")

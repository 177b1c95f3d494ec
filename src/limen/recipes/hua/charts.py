"""How distances are distributed, Figure 3.3, and what defences leave of attacks, Figure 3.5."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import distribution
from limen.catalog import metric as metric_of
from limen.decoding import decode
from limen.document import Chart, Charts, Document
from limen.errors import UsageError
from limen.evaluation.defence_success import NO_ATTACK, Strengths, rates_of
from limen.evaluation.distribution_charts import BANDS, READING, charts
from limen.recipes.bench import RIGHT, Bench, Ran, Row
from limen.recipes.blocks import Rows, lines, one, table
from limen.recipes.hua.common import (
    CONFIDENCES,
    COST,
    OURS,
    at_hand,
    attacked,
    judged,
    made_of,
    optimised,
    page,
)
from limen.recipes.recipe import about, recipe
from limen.runs import MetricColumn, metrics_of
from limen.spec import value_text, write_spec

QUALITIES, BITS = (90, 80, 70, 60, 50, 40, 30), (7, 6, 5, 4, 3, 2)
"""The strengths of PerC_AL's program; the paper names none."""

DEFENSES = {
    "jpeg": ("JPEG", "quality", QUALITIES, ()),
    "bit_depth": ("Bit depth", "bits", BITS, (("levels", "power"),)),
}
"""By name, what the paper calls a defence, its parameter, its strengths and what else is set."""

_QUARTILES = {"First quartile": "first", "Median": "median", "Third quartile": "third"}
_PAPERS = "dists"


def _figure_3_3(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    column: MetricColumn = decode(MetricColumn, json.dumps(about(records)["metric"]))
    found = {
        title: distribution(np.array(of.where(statistic="value").column("value")), column.calibration)
        for title, of in rows.by("attack")
    }
    quartiles = Rows(
        {**rows.one(attack=title), "statistic": name, **asdict(each), "images": len(summed.values)}
        for title, summed in found.items()
        for name, each in zip(_QUARTILES.values(), summed.quartiles, strict=True)
    )
    form = "near_one" if column.complement else "number"
    columns = {title: one(form, count=name == "first", statistic=name) for title, name in _QUARTILES.items()}
    caption = "Of the images fooled, with 95 % intervals over them."
    made = table(f"Quartiles of {column.title}", caption, quartiles, columns)
    caption = f"{READING} Beside it, the share of the images fooled with at most a value. {BANDS}"
    drawn = Charts(f"Distribution of {column.title}", caption, [*charts(found, column)])
    notes = ("The paper shows DISTS, and LPIPS in its supplement: judge=dists and judge=lpips.",)
    return page(records, "How are distances distributed?", "Figure 3.3", [made, drawn], notes)


@recipe(describe=_figure_3_3)
def hua_figure_3_3(
    bench: Bench,
    *,
    metric: str = COST,
    judge: str | None = None,
    steps: int = 100,
    colour_steps: int = 1000,
    bound_steps: int = 40,
) -> pa.Table:
    """Box plots and distribution functions of DISTS, or of another judge (Hua et al., Figure 3.3)."""
    judge = judge or (_PAPERS if at_hand(_PAPERS) else "mad")
    wanted = metric_of(judge)
    if min(bench.shape[1:]) < wanted.least_side:
        raise UsageError(f"{judge} needs images with sides of {wanted.least_side} pixels or more")
    key = wanted.column.key
    ran = judged(bench, attacked(bench, metric, steps, colour_steps, bound_steps), [judge])
    rows = [row for each in ran if optimised(each, metric) != key for row in _values(each, key)]
    return made_of(ran, rows, metric, metric=asdict(metrics_of(ran[0].records)[key]))


def _values(ran: Ran, key: str) -> Iterator[Row]:
    """The value of each image that is fooled."""
    of = ran.records.filter((pc.field("attack") == ran.labels[0]) & RIGHT & pc.field("success"))
    for image_id, value in zip(of["id"].to_pylist(), of[key].to_pylist(), strict=True):
        yield ran.row(statistic="value", metric=key, id=image_id, value=value)


def _figure_3_5(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    tables, strengths, confidences = [], [], []
    for name, of in rows.by("defense"):
        title, axis, values, _ = DEFENSES[name]
        columns = {
            f"{axis} {value}": one("share", count=value == values[0], at=float(value)) for value in values
        }
        tables.append(table(title, _COUNTED, of, columns))
        strengths.append(Chart(title, axis, "fooled", lines(of), y_range=(0, 1), percent=True))
        ours = Rows(
            {**of.one(attack=attack, at=float(value)), "attack": f"{axis} {value}", "at": float(confidence)}
            for value in values
            for attack, confidence in zip(OURS, CONFIDENCES, strict=True)
        )
        confidences.append(Chart(title, "confidence a", "fooled", lines(ours), y_range=(0, 1), percent=True))
    blocks = [
        *tables,
        Charts("Success over the strength of a defence", f"{_COUNTED} Bands: these intervals.", strengths),
        Charts("Success of the paper's attack over its confidence", "A line for each strength.", confidences),
    ]
    notes = (
        "The paper names no strengths; these are those of PerC_AL's program, whose bit depth has 2^bits + 1 "
        "levels.",
    )
    return page(records, "Which attack survives defences?", "Figure 3.5", blocks, notes)


_COUNTED = (
    "The share of the images that the model has right without defence and attack that it classifies "
    "otherwise behind the defence, with Wilson's 95 % intervals. "
    f"{NO_ATTACK.capitalize()}: what the defence alone does."
)


@recipe(describe=_figure_3_5)
def hua_figure_3_5(
    bench: Bench,
    *,
    metric: str = COST,
    steps: int = 100,
    colour_steps: int = 1000,
    bound_steps: int = 40,
) -> pa.Table:
    """Success after JPEG and bit-depth reduction, over their strengths (Hua et al., Figure 3.5)."""
    ran = attacked(bench, metric, steps, colour_steps, bound_steps)
    specs = tuple(
        write_spec(name, [(parameter, tuple(map(value_text, values))), *more])
        for name, (_, parameter, values, more) in DEFENSES.items()
    )
    stored = bench.stored(
        ran[0].run, write_spec("defenses", [("defense", specs), ("of", "right")]), "defences"
    )
    found = zip(DEFENSES, rates_of(stored).values(), strict=True)
    rows = [row for name, rates in found for row in _behind(ran, name, rates)]
    return made_of(ran, rows, metric)


def _behind(ran: Sequence[Ran], name: str, rates: Mapping[tuple[str, str], Strengths]) -> Iterator[Row]:
    """A row for each attack and strength, and of no attack."""
    named = {each.labels[0]: each for each in ran} | {NO_ATTACK: ran[0]}
    right = len(ran[0].records.filter(RIGHT)["id"].unique())
    for (label, _), strengths in rates.items():
        own = {"attack": NO_ATTACK, "spec": ""} if label == NO_ATTACK else {}
        # The run may hold attacks of other recipes, or with other steps.
        for at, rate in strengths.items() if label in named else ():
            row = {"statistic": "success", "defense": name, "at": at, **own, **asdict(rate), "images": right}
            yield named[label].row(**row)

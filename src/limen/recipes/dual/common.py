"""What the recipes of this paper share: several classifiers on the same images, and budgets for any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from limen import analysis
from limen.document import Block, Document
from limen.recipes import blocks as of_any
from limen.recipes.bench import RIGHT, Bench, Ran, Row, facts
from limen.recipes.blocks import Rows
from limen.recipes.entries import Entry
from limen.recipes.recipe import records
from limen.spec import value_text, write_spec

EPS_FOREGROUND, EPS_BACKGROUND = 2.0, 20.0
"""The paper's budgets in L2, of images of 224×224×3."""

LEVELS_FOREGROUND, LEVELS_BACKGROUND = 4, 20
"""Those in L∞, in levels of 8 bits."""

_VALUES = 224 * 224 * 3


@dataclass(frozen=True)
class BudgetRange:
    """An attack over the values of one of its parameters.

    Attributes:
        title: What the chart is called.
        name: The attack.
        parameter: The parameter that is varied.
        values: Its values, as the paper states them.
        fixed: The attack's other parameters.
        levels: Whether the values are levels of 8 bits; else they are L2 lengths for images of 224×224×3.
    """

    title: str
    name: str
    parameter: str
    values: Sequence[float]
    fixed: Sequence[tuple[str, object]]
    levels: bool = False

    def entry(self, bench: Bench) -> Entry:
        """The attack, with budgets for the bench's images."""
        texts = tuple(budget(bench, each, self.levels) for each in self.values)
        return Entry(self.title, write_spec(self.name, [(self.parameter, texts), *self.fixed]))


def budget(bench: Bench, value: float, levels: bool = False) -> str:
    """A budget of the paper as specs write it; in L2, of the same root mean square on these images."""
    if levels:
        return f"{value_text(float(value))}/255"
    channels, height, width = bench.shape
    return value_text(float(f"{value * (channels * height * width / _VALUES) ** 0.5:.4g}"))


def both_budgets(bench: Bench, levels: bool = False) -> list[tuple[str, str]]:
    """The paper's budgets of foreground and background, as parameters of the attack."""
    front, back = (LEVELS_FOREGROUND, LEVELS_BACKGROUND) if levels else (EPS_FOREGROUND, EPS_BACKGROUND)
    return [
        ("eps_foreground", budget(bench, front, levels)),
        ("eps_background", budget(bench, back, levels)),
    ]


def benches(bench: Bench, models: Sequence[str]) -> Iterator[tuple[str, Bench]]:
    """The bench of the model and of each other, by what pages call it."""
    for spec in dict.fromkeys((bench.model, *models)):
        yield spec, bench.of(spec)


def accuracy(
    ran: Ran, name: str, title: str, at: float, label: str, spent: pc.Expression | None = None
) -> Row:
    """The share of all images that a classifier still has right under an attack.

    Args:
        ran: What was run.
        name: What pages call the classifier.
        title: The range that it is of.
        at: Its place on the axis.
        label: The attack.
        spent: Which successes count; all, if None.
    """
    of = ran.records.filter(pc.field("attack") == label)
    fooled = pc.field("success") if spent is None else pc.field("success") & spent
    share = analysis.wilson(of.filter(RIGHT & ~fooled).num_rows, of.num_rows)
    columns = {"group": title, "attack": name, "statistic": "accuracy", "at": float(at), "spec": label}
    return ran.row(**columns, **asdict(share), images=of.num_rows)


def made_of(ran: Sequence[Ran], rows: Sequence[Row], mask: str) -> pa.Table:
    """Records with what every page of this paper says of how they were made."""
    told = facts(ran)
    if len({each.run.manifest.model.spec for each in ran}) > 1:
        # The rows name them.
        told.pop("Model")
    told["Images"] = f"{len(set(ran[0].records['id'].to_pylist()))} of {ran[0].run.manifest.data.count}"
    return records(rows, facts={**told, "Foreground": mask.replace(",", ", ")})


_NOTES = (
    "The paper trains ResNet-34 on ten classes of ImageNet, and finds the foreground by DeepGaze II. Here "
    "the classifiers are those that were given, and the foreground is found as stated above.",
    "L is the log-odds against the label, whose gradient does not fade where a model is sure; the paper's "
    "cross-entropy has it where the model is fooled. Accuracy counts all images, those wrong without an "
    "attack, too, as stored in 8 bits. Intervals are Wilson's, 95 %.",
)

SCALED = (
    "L2 budgets are the paper's, for images of 224×224×3. On images of another size those of the same root "
    "mean square are run; the records have them."
)

_ALONE = (
    "Only one classifier was given. Given further ones by model=SPEC, which may stand several times, such as "
    "one trained against PGD and one against dual perturbations, they stand beside it."
)


def alone(rows: Rows) -> tuple[str, ...]:
    """The note for a page with a single classifier; none where several stand there."""
    return (_ALONE,) if len({row["attack"] for row in rows}) == 1 else ()


def page(
    table: pa.Table, title: str, number: str, blocks: Sequence[Block], more: Sequence[str] = ()
) -> Document:
    """A page of this paper: what differs in one recipe stands before what does in all alike."""
    source = f"Tong et al., Towards robustness against unsuspicious adversarial examples, {number}"
    return of_any.page(table, title, source, blocks, (*more, *_NOTES))

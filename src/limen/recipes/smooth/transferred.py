"""What is left of attacks before a classifier that they did not see: Table 3 and Figure 7 of the paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from limen import catalog
from limen.classifier import Classifier
from limen.data import Dataset
from limen.defenses import Defended, bilateral
from limen.document import Cell, Charts, Document, Group, Table, percent
from limen.evaluation import transfer
from limen.recipes.recipe import Reproduction, Request, Showing, first_shape, kind_of
from limen.recipes.smooth.bench import Smooth, cell, columns, facts, notes, run
from limen.recipes.smooth.characteristics import CAPTION, METRICS, charts, of_distances, points
from limen.recipes.smooth.comparison import (
    DATA_SETS,
    FILTER,
    IN_THE_PAPER,
    LENGTH,
    PAPER,
    ROBUST,
    TABLE_3,
    WITHIN,
    Entry,
    Groups,
    Printed,
    at_length,
    at_one_budget,
    without_budgets,
)
from limen.runs import Measured, Outcomes, characteristic, figures, outcomes

STATED = "At the budget that the paper states"
SAME_LENGTH = f"At the whole step of 8 bits whose L2, but for clipping, is nearest {LENGTH:g}"

_NOTES = (
    "Those images count that the attacked model and the other both classify correctly without an attack. "
    "An attack that failed leaves the image as it was, so it fails here, too; the paper's within a budget "
    "would perturb it.",
    "The filter is the paper's: standard deviations 0.5 in the domain and 0.2 in the range, on 11×11 pixels.",
)
_LENGTHS = (
    "The paper states budgets of 0.1255 in L∞ for FGSM and I-FGSM, which is an L2 of 65 at 299×299, but "
    f"prints a mean L2 of 5.13 and 5.12 for them: a budget of {LENGTH:g} in L2, as that of PGD2. Both stand "
    "here. For the network trained against attacks it prints an L2 of about 10."
)
_NO_ROBUST = (
    "The paper's second column, an InceptionV3 trained against attacks, is missing: it needs such a "
    "network. Given one for the same classes by --robust, the recipe shows it the images as well."
)


@dataclass(frozen=True)
class Shown:
    """The images of a run before classifiers that were not attacked.

    Attributes:
        smooth: The run.
        variants: By name, the records that the run would have if this classifier had seen them.
    """

    smooth: Smooth
    variants: Mapping[str, pa.Table]

    def outcomes(self, variant: str, entry: Entry) -> Outcomes:
        """What an attack's images are to a classifier."""
        return outcomes(
            self.variants[variant], entry.labels(self.smooth.budgets), self.smooth.run.manifest.metrics
        )


def table_3(request: Request, showing: Showing) -> Reproduction:
    """Success and distortion under transfer, at one budget an attack."""
    dataset = catalog.data(request.data)
    kind = kind_of(request, dataset)
    values = math.prod(first_shape(dataset))
    groups = {STATED: at_one_budget(kind, request), SAME_LENGTH: at_length(request, values)}
    shown = _show(request, dataset, groups, showing)
    more = (*_NOTES, _LENGTHS) if request.robust else (*_NOTES, _LENGTHS, _NO_ROBUST)
    sheet = Document(
        f"Do perturbations transfer? {DATA_SETS[kind]}",
        f"{PAPER} Table 3",
        facts(shown.smooth, request),
        [_table(kind, shown), notes(shown.smooth, request, *more)],
    )
    return Reproduction(sheet, list(_records(kind, shown)))


def figure_7(request: Request, showing: Showing) -> Reproduction:
    """Operating characteristics of C&W and sC&W before the other classifiers."""
    dataset = catalog.data(request.data)
    kind = kind_of(request, dataset)
    groups = without_budgets(kind, request)
    shown = _show(request, dataset, groups, showing)
    curves = {
        (setting, variant): of_distances({each.title: shown.outcomes(variant, each) for each in group})
        for setting, group in groups.items()
        for variant in shown.variants
    }
    blocks = [
        Charts(f"{variant}: {setting.lower()}", CAPTION, charts(of))
        for (setting, variant), of in curves.items()
    ]
    sheet = Document(
        f"Success against distortion under transfer, {DATA_SETS[kind]}",
        f"{PAPER} Figure 7",
        facts(shown.smooth, request),
        [*blocks, _within(kind, shown), notes(shown.smooth, request, *_NOTES)],
    )
    records = [
        {"setting": setting, "classifier": variant, **row}
        for (setting, variant), of in curves.items()
        for row in points(of)
    ]
    return Reproduction(sheet, records)


def _show(request: Request, dataset: Dataset, groups: Groups, showing: Showing) -> Shown:
    smooth = run(request, dataset, groups, showing)
    classifiers: dict[str, Classifier] = {FILTER: Defended(smooth.classifier, bilateral)}
    if request.robust is not None:
        classifiers[ROBUST] = catalog.model(request.robust, request.device)
    labels = dict.fromkeys(
        label for group in groups.values() for each in group for label in each.labels(request.budgets)
    )
    variants = {}
    for name, classifier in classifiers.items():
        with showing([f"{name.lower()}, {label}" for label in labels]) as progress:
            variants[name] = transfer(
                smooth.run,
                classifier,
                list(labels),
                metrics=METRICS,
                batch_size=request.batch_size,
                limit=request.limit,
                progress=lambda label, done, total, name=name, tell=progress: tell(
                    f"{name.lower()}, {label}", done, total
                ),
            )
    return Shown(smooth, variants)


def _table(kind: str, shown: Shown) -> Table:
    groups = [
        Group(setting, [_row(kind, shown, each) for each in group])
        for setting, group in shown.smooth.groups.items()
    ]
    of_each = ("paper", "success", "mean L2")
    return Table(
        "Success probability and distortion under transfer",
        "The attacks see the model alone. Of the images that both classify correctly, the share that fools "
        "the other classifier, and the mean L2 of these, with 95 % bootstrap intervals over images; before "
        "them the success on the model itself.",
        ("Attack", "White box", *(f"{name}, {what}" for name in shown.variants for what in of_each)),
        groups,
    )


def _row(kind: str, shown: Shown, entry: Entry) -> list[Cell]:
    row = [
        Cell(entry.title, entry.shown()),
        cell(figures(shown.smooth.outcomes(entry), draws=0).success, percent),
    ]
    for variant in shown.variants:
        found, printed = figures(shown.outcomes(variant, entry)), _printed(kind, variant, entry)
        row += [
            Cell("–") if printed is None else Cell(percent(printed.success), f"L2 {printed.mean:.2f}"),
            cell(found.success, percent),
            cell(found.mean),
        ]
    return row


def _printed(kind: str, variant: str, entry: Entry) -> Printed | None:
    return TABLE_3[variant][entry.title] if kind == "imagenet" else None


def _within(kind: str, shown: Shown) -> Table:
    groups = []
    for setting, group in shown.smooth.groups.items():
        rows = []
        for each in group:
            found = characteristic(shown.outcomes(FILTER, each))
            share = found.at(np.array([LENGTH]))
            (low,), (high,) = found.band(share)
            beside = percent(WITHIN[each.title]) if kind == "imagenet" and setting == IN_THE_PAPER else "–"
            measured = Measured(float(share[0]), float(low), float(high))
            rows.append([Cell(each.title, each.shown()), Cell(beside), cell(measured, percent)])
        groups.append(Group(setting, rows))
    return Table(
        f"Success within an L2 of {LENGTH:g} behind the bilateral filter",
        "The height of each line there, with its 95 % bootstrap interval.",
        ("Attack", "Paper, InceptionV3", "Success"),
        groups,
    )


def _records(kind: str, shown: Shown) -> Iterator[dict[str, object]]:
    for setting, group in shown.smooth.groups.items():
        for each in group:
            for variant in shown.variants:
                found, printed = figures(shown.outcomes(variant, each)), _printed(kind, variant, each)
                yield {
                    "setting": setting,
                    "attack": each.title,
                    "spec": each.spec(shown.smooth.budgets),
                    "classifier": variant,
                    "images": found.images,
                    **columns("success", found.success),
                    **columns("mean_l2", found.mean),
                    "paper_success": None if printed is None else printed.success,
                    "paper_mean_l2": None if printed is None else printed.mean,
                }

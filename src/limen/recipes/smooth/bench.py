"""The run that all recipes of this paper share, and how its figures are written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from limen import catalog
from limen.data import Dataset
from limen.document import Cell, Notes, number
from limen.recipes.recipe import Bench, Request, Showing, attacked, settings
from limen.recipes.smooth.comparison import CLIMBS, STEPS, Entry, Groups
from limen.runs import Measured, Outcomes, outcomes

FOLDER = "smooth"
"""The run's folder."""

_CAPPED = (
    "Steps or climbs were capped to save time. At the paper's learning rate C&W and sC&W come back from far "
    "away, so with few steps they end where they have not yet come near."
)
_NO_STALL = (
    "The paper's program ends a climb whose loss has stopped falling. Here all climbs at its settings take "
    "all their steps: the first of these overshoot, the loss rises above where it began, and taken for "
    "stalled sC&W would stop there, with several times the distortion."
)


@dataclass(frozen=True)
class Smooth(Bench):
    """The finished run, with the attacks of a recipe.

    Attributes:
        groups: These attacks.
        budgets: How many budgets an attack has.
    """

    groups: Groups
    budgets: int

    def outcomes(self, entry: Entry) -> Outcomes:
        """What the attack did to each image, at the best of its budgets."""
        return outcomes(self.records, entry.labels(self.budgets), self.run.manifest.metrics)


def run(request: Request, dataset: Dataset, groups: Groups, showing: Showing) -> Smooth:
    """Do what is left of the run over these attacks."""
    classifier = catalog.model(request.model, request.device)
    specs = dict.fromkeys(each.spec(request.budgets) for group in groups.values() for each in group)
    bench = attacked(request, classifier, dataset, list(specs), FOLDER, showing)
    return Smooth(bench.run, bench.records, bench.classifier, groups, request.budgets)


def cell(measured: Measured, written: Callable[[float], str] = number) -> Cell:
    """A figure with its interval below it."""
    if math.isnan(measured.value):
        return Cell("–")
    return Cell(written(measured.value), f"{written(measured.low)} to {written(measured.high)}")


def columns(name: str, measured: Measured) -> dict[str, float]:
    """A figure and the ends of its interval, for other programs."""
    return {name: measured.value, f"{name}_low": measured.low, f"{name}_high": measured.high}


def facts(smooth: Smooth, request: Request) -> tuple[tuple[str, str], ...]:
    """What the page says of how it was made."""
    steps, climbs = request.steps or STEPS, request.search_steps or CLIMBS
    searched = f"{min(climbs, CLIMBS)} climbs of {min(steps, STEPS)} steps; {CLIMBS} of {STEPS} in the paper"
    budgeted = any(each.budgets for group in smooth.groups.values() for each in group)
    return (
        *settings(request, smooth),
        *((("Budgets", f"up to {smooth.budgets} an attack that has one"),) if budgeted else ()),
        ("C&W, sC&W", searched),
    )


def notes(smooth: Smooth, request: Request, *more: str) -> Notes:
    """What differs from the paper: in all recipes alike, and then in one."""
    manifest = smooth.run.manifest
    return Notes(
        "What differs from the paper",
        (
            f"The model is {manifest.model.spec} and the images are {manifest.data.spec}; the paper "
            "measures a network of its own, C4, on MNIST, and InceptionV3 and ResNetV2-50 on the 1000 "
            "images of NIPS 2017.",
            "Success and distortion are those of the stored 8-bit image.",
            _NO_STALL,
            *((_CAPPED,) if request.steps or request.search_steps else ()),
            "The paper says a Laplacian kernel smooths on both data sets; a Gaussian one, exp(−300Δ²), "
            "does on ImageNet here, as in its program. How many steps it gives to I-FGSM and PGD2 the "
            "paper does not say.",
            "On MNIST, MAD says next to nothing: it is 0 where a change is masked, and bright strokes "
            "beside black mask all. The paper has it on ImageNet alone.",
            *more,
        ),
    )

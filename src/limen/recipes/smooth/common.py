"""What the recipes of this paper share: their run, their records, and what their pages say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from limen.document import Block, Document
from limen.recipes import blocks as of_any
from limen.recipes.bench import DATA_SETS, Bench, Ran, Row, facts
from limen.recipes.recipe import about, records
from limen.recipes.smooth.rivals import CLIMBS, FILTER, ROBUST, STEPS, Setup
from limen.spec import write_spec

FOLDER = "smooth"
"""The run that all recipes of this paper share."""

METRICS = ("l2", "mad", "ssim")
"""What distortion is measured by."""

TRANSFER = (
    "Those images count that the attacked model and the other both classify correctly without an attack. "
    "An attack that failed leaves the image as it was, so it fails here, too; the paper's within a budget "
    "would perturb it.",
    "The filter is the paper's: standard deviations 0.5 in the domain and 0.2 in the range, on 11×11 pixels.",
)


def made_of(ran: Sequence[Ran], rows: Iterable[Row], setup: Setup, budgets: int = 0) -> pa.Table:
    """Records with what every page of this paper says of how they were made."""
    of_budgets = {"Budgets": f"up to {budgets} per attack that has one"} if budgets else {}
    searched = f"{setup.search_steps} climbs of {setup.steps} steps; {CLIMBS} of {STEPS} in the paper"
    return records(rows, facts={**facts(ran), **of_budgets, "C&W, sC&W": searched}, kind=setup.kind)


def page(
    records: pa.Table, title: str, number: str, blocks: Sequence[Block], more: Sequence[str] = ()
) -> Document:
    """A page of this paper: what differs in all recipes alike stands before what does in one."""
    notes = (
        "The paper measures a network of its own, C4, on MNIST, and InceptionV3 and ResNetV2-50 on the 1000 "
        "images of NIPS 2017.",
        "Success and distortion are those of the stored 8-bit image.",
        "The paper's program ends a climb whose loss has stopped falling. Here all climbs at its settings "
        "take all their steps: the first of these overshoot, the loss rises above where it began, and taken "
        "for stalled sC&W would stop there, with several times the distortion.",
        "At the paper's learning rate C&W and sC&W come back from far away: with far fewer steps or climbs "
        "than the paper's they end where they have not yet come near.",
        "The paper says a Laplacian kernel smooths on both data sets; a Gaussian one, exp(−300Δ²), "
        "does on ImageNet here, as in its program. How many steps it gives to I-FGSM and PGD2 the "
        "paper does not say.",
        "On MNIST, MAD says next to nothing: it is 0 where a change is masked, and bright strokes "
        "beside black mask all. The paper has it on ImageNet alone.",
        *more,
    )
    source = f"Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, {number}"
    return of_any.page(records, f"{title}{DATA_SETS[about(records)['kind']]}", source, blocks, notes)


def seen_by(bench: Bench, ran: Sequence[Ran], robust: str | None) -> dict[str, pa.Table]:
    """By name, the records that the run would have if another classifier had seen its images."""
    specs = {FILTER: "transfer:defense=bilateral"}
    if robust is not None:
        specs[ROBUST] = write_spec("transfer", [("model", robust)])
    return {name: bench.evaluated(ran[0].run, spec, name.lower()) for name, spec in specs.items()}

"""What the recipes of this paper share: their run, their rows, and what their pages say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from limen.analysis import Measured
from limen.document import Block, Document
from limen.evaluation import EVALUATIONS, evaluate
from limen.recipes import blocks as of_any
from limen.recipes.bench import Bench, Kind, Ran, facts
from limen.recipes.records import Row, about, records
from limen.recipes.smooth.rivals import CLIMBS, DATA_SETS, FILTER, ROBUST, STEPS, Caps
from limen.spec import write_spec

FOLDER = "smooth"
"""The run that all recipes of this paper share."""

METRICS = ("l2", "mad", "ssim")
"""What distortion is measured by."""

Count = int | None
Like = Kind | None
Spec = str | None

TRANSFER = (
    "Those images count that the attacked model and the other both classify correctly without an attack. "
    "An attack that failed leaves the image as it was, so it fails here, too; the paper's within a budget "
    "would perturb it.",
    "The filter is the paper's: standard deviations 0.5 in the domain and 0.2 in the range, on 11×11 pixels.",
)
_CAPPED = (
    "Steps or climbs were capped to save time. At the paper's learning rate C&W and sC&W come back from far "
    "away, so with few steps they end where they have not yet come near."
)


def made_of(ran: Sequence[Ran], rows: Iterable[Row], kind: Kind, caps: Caps, budgets: int = 0) -> pa.Table:
    """Records with what every page of this paper says of how they were made."""
    of_budgets = {"Budgets": f"up to {budgets} an attack that has one"} if budgets else {}
    searched = f"{caps.climbs} climbs of {caps.of(STEPS)} steps; {CLIMBS} of {STEPS} in the paper"
    said = {**facts(ran), **of_budgets, "C&W, sC&W": searched}
    return records(rows, facts=said, kind=kind, capped=caps != Caps())


def page(
    records: pa.Table, title: str, number: str, blocks: Sequence[Block], more: Sequence[str] = ()
) -> Document:
    """A page of this paper: what differs in all recipes alike stands before what does in one."""
    said = about(records)
    notes = (
        f"The model is {said['facts']['Model']} and the images are {said['facts']['Data']}; the paper "
        "measures a network of its own, C4, on MNIST, and InceptionV3 and ResNetV2-50 on the 1000 "
        "images of NIPS 2017.",
        "Success and distortion are those of the stored 8-bit image.",
        "The paper's program ends a climb whose loss has stopped falling. Here all climbs at its settings "
        "take all their steps: the first of these overshoot, the loss rises above where it began, and taken "
        "for stalled sC&W would stop there, with several times the distortion.",
        *((_CAPPED,) if said["capped"] else ()),
        "The paper says a Laplacian kernel smooths on both data sets; a Gaussian one, exp(−300Δ²), "
        "does on ImageNet here, as in its program. How many steps it gives to I-FGSM and PGD2 the "
        "paper does not say.",
        "On MNIST, MAD says next to nothing: it is 0 where a change is masked, and bright strokes "
        "beside black mask all. The paper has it on ImageNet alone.",
        *more,
    )
    source = f"Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, {number}"
    return of_any.page(records, f"{title}{DATA_SETS[said['kind']]}", source, blocks, notes)


def row_of(found: Measured, *words: str | None, ran: Ran, **more: object) -> Row:
    """A figure of an attack, named by classifier, statistic and metric, with what the paper prints for it."""
    names = dict(zip(("classifier", "statistic", "metric"), words, strict=True))
    value = {"value": found.value, "low": found.low, "high": found.high}
    return {**ran.columns, **names, **more, **value, **ran.entry.paper(*words)}


def seen_by(bench: Bench, ran: Sequence[Ran], robust: str | None) -> dict[str, pa.Table]:
    """By name, the records that the run would have if another classifier had seen its images."""
    specs = {FILTER: "transfer:defense=bilateral"}
    if robust is not None:
        specs[ROBUST] = write_spec("transfer", [("model", robust)])
    seen = {}
    for name, spec in specs.items():
        with bench.showing([f"{name.lower()}, {label}" for label in ran[0].run.manifest.labels]) as progress:
            stored = evaluate(
                ran[0].run,
                EVALUATIONS.make(spec),
                classifier=bench.classifier,
                device=bench.device,
                batch_size=bench.batch_size,
                limit=bench.limit,
                progress=lambda label, done, total, name=name, tell=progress: tell(
                    f"{name.lower()}, {label}", done, total
                ),
            )
        seen[name] = stored.records()
    return seen

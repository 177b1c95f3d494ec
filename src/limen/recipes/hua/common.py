"""What the recipes of this paper share: its attacks, who judges them, and what pages say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from limen.catalog import metric as metric_of
from limen.document import Block, Document
from limen.metrics import METRICS
from limen.recipes import blocks as of_any
from limen.recipes.bench import Bench, Ran, Row, facts
from limen.recipes.entries import Entry, beside
from limen.recipes.recipe import records
from limen.runs import MetricColumn, metrics_of
from limen.spec import write_spec
from limen.weights import files_of, located

PERC_AL, PGD, PPGD, LPA = "PerC_AL", "PGD (L2)", "NPTM (PPGD)", "NPTM (LPA)"
CONFIDENCES = (0, 1, 5)
OURS = tuple(f"Ours (a = {confidence})" for confidence in CONFIDENCES)
ATTACKS = (PERC_AL, PGD, PPGD, LPA, *OURS)
"""All attacks, in the order of the tables."""

FOLDER = "hua-attacks"
"""The run that all recipes of this paper but the first figure share."""

COST = "ssim"
"""The metric that its attack keeps low here, where the paper has PieAPP."""

LENGTHS = ("l1", "l2", "linf")
LEARNED = ("lpips", "dists", "pieapp")
"""Judges that need weights: the paper's two, and the metric that its attack keeps low."""

JUDGES = ("ssim", "ms_ssim", "fsim", "ciede2000", "mad", "noticed")
"""Judges that need none, beyond the paper's."""


def attacked(
    bench: Bench,
    cost: str,
    steps: int,
    colour_steps: int,
    bound_steps: int,
    printed: Mapping[str, Sequence[float]] | None = None,
) -> list[Ran]:
    """The run of all attacks, with what the paper prints of them.

    Args:
        bench: What to measure on.
        cost: Spec of the metric that the paper's attack keeps low.
        steps: How many steps that attack and PGD have.
        colour_steps: How many PerC_AL has.
        bound_steps: How many NPTM's attacks have, the second in each of its five rounds.
        printed: By the name of a figure, its values in the order of `ATTACKS`.
    """
    ours = [("metric", cost), ("steps", steps), ("validate", "truncate")]
    specs = (
        write_spec("perc_al", [("steps", colour_steps)]),
        write_spec("perceptual_gradient", [*ours, ("weight", 0)]),
        write_spec("ppgd", [("steps", bound_steps)]),
        write_spec("lpa", [("steps", bound_steps)]),
        *(write_spec("perceptual_gradient", [*ours, ("confidence", each)]) for each in CONFIDENCES),
    )
    entries = beside(map(Entry, ATTACKS, specs), {"paper": printed or {}})
    return bench.attacked(FOLDER, {"": entries})


def at_hand(metric: str) -> bool:
    """Whether a metric's weights lie where they are looked for, so that nothing need be downloaded."""
    return all(located(file) is not None for file in files_of(metric))


def judges(further: Sequence[str]) -> tuple[str, ...]:
    """Specs of the metrics that judge: those without weights, those whose weights are at hand, and others."""
    return tuple(dict.fromkeys((*LENGTHS, *filter(at_hand, LEARNED), *JUDGES, *further)))


def judged(bench: Bench, ran: Sequence[Ran], metrics: Sequence[str]) -> list[Ran]:
    """What was run, with a column in its records for each of these metrics that takes images of the size.

    What the run has not measured is measured on its stored images, and kept there.
    """
    smallest = min(bench.shape[1:])
    fitting = [spec for spec in metrics if metric_of(spec).least_side <= smallest]
    found = bench.evaluated(ran[0].run, write_spec("distribution", [("metric", tuple(fitting))]), "distances")
    return [replace(each, records=_joined(each.records, found)) for each in ran]


def _joined(table: pa.Table, found: pa.Table) -> pa.Table:
    """Records of a run with the metrics that an evaluation has and they have not."""
    pairs = list(zip(table["attack"].to_pylist(), table["id"].to_pylist(), strict=True))
    measured = list(zip(found["attack"].to_pylist(), found["id"].to_pylist(), strict=True))
    for key in metrics_of(found).keys() - metrics_of(table).keys():
        values = dict(zip(measured, found[key].to_pylist(), strict=True))
        column = pa.array([values.get(pair) for pair in pairs], pa.float64())
        table = table.append_column(found.schema.field(key), column)
    return table


def optimised(ran: Ran, cost: str) -> str:
    """The key of the metric that an attack keeps low, which must not judge it; empty for none."""
    if ran.entry.title in OURS:
        return metric_of(cost).column.key
    return "ciede2000" if ran.entry.title == PERC_AL else ""


def plain(rows: Iterable[Row], columns: Mapping[str, MetricColumn]) -> Iterator[Row]:
    """The rows as axes have them: 1 − SSIM in place of SSIM."""
    for row in rows:
        column = columns.get(row.get("metric") or "")
        if column is not None and column.complement:
            value, low, high = (
                None if row.get(end) is None else 1 - row[end] for end in ("value", "high", "low")
            )
            row = {**row, "value": value, "low": low, "high": high}
        yield row


def made_of(
    ran: Sequence[Ran], rows: Iterable[Row], cost: str, told: Mapping[str, str] | None = None, **said: object
) -> pa.Table:
    """Records with what every page of this paper says of how they were made.

    Args:
        ran: What was run.
        rows: The rows.
        cost: Spec of the metric that the paper's attack keeps low.
        told: What this page says of it, too.
        **said: What else its page needs.
    """
    missing = [METRICS[name].column.title for name in LEARNED if not at_hand(name)]
    facts_told = {**facts(ran), "Kept low": metric_of(cost).column.title, **(told or {})}
    if missing:
        facts_told["Not at hand"] = f"weights of {', '.join(missing)}; see limen weights list"
    return records(rows, facts=facts_told, **said)


_NOTES = (
    "The paper attacks ResNet-50 on the 1000 images of the NIPS 2017 development set at 299×299. Images "
    "count that the model has right without an attack; distances are means over those that it is fooled on. "
    "Whether the paper counts failures in its means it does not say.",
    "Success is that of the stored 8-bit image. The paper's L1, L2 and L∞ are of values in [0, 1]; L1 grows "
    "with the number of values and L2 with its root, by 1.78 and 1.33 from 224×224 to 299×299.",
    "The paper's attack and PGD follow the normalised gradient, and each iterate is cut to 8 bits: of the "
    "readings of its text, that alone gives the distances that it prints. Its λ is 1 for PieAPP; here the "
    "metric's gradient has half the length of the loss's at each step.",
    "PerC_AL keeps CIEDE2000 low. PPGD and LPA keep a bound of 0.5 on the distance of the model's own "
    "features; which bound and whose features the paper has it does not print.",
)


def page(
    table: pa.Table,
    title: str,
    number: str,
    blocks: Sequence[Block],
    more: Sequence[str] = (),
    common: Sequence[str] = _NOTES,
) -> Document:
    """A page of this paper: what differs in one recipe stands before what does in all alike."""
    source = f"Hua et al., Human imperceptible attacks and applications to improve fairness, {number}"
    return of_any.page(table, title, source, blocks, (*more, *common))

"""How accuracy falls with budgets: Figure 4 in L2, and Figure 5 in L∞ and by JSMA."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from limen.document import Chart, Charts, Document
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Rows, lines
from limen.recipes.dual.common import (
    EPS_BACKGROUND,
    EPS_FOREGROUND,
    LEVELS_BACKGROUND,
    LEVELS_FOREGROUND,
    SCALED,
    BudgetRange,
    accuracy,
    alone,
    benches,
    both_budgets,
    made_of,
    page,
)
from limen.recipes.entries import Entry
from limen.recipes.recipe import recipe

FRONTS, BACKS, PLAIN = "Foreground", "Background", "PGD"
JSMA = "JSMA"

SHARES = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""The shares of an image's values that JSMA may change."""

_JSMA_STEPS = 2000
"""JSMA changes a value a step: where more are needed for the greatest share, it is left out."""

_NEVER = pc.scalar(False)
"""Of which successes count without an attack: none."""


def _ranges(bench: Bench, norm: str, steps: int, restarts: int, mask: str) -> list[BudgetRange]:
    """Both budgets of the dual attack, and PGD's, in one norm."""
    levels = norm == "linf"
    if levels:
        fronts, backs, plain = (0, 2, 4, 6, 8, 10), (4, 10, 20, 30, 40), (1, 2, 4, 6, 8)
    else:
        fronts, backs, plain = (0, 1, 2, 3, 4, 5), (2, 5, 10, 20, 30), (1, 2, 3, 4, 5)
    front, back = both_budgets(bench, levels)
    fixed = [("steps", steps), ("restarts", restarts)]
    more = [("norm", norm), ("mask", mask), *fixed]
    dual = [
        BudgetRange(FRONTS, "dual_perturbation", "eps_foreground", fronts, [back, *more], levels),
        BudgetRange(BACKS, "dual_perturbation", "eps_background", backs, [front, *more], levels),
    ]
    pgd = BudgetRange(PLAIN, f"pgd_{norm}", "eps", plain, [*fixed, ("random_start", True)], levels)
    # In the order of each figure.
    return [pgd, *dual] if levels else [*dual, pgd]


def _measured(
    bench: Bench, folder: str, ranges: Sequence[BudgetRange], jsma: int, model: Sequence[str]
) -> tuple[list[Ran], list[Row]]:
    """Every classifier under every range, and under JSMA if it may change any values."""
    entries = [each.entry(bench) for each in ranges]
    entries += [Entry(JSMA, f"jsma:eps={jsma}")] if jsma else []
    all_ran, rows = [], []
    for name, of in benches(bench, model):
        ran = of.attacked(folder, {"": entries})
        for span, each in zip(ranges, ran[: len(ranges)], strict=True):
            if span.title == PLAIN:
                rows += [accuracy(each, name, PLAIN, 0, each.labels[0], _NEVER)]
            rows += [
                accuracy(each, name, span.title, at, label)
                for at, label in zip(span.values, each.labels, strict=True)
            ]
        rows += [row for each in ran[len(ranges) :] for row in _by_share(each, name, jsma)]
        all_ran += ran
    return all_ran, rows


def allowed(share: float, most: int) -> int:
    """How many values may change at a share, where `most` may at the greatest of `SHARES`.

    Example:
        >>> allowed(0.1, 43), allowed(0.05, 43)
        (43, 21)
    """
    # 43 · 0.1 / 0.1 is a little less than 43.
    return int(round(most * share / SHARES[-1], 6))


def _by_share(ran: Ran, name: str, most: int) -> Iterator[Row]:
    """JSMA stops where it fools, so that its longest run holds the accuracy at each lesser share."""
    yield accuracy(ran, name, JSMA, 0, ran.labels[0], _NEVER)
    for share in SHARES:
        yield accuracy(ran, name, JSMA, share, ran.labels[0], pc.field("l0") <= allowed(share, most))


def _charts(rows: Rows, axes: dict[str, str], title: str, caption: str) -> Charts:
    charts = [
        Chart(name, axes[name], "accuracy", lines(of), y_range=(0, 1), percent=True)
        for name, of in rows.by("group")
    ]
    return Charts(title, caption, charts)


def _figure_4(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    caption = (
        "The share of all images that each classifier has right under attack. Foreground: over ε_F, with "
        f"ε_B = {EPS_BACKGROUND:g}. Background: over ε_B, with ε_F = {EPS_FOREGROUND:g}. PGD: over one "
        "budget for all of the image; at 0, without an attack. Bands: Wilson's 95 % intervals."
    )
    axes = {FRONTS: "ε_F", BACKS: "ε_B", PLAIN: "ε"}
    made = _charts(rows, axes, "Accuracy under attacks in L2", caption)
    return page(records, "Who withstands two budgets?", "Figure 4", [made], (SCALED, *alone(rows)))


@recipe(describe=_figure_4)
def dual_figure_4(
    bench: Bench,
    *,
    model: tuple[str, ...] = (),
    mask: str = "saliency",
    steps: int = 100,
    restarts: int = 1,
) -> pa.Table:
    """Accuracy of several classifiers under dual and PGD attacks in L2 (Tong et al., Figure 4)."""
    ranges = _ranges(bench, "l2", steps, restarts, mask)
    ran, rows = _measured(bench, "dual-l2", ranges, 0, model)
    return made_of(ran, rows, mask)


def _figure_5(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    caption = (
        "The share of all images that each classifier has right under attack. Foreground: over ε_F, with "
        f"ε_B = {LEVELS_BACKGROUND}/255. Background: over ε_B, with ε_F = {LEVELS_FOREGROUND}/255. PGD: over "
        "one budget for all of the image. JSMA: over the share of values that it may change. At 0, without "
        "an attack. Bands: Wilson's 95 % intervals."
    )
    axes = {FRONTS: "ε_F in levels", BACKS: "ε_B in levels", PLAIN: "ε in levels", JSMA: "share of values"}
    made = _charts(rows, axes, "Accuracy under attacks in L∞ and L0", caption)
    missing = not rows.where(group=JSMA)
    notes = (
        "JSMA changes one value of one channel a step; the paper counts pixels, and does not say how it "
        "changes them.",
        *((f"JSMA is left out: it would take more than {_JSMA_STEPS} steps an image.",) if missing else ()),
        *alone(rows),
    )
    return page(records, "Does the defence carry over to other norms?", "Figure 5", [made], notes)


@recipe(describe=_figure_5)
def dual_figure_5(
    bench: Bench,
    *,
    model: tuple[str, ...] = (),
    mask: str = "saliency",
    steps: int = 20,
    restarts: int = 1,
) -> pa.Table:
    """Accuracy of several classifiers under attacks in L∞ and L0 (Tong et al., Figure 5)."""
    ranges = _ranges(bench, "linf", steps, restarts, mask)
    values = round(SHARES[-1] * math.prod(bench.shape))
    ran, rows = _measured(bench, "dual-linf", ranges, values if values <= _JSMA_STEPS else 0, model)
    return made_of(ran, rows, mask)

"""The page of D_rob: what each outer step came to, and how samples look."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limen.data.robust import RobustManifest, RobustRow, read_rows
from limen.document import Block, Cell, Chart, Charts, Document, Group, Line, Picture, Pictures, Row, Table
from limen.training.curves import dual_cells, dual_chart

_SHOWN = 6
_NAMES = {"epochs": "outer steps"}


def describe_robust_set(folder: Path, manifest: RobustManifest) -> Document:
    """What was made, as a document.

    Args:
        folder: Where D_rob is.
        manifest: What it was made of; its steps are finished.

    Returns:
        A document with a row and a point of each outer step, how often samples are drawn, and some of them.
    """
    rows = read_rows(folder)
    settings = [
        ("model", manifest.model.spec),
        ("data", manifest.data.spec),
        ("attack", manifest.attack.label),
    ]
    settings += [("literal", str(manifest.literal)), ("clean share", f"{manifest.clean_share:g}")]
    settings += [
        (_NAMES.get(name, name.replace("_", " ")), value)
        for name, value in manifest.settings.items()
        if value not in ("None", "False", "()")
    ]
    if manifest.skipped:
        settings.append(("left out, as they cannot be read", str(len(manifest.skipped))))
    blocks: list[Block] = [_steps(manifest), _draws(rows), _charts(manifest), _pictures(folder, rows)]
    return Document("A robust data set", settings=settings, blocks=blocks)


def _steps(manifest: RobustManifest) -> Table:
    dual = any(step.dual is not None for step in manifest.steps)
    columns = ["step", "loss", "fooled", "seconds", *(["dual", "loss there", "cost there"] if dual else [])]
    rows = [
        [
            Cell(str(step.number)),
            Cell(value=step.loss),
            Cell(value=step.success, form="share"),
            Cell(value=step.seconds),
            *(dual_cells(step.dual) if dual else []),
        ]
        for step in manifest.steps
    ]
    caption = (
        "The loss is the mean over the samples drawn, before each step of the network. Fooled are the images "
        "that fooled the network that they were made for."
    )
    return Table("Outer steps", caption, columns, [Group("", rows)])


def _draws(rows: list[RobustRow]) -> Table:
    weights = np.array([row.weight for row in rows])
    steps = np.array([row.k for row in rows])
    depths = np.array([row.depth for row in rows])
    clean, made = steps == 0, [row.source for row in rows if row.k]
    left = 1 - len(set(made)) / clean.sum()
    lines = [
        ("samples", Cell(str(len(rows)))),
        ("clean samples", Cell(str(int(clean.sum())))),
        ("share of draws that are clean", Cell(value=weights[clean].sum() / weights.sum(), form="share")),
        (
            "share of draws from the last step",
            Cell(value=weights[steps == steps.max()].sum() / weights.sum(), form="share"),
        ),
        ("clean samples without an adversarial copy", Cell(value=left, form="share")),
        ("attacks behind a draw, on average", Cell(value=float((weights * depths).sum() / weights.sum()))),
        ("attacks behind a sample, at most", Cell(str(int(depths.max())))),
    ]
    caption = "Training draws samples in proportion to their weights, with replacement."
    cells = [[Cell(name), cell] for name, cell in lines]
    return Table("What is drawn", caption, ["", ""], [Group("", cells)])


def _charts(manifest: RobustManifest) -> Charts:
    numbers = [step.number for step in manifest.steps]
    loss = Line("drawn samples", numbers, [step.loss for step in manifest.steps])
    fooled = Line("adversarial images", numbers, [step.success for step in manifest.steps])
    charts = [
        Chart("Loss", "outer step", "mean loss", [loss]),
        Chart("Fooled", "outer step", "share", [fooled], y_range=(0, 1), percent=True),
        *dual_chart([(step.number, step.dual) for step in manifest.steps], "outer step"),
    ]
    return Charts("Along the steps", "", charts)


def _pictures(folder: Path, rows: list[RobustRow]) -> Pictures:
    made = [row for row in rows if row.k]
    chosen = [made[place] for place in np.linspace(0, len(made) - 1, min(_SHOWN, len(made))).astype(int)]
    clean = {row.id: row for row in rows if not row.k}
    shown = [
        Row(
            row.source,
            [
                Picture(clean[row.source].image(folder), "clean"),
                Picture(row.image(folder), f"step {row.k}", "fooled it" if row.success else "withstood"),
            ],
        )
        for row in chosen
    ]
    return Pictures("Samples", "Sources, and adversarial images that were made of them.", shown)

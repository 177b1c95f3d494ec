"""What the term for salience gives and costs: Figure 1 in pictures, Figure 3 in figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import estimate_means
from limen.document import Chart, Charts, Document
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Find, Rows, lines, one, table
from limen.recipes.dual.common import (
    EPS_BACKGROUND,
    EPS_FOREGROUND,
    LEVELS_BACKGROUND,
    LEVELS_FOREGROUND,
    SCALED,
    accuracy,
    alone,
    benches,
    both_budgets,
    made_of,
    page,
)
from limen.recipes.entries import Entry
from limen.recipes.pictures import figures, pictured, pictures
from limen.recipes.recipe import recipe
from limen.spec import value_text, write_spec

SALIENCES = (0.0, 0.1, 1.0, 10.0, 100.0)
"""The values of λ; the paper does not print its own."""

SCORE, ACCURACY = "Foreground score", "Accuracy"


_SHOWN = (0.0, 10.0)
"""Those of Figure 1."""

_SCORED = (
    "The share of the predicted gaze that falls on the foreground, on the images that a classifier has right "
    "and that fool it under every λ: means with 95 % intervals."
)


def _figure_1(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    measured = figures(rows)
    columns: dict[str, Find] = {"Originals": one(count=True, statistic="score", at=-1.0)}
    columns |= {f"λ = {value_text(at)}": one(count=True, statistic="score", at=at) for at in _SHOWN}
    columns |= {
        f"Accuracy, λ = {value_text(at)}": one("share", count=True, statistic="accuracy", at=at)
        for at in _SHOWN
    }
    scores = table(
        SCORE, f"{_SCORED} Beside it the share of all images still right.", measured, columns, "Classifier"
    )
    caption = (
        "The image, its foreground lit and the predicted gaze with the outline of the foreground; beside it "
        "what the attack makes of it without and with the term for salience, the change, magnified alike, "
        "and the gaze on the original's scale."
    )
    drawn = pictured("Images that fool under both", caption, rows)
    notes = (f"ε_F = {LEVELS_FOREGROUND}/255 and ε_B = {LEVELS_BACKGROUND}/255 in L∞, as in the paper.",)
    return page(records, "What does a dual perturbation look like?", "Figure 1", [scores, *drawn], notes)


@recipe(describe=_figure_1)
def dual_figure_1(
    bench: Bench,
    *,
    mask: str = "saliency",
    saliency: str = "spectral_residual",
    steps: int = 100,
    images: int = 4,
) -> pa.Table:
    """Pictures of dual perturbations with λ = 0 and 10, and of the gaze (Tong et al., Figure 1)."""
    more = [("norm", "linf"), ("steps", steps), ("mask", mask), ("saliency", saliency)]
    entry = _entry(both_budgets(bench, levels=True), _SHOWN, more)
    (ran,) = bench.attacked("dual-pictures", {"": [entry]})
    looked = write_spec("foreground", [("mask", mask), ("saliency", saliency), ("images", images)])
    stored = bench.stored(ran.run, looked, "foreground score")
    rows = [*_scores(ran, bench.model, stored.records(), _SHOWN)]
    rows += [accuracy(ran, bench.model, "", at, label) for at, label in zip(_SHOWN, ran.labels, strict=True)]
    titles = [("Original", None), *zip((f"λ = {at:g}" for at in _SHOWN), ran.labels, strict=True)]
    for image_id in ran.records["id"].unique().to_pylist():
        wanted = [(title, label, image_id) for title, label in titles]
        rows += pictures(ran, stored, image_id, wanted)
    return made_of([ran], rows, mask)


def _figure_3(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    scored: dict[str, Find] = {"Originals": one(count=True, at=-1.0)}
    scored |= {f"λ = {value_text(at)}": one(count=True, at=at) for at in SALIENCES}
    judged: dict[str, Find] = {f"λ = {value_text(at)}": one("share", count=True, at=at) for at in SALIENCES}
    tables = [
        table(SCORE, _SCORED, rows.where(statistic="score"), scored, "Classifier"),
        table(
            ACCURACY,
            "The share of all images that a classifier still has right, with Wilson's 95 % intervals.",
            rows.where(statistic="accuracy"),
            judged,
            "Classifier",
        ),
    ]
    wide = Rows(row for row in rows if row["at"] > 0)
    charts = [
        Chart(title, "λ", title.lower(), lines(wide.where(statistic=of)), log_x=True, percent=percent)
        for title, of, percent in ((SCORE, "score", False), (ACCURACY, "accuracy", True))
    ]
    drawn = Charts("Over λ", "The same, where λ is not 0.", charts)
    notes = (
        f"ε_F = {EPS_FOREGROUND:g} and ε_B = {EPS_BACKGROUND:g}. {SCALED}",
        "The paper scores every image that the attack made. Here one that failed is stored as it was, so "
        "only those count that fool.",
        *alone(rows),
    )
    title = "What does keeping eyes on the foreground cost?"
    return page(records, title, "Figure 3", [*tables, drawn], notes)


@recipe(describe=_figure_3)
def dual_figure_3(
    bench: Bench,
    *,
    model: tuple[str, ...] = (),
    mask: str = "saliency",
    saliency: str = "spectral_residual",
    steps: int = 100,
) -> pa.Table:
    """Foreground score and accuracy over λ for several classifiers (Tong et al., Figure 3)."""
    more = [("steps", steps), ("mask", mask), ("saliency", saliency)]
    entry = _entry(both_budgets(bench), SALIENCES, more)
    looked = write_spec("foreground", [("mask", mask), ("saliency", saliency)])
    all_ran, rows = [], []
    for name, of in benches(bench, model):
        (ran,) = of.attacked("dual-salience", {"": [entry]})
        rows += _scores(ran, name, of.evaluated(ran.run, looked, "foreground score"), SALIENCES)
        rows += [accuracy(ran, name, "", at, label) for at, label in zip(SALIENCES, ran.labels, strict=True)]
        all_ran.append(ran)
    return made_of(all_ran, rows, mask)


def _entry(
    eps: Sequence[tuple[str, str]], saliences: Sequence[float], more: Sequence[tuple[str, object]]
) -> Entry:
    values = tuple(value_text(each) for each in saliences)
    return Entry("Dual", write_spec("dual_perturbation", [*eps, ("salience", values), *more]))


def _scores(ran: Ran, name: str, found: pa.Table, saliences: Sequence[float]) -> Iterator[Row]:
    """The mean score of the originals, as at −1, and under each λ."""
    scored = found.filter(pc.field("fooled") & ~pc.field("empty") & ~pc.field("full"))
    by_label = [
        {row["id"]: row for row in scored.filter(pc.field("attack") == label).to_pylist()}
        for label in ran.labels
    ]
    ids = [image_id for image_id in by_label[0] if all(image_id in rows for rows in by_label)]
    by_salience = {-1.0: [by_label[0][image_id]["before"] for image_id in ids]}
    for at, rows in zip(saliences, by_label, strict=True):
        by_salience[at] = [rows[image_id]["after"] for image_id in ids]
    for at, scores in by_salience.items():
        (mean,) = estimate_means(np.array(scores).reshape(-1, 1))
        found = {"statistic": "score", "at": at, **asdict(mean), "images": len(ids)}
        yield ran.row(group="", attack=name, spec="", **found)

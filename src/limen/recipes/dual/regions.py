"""What a perturbation of the foreground alone, and of the background alone, does and shows: Figure 2."""

from __future__ import annotations

import pyarrow as pa

from limen.document import Document
from limen.recipes.bench import Bench
from limen.recipes.blocks import Rows, one, table
from limen.recipes.dual.common import budget, made_of, page
from limen.recipes.entries import Entry
from limen.recipes.pictures import figures, pictured, pictures
from limen.recipes.recipe import recipe
from limen.spec import write_spec

_LEVELS = 40
_FRONT, _BACK = "eps_foreground", "eps_background"
_BUDGETS = {"Background": (_BACK, _FRONT), "Foreground": (_FRONT, _BACK)}
"""By region, its budget and that of the other."""


def _figure_2(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    measured = figures(rows)
    caption = (
        "The share of correctly classified images that are fooled where only one region changes, and how "
        "visible the change is on these: with 95 % intervals over images. MAD is the most apparent "
        "distortion; noticed is the share of people who would notice, read off it."
    )
    columns = {
        "Success": one("share", count=True, statistic="success"),
        "Median MAD": one(statistic="median", metric="mad"),
        "Noticed": one("share", statistic="mean", metric="noticed"),
        "Mean L2": one(statistic="mean", metric="l2"),
        "Mean SSIM": one("near_one", statistic="mean", metric="ssim"),
    }
    made = table("Foreground or background", caption, measured, columns, "Region that changes")
    shown = pictured(
        "Images that both fool",
        "The image, its foreground lit and the predicted gaze; beside it what a change of one region makes "
        "of it, the change, magnified alike, and the gaze on the original's scale.",
        rows,
    )
    notes = (
        f"ε = {_LEVELS}/255 in L∞ in one region, and nothing in the other, as in the paper, which shows one "
        "image. What a change does to the meaning of a scene, people must say; the columns say how visible "
        "it is.",
    )
    return page(records, "Which region may change unnoticed?", "Figure 2", [made, *shown], notes)


@recipe(describe=_figure_2)
def dual_figure_2(bench: Bench, *, mask: str = "saliency", steps: int = 40, images: int = 4) -> pa.Table:
    """Perturbations of the foreground alone and of the background alone (Tong et al., Figure 2)."""
    eps = budget(bench, _LEVELS, levels=True)
    more = [("norm", "linf"), ("steps", steps), ("salience", 0), ("mask", mask)]
    entries = [
        Entry(title, write_spec("dual_perturbation", [(changed, eps), (kept, 0), *more]))
        for title, (changed, kept) in _BUDGETS.items()
    ]
    ran = bench.attacked("dual-regions", {"": entries})
    looked = write_spec("foreground", [("mask", mask), ("images", images)])
    stored = bench.stored(ran[0].run, looked, "foreground score")
    rows = [row for each in ran for row in each.figures(("mad", "noticed", "l2", "ssim"))]
    titles = [("Original", None), *((each.entry.title, each.labels[0]) for each in ran)]
    for image_id in ran[0].records["id"].unique().to_pylist():
        wanted = [(title, label, image_id) for title, label in titles]
        rows += pictures(ran[0], stored, image_id, wanted)
    return made_of(ran, rows, mask)

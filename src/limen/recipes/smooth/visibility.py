"""How visible sC&W and C&W are, image by image: Figure 4 of the paper, and pictures as in Figure 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from limen.analysis import pairs
from limen.document import Cell, Chart, Charts, Document, Group, Line, Picture, Pictures, Table
from limen.document import Row as Side
from limen.document.numbers import number, percent
from limen.evaluation.fooled import load
from limen.images import to_uint8
from limen.recipes.bench import Bench, Like, Ran, Row
from limen.recipes.blocks import Rows
from limen.recipes.recipe import recipe
from limen.recipes.smooth.common import FOLDER, made_of, page
from limen.recipes.smooth.rivals import (
    BEST,
    CLIMBS,
    CW,
    IN_THE_PAPER,
    LOWER_MAD,
    SMOOTH_CW,
    STEPS,
    Setup,
    without_budgets,
)
from limen.runs.files import encode_png
from limen.structure import common_scale, magnify

_PICTURED = 2
_WORSE = 20
_MAD, _L2 = ("mad_cw", "mad_scw"), ("l2_cw", "l2_scw")
_PICTURES = ("original_png", "cw_png", "scw_png")


def _describe(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    groups = {group: rows.where(group=group) for group in (IN_THE_PAPER, BEST)}
    # One axis for all, with room at its ends; it is logarithmic, so 0 stands at its lower end.
    known = [row[key] for row in rows for key in _MAD if row[key] > 0]
    ends = (min(known, default=1.0) / 1.5, max(known, default=1.0) * 1.5)
    scatters = Charts(
        "MAD of both attacks",
        "Each point is an image that both attacks fool; below the line, sC&W is the less visible. MAD is "
        "the most apparent distortion; one of 0 is drawn at the edge.",
        [_scatter(group, of, ends) for group, of in groups.items()],
    )
    worse = Table(
        "Images on which sC&W is the more visible",
        f"The paper has the lower MAD with sC&W on {percent(LOWER_MAD)} of ImageNet's images, and says of "
        f"the others that most have a very small MAD under both, below 0.1. Up to {_WORSE} stand here, the "
        "worst first.",
        ("Image", f"MAD, {CW}", f"MAD, {SMOOTH_CW}", f"L2, {CW}", f"L2, {SMOOTH_CW}"),
        [_worse(group, of) for group, of in groups.items()],
    )
    pictures = [_pictures(group, of) for group, of in groups.items() if of]
    return page(records, "Which is less visible, sC&W or C&W? ", "Figure 4", [scatters, worse, *pictures])


def _scatter(group: str, rows: Rows, ends: tuple[float, float]) -> Chart:
    rough, soft = ([max(value, ends[0]) for value in rows.column(key)] for key in _MAD)
    diagonal = np.geomspace(*ends, 50).tolist()
    drawn = [Line("images", rough, soft, joined=False), Line("equal MAD", diagonal, diagonal, dashed=True)]
    axes = {"x_range": ends, "y_range": ends, "log_x": True, "log_y": True}
    unseen = sum(row["mad_cw"] == row["mad_scw"] == 0 for row in rows)
    images = "1 image" if len(rows) == 1 else f"{len(rows)} images"
    title = f"{group}: {images}, {unseen} of them with MAD 0 under both"
    return Chart(title, f"MAD of {CW}", f"MAD of {SMOOTH_CW}", drawn, **axes)


def _worse(group: str, rows: Rows) -> Group:
    worse = [row for row in rows if row["mad_scw"] > row["mad_cw"]]
    if rows:
        share = percent(1 - len(worse) / len(rows))
        found = f"{len(worse)} of {len(rows)}, so on {share} it is no more visible"
    else:
        found = "none is fooled by both"
    return Group(
        f"{group}: {found}",
        [[Cell(row["id"]), *(Cell(value=row[key]) for key in (*_MAD, *_L2))] for row in worse[:_WORSE]],
    )


def _pictures(group: str, rows: Rows) -> Pictures:
    return Pictures(
        f"Magnified: {group.lower()}",
        "Each value less its local mean, over a mixture of the local and the global standard deviation, "
        "which needs no original; the three pictures of an image have one scale. Where the image is flat, "
        "any change shows.",
        [Side(f"{row['id']}, {row['shown']}", _three(row)) for row in rows if row["shown"]],
    )


def _three(row: Row) -> list[Picture]:
    notes = [f"MAD {number(row[mad])}, L2 {number(row[l2])}" for mad, l2 in zip(_MAD, _L2, strict=True)]
    titled = zip(_PICTURES, ("Original", CW, SMOOTH_CW), ("", *notes), strict=True)
    return [Picture(row[key], title, note) for key, title, note in titled]


@recipe(describe=_describe)
def smooth_figure_4(
    bench: Bench, *, steps: int = STEPS, search_steps: int = CLIMBS, like: Like = None
) -> pa.Table:
    """MAD of smooth C&W against MAD of C&W, and magnified pictures (Zhang et al., Figure 4)."""
    setup = Setup(like or bench.kind, steps, search_steps)
    ran = bench.attacked(FOLDER, without_budgets(setup))
    both = zip(ran[::2], ran[1::2], strict=True)
    rows = (row for rough, soft in both for row in _rows(rough, soft, bench.device))
    return made_of(ran, rows, setup)


def _rows(rough: Ran, soft: Ran, device: str) -> list[dict[str, Any]]:
    """A row for each image that both fool, from the worst for sC&W to the best; some have pictures."""
    both = rough.outcomes(), soft.outcomes()
    (ids, mad), (_, l2) = (pairs(*both, metric) for metric in ("mad", "l2"))
    rows = [
        {"group": rough.columns["group"], **dict(zip(("id", *_MAD, *_L2), values, strict=True))}
        for values in zip(ids, *mad.tolist(), *l2.tolist(), strict=True)
        if np.isfinite(values[1:3]).all()
    ]
    rows.sort(key=lambda row: (row["mad_cw"] - row["mad_scw"], row["l2_cw"] - row["l2_scw"]))
    middle = max(0, (len(rows) - _PICTURED) // 2)
    shown = {
        "best for sC&W": rows[::-1][:_PICTURED],
        "median": rows[middle : middle + _PICTURED],
        "worst for sC&W": rows[:_PICTURED],
    }
    # Of few images, one that is several of these is shown as the last.
    for row, title in ((row, title) for title, chosen in shown.items() for row in chosen):
        row["shown"] = title
        paths = [rough.run.original_path(row["id"])]
        paths += [ran.run.image_path(ran.labels[0], row["id"]) for ran in (rough, soft)]
        magnified = to_uint8(common_scale(magnify(load(paths).to(device))))
        row.update(zip(_PICTURES, map(encode_png, magnified), strict=True))
    return rows

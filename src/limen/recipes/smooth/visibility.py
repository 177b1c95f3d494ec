"""How visible sC&W and C&W are, image by image: Figure 4 of the paper, and pictures as in Figure 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch

from limen.analysis import pairs
from limen.document import Cell, Chart, Charts, Document, Group, Line, Picture, Pictures, Table
from limen.document import Row as Side
from limen.document.numbers import number, percent
from limen.evaluation.fooled import load
from limen.images import to_uint8
from limen.recipes.bench import Bench, Ran
from limen.recipes.recipe import recipe
from limen.recipes.records import Row, Rows
from limen.recipes.smooth.common import FOLDER, Count, Like, made_of, page
from limen.recipes.smooth.rivals import BEST, CW, IN_THE_PAPER, LOWER_MAD, SMOOTH_CW, Caps, without_budgets
from limen.runs.files import encode_png
from limen.structure import common_scale, magnify

_PICTURED = 2
_WORSE = 20
_MAD, _L2 = ("mad_cw", "mad_scw"), ("l2_cw", "l2_scw")
_PICTURES = ("original_png", "cw_png", "scw_png")


def _describe(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    groups = {group: rows.where(group=group) for group in (IN_THE_PAPER, BEST)}
    pictures = [_pictures(group, of) for group, of in groups.items()]
    blocks = [_charts(groups), _worse(groups), *pictures]
    return page(records, "Which is less visible, sC&W or C&W? ", "Figure 4", blocks)


def _charts(groups: Mapping[str, Rows]) -> Charts:
    known = [row[key] for rows in groups.values() for row in rows for key in _MAD if row[key] > 0]
    ends = (min(known, default=1.0) / 1.5, max(known, default=1.0) * 1.5)
    return Charts(
        "MAD of both attacks",
        "Each point is an image that both attacks fool; below the line, sC&W is the less visible. MAD is "
        "the most apparent distortion; one of 0 is drawn at the edge.",
        [_scatter(group, rows, ends) for group, rows in groups.items()],
    )


def _scatter(group: str, rows: Rows, ends: tuple[float, float]) -> Chart:
    rough, soft = ([max(value, ends[0]) for value in rows.column(key)] for key in _MAD)
    diagonal = np.geomspace(*ends, 50).tolist()
    equal = Line("equal MAD", diagonal, diagonal, dashed=True)
    return Chart(
        group,
        f"MAD of {CW}",
        f"MAD of {SMOOTH_CW}",
        [Line("images", rough, soft, joined=False), equal],
        x_range=ends,
        y_range=ends,
        log_x=True,
        log_y=True,
    )


def _worse(groups: Mapping[str, Rows]) -> Table:
    found = []
    for group, rows in groups.items():
        worse = [row for row in rows if row["mad_scw"] > row["mad_cw"]]
        share = percent(1 - len(worse) / len(rows)) if rows else "–"
        title = f"{group}: {len(worse)} of {len(rows)}, so on {share} it is no more visible"
        cells = [[Cell(value=row[key]) for key in (*_MAD, *_L2)] for row in worse[:_WORSE]]
        found.append(Group(title, [[Cell(row["id"]), *of] for row, of in zip(worse, cells, strict=False)]))
    return Table(
        "Images on which sC&W is the more visible",
        f"The paper has the lower MAD with sC&W on {percent(LOWER_MAD)} of ImageNet's images, and says of "
        f"the others that most have a very small MAD under both, below 0.1. Here are the {_WORSE} worst.",
        ("Image", f"MAD, {CW}", f"MAD, {SMOOTH_CW}", f"L2, {CW}", f"L2, {SMOOTH_CW}"),
        found,
    )


def _pictures(group: str, rows: Rows) -> Pictures:
    return Pictures(
        f"Magnified: {group.lower()}",
        "Each value less its local mean, over a mixture of the local and the global standard deviation, "
        "which needs no original; the three pictures of an image have one scale. Where the image is flat, "
        "any change shows.",
        [Side(f"{row['id']}, {row['shown']}", list(_three(row))) for row in rows if row["shown"]],
    )


def _three(row: Row) -> Iterator[Picture]:
    notes = [f"MAD {number(row[mad])}, L2 {number(row[l2])}" for mad, l2 in zip(_MAD, _L2, strict=True)]
    for title, key, note in zip(("Original", CW, SMOOTH_CW), _PICTURES, ("", *notes), strict=True):
        yield Picture(row[key], title, note)


@recipe(describe=_describe)
def smooth_figure_4(
    bench: Bench, *, steps: Count = None, search_steps: Count = None, like: Like = None
) -> pa.Table:
    """MAD of smooth C&W against MAD of C&W, and magnified pictures (Zhang et al., Figure 4)."""
    kind, caps = like or bench.kind, Caps(steps, search_steps)
    ran = bench.attacked(FOLDER, without_budgets(kind, caps))
    empty = dict.fromkeys(("group", "id", *_MAD, *_L2, "shown", *_PICTURES))
    both = zip(ran[::2], ran[1::2], strict=True)
    rows = [
        {**empty, **row} for rough, soft in both for row in _rows(rough, soft, torch.device(bench.device))
    ]
    return made_of(ran, rows, kind, caps)


def _rows(rough: Ran, soft: Ran, device: torch.device) -> Iterator[Row]:
    """A row for each image that both fool, from the worst for sC&W to the best."""
    both = [ran.outcomes() for ran in (rough, soft)]
    (ids, mad), (_, l2) = (pairs(both[0], both[1], metric) for metric in ("mad", "l2"))
    order = [place for place in worst_first(mad, l2) if np.isfinite(mad[:, place]).all()]
    chosen = _chosen(order)
    for place in order:
        values = dict(zip((*_MAD, *_L2), (*mad[:, place], *l2[:, place]), strict=True))
        row = {"group": rough.columns["group"], "id": ids[place], **values, "shown": chosen.get(place)}
        if place in chosen:
            paths = [rough.run.original_path(ids[place])]
            paths += [rough.run.image_path(ran.labels[0], ids[place]) for ran in (rough, soft)]
            magnified = to_uint8(common_scale(magnify(load(paths).to(device))))
            row |= dict(zip(_PICTURES, map(encode_png, magnified), strict=True))
        yield row


def worst_first(mad: np.ndarray, l2: np.ndarray) -> list[int]:
    """The places of images (2, N), first under C&W and then under sC&W, from the worst for sC&W to the best.

    By MAD, and where that is equal by L2.

    Example:
        >>> worst_first(np.array([[1, 1, 1], [0.5, 3, 1]]), np.zeros((2, 3)))
        [1, 2, 0]
    """
    return np.lexsort((l2[0] - l2[1], mad[0] - mad[1])).tolist()


def _chosen(order: Sequence[int]) -> dict[int, str]:
    """Which images are shown, and as what; of few, one that is several of these is shown as the last."""
    middle = max(0, (len(order) - _PICTURED) // 2)
    places = {
        "best for sC&W": order[::-1][:_PICTURED],
        "median": order[middle : middle + _PICTURED],
        "worst for sC&W": order[:_PICTURED],
    }
    return {place: name for name, of in places.items() for place in of}

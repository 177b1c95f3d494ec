"""How visible sC&W and C&W are, image by image: Figure 4 of the paper, and pictures as in Figure 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from limen import catalog
from limen.document import (
    Cell,
    Chart,
    Charts,
    Document,
    Group,
    Line,
    Picture,
    Pictures,
    Row,
    Table,
    number,
    percent,
)
from limen.evaluation.fooled import load
from limen.images import to_uint8
from limen.recipes.recipe import Reproduction, Request, Showing, kind_of
from limen.recipes.smooth.bench import Smooth, facts, notes, run
from limen.recipes.smooth.comparison import CW, DATA_SETS, LOWER_MAD, PAPER, SMOOTH_CW, Entry, without_budgets
from limen.runs import pairs
from limen.runs.files import encode_png
from limen.structure import common_scale, magnify

_PICTURED = 2
_WORSE = 20


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two attacks on the images that both fool.

    Attributes:
        rough: C&W.
        smooth: sC&W.
        ids: The images, where both have a MAD, (N,).
        mad: MAD under C&W and under sC&W, (2, N).
        l2: Likewise L2.
    """

    rough: Entry
    smooth: Entry
    ids: tuple[str, ...]
    mad: np.ndarray
    l2: np.ndarray

    @property
    def excess(self) -> np.ndarray:
        """By how much sC&W's MAD is greater, (N,)."""
        return self.mad[1] - self.mad[0]

    @property
    def order(self) -> np.ndarray:
        """The images from the worst for sC&W to the best by MAD, and where that is equal by L2, (N,)."""
        return np.lexsort((self.l2[0] - self.l2[1], -self.excess))


def figure_4(request: Request, showing: Showing) -> Reproduction:
    """MAD of sC&W against MAD of C&W, an image a point."""
    dataset = catalog.data(request.data)
    kind = kind_of(request, dataset)
    groups = without_budgets(kind, request)
    smooth = run(request, dataset, groups, showing)
    found = {setting: _pairs(smooth, *group) for setting, group in smooth.groups.items()}
    sheet = Document(
        f"Which is less visible, sC&W or C&W? {DATA_SETS[kind]}",
        f"{PAPER} Figure 4",
        facts(smooth, request),
        [
            _charts(found),
            _worse(found),
            *(_pictures(smooth, setting, each, request.device) for setting, each in found.items()),
            notes(smooth, request),
        ],
    )
    return Reproduction(sheet, [row for setting, each in found.items() for row in _records(setting, each)])


def _pairs(smooth: Smooth, rough: Entry, soft: Entry) -> Pairs:
    first, second = smooth.outcomes(rough), smooth.outcomes(soft)
    (ids, mad), (_, l2) = (pairs(first, second, distance) for distance in ("mad", "l2"))
    kept = np.flatnonzero(np.isfinite(mad).all(0))
    named = tuple(ids[place] for place in kept)
    return Pairs(rough, soft, named, mad[:, kept], l2[:, kept])


def _charts(pairs: dict[str, Pairs]) -> Charts:
    known = np.concatenate([each.mad.ravel() for each in pairs.values()])
    known = known[known > 0]
    ends = (min(known, default=1.0) / 1.5, max(known, default=1.0) * 1.5)
    return Charts(
        "MAD of both attacks",
        "Each point is an image that both attacks fool; below the line, sC&W is the less visible. MAD is "
        "the most apparent distortion; one of 0 is drawn at the edge.",
        [_scatter(setting, each, ends) for setting, each in pairs.items()],
    )


def _scatter(setting: str, pairs: Pairs, ends: tuple[float, float]) -> Chart:
    rough, soft = np.maximum(pairs.mad, ends[0]).tolist()
    equal = np.geomspace(*ends, 50).tolist()
    lines = [Line("images", rough, soft, joined=False), Line("equal MAD", equal, equal, dashed=True)]
    return Chart(
        setting,
        f"MAD of {CW}",
        f"MAD of {SMOOTH_CW}",
        lines,
        x_range=ends,
        y_range=ends,
        log_x=True,
        log_y=True,
    )


def _worse(pairs: dict[str, Pairs]) -> Table:
    groups = []
    for setting, each in pairs.items():
        worse = [place for place in each.order if each.excess[place] > 0]
        share = percent(1 - len(worse) / len(each.ids)) if each.ids else "–"
        title = f"{setting}: {len(worse)} of {len(each.ids)}, so on {share} it is no more visible"
        groups.append(Group(title, [_row(each, place) for place in worse[:_WORSE]]))
    return Table(
        "Images on which sC&W is the more visible",
        f"The paper has the lower MAD with sC&W on {percent(LOWER_MAD)} of ImageNet's images, and says of "
        f"the others that most have a very small MAD under both, below 0.1. Here are the {_WORSE} worst.",
        ("Image", f"MAD, {CW}", f"MAD, {SMOOTH_CW}", f"L2, {CW}", f"L2, {SMOOTH_CW}"),
        groups,
    )


def _row(pairs: Pairs, place: int) -> list[Cell]:
    values = (*pairs.mad[:, place], *pairs.l2[:, place])
    return [Cell(pairs.ids[place]), *(Cell(number(float(value))) for value in values)]


def _pictures(smooth: Smooth, setting: str, pairs: Pairs, device: str) -> Pictures:
    order = pairs.order.tolist()
    middle = max(0, (len(order) - _PICTURED) // 2)
    chosen = {
        "best for sC&W": order[::-1][:_PICTURED],
        "median": order[middle : middle + _PICTURED],
        "worst for sC&W": order[:_PICTURED],
    }
    # In a set of few images one may be several of these, and is shown as the last.
    named = {place: name for name, places in chosen.items() for place in places}
    return Pictures(
        f"Magnified: {setting.lower()}",
        "Each value less its local mean, over a mixture of the local and the global standard deviation, "
        "which needs no original; the three pictures of an image have one scale. Where the image is flat, "
        "any change shows.",
        [
            Row(f"{pairs.ids[place]}, {name}", _magnified(smooth, pairs, place, device))
            for place, name in sorted(named.items(), key=lambda each: order.index(each[0]))
        ],
    )


def _magnified(smooth: Smooth, pairs: Pairs, place: int, device: str) -> Sequence[Picture]:
    image_id, labels = (
        pairs.ids[place],
        [each.labels(smooth.budgets)[0] for each in (pairs.rough, pairs.smooth)],
    )
    paths = [
        smooth.run.original_path(image_id),
        *(smooth.run.image_path(label, image_id) for label in labels),
    ]
    pixels = to_uint8(common_scale(magnify(load(paths).to(torch.device(device)))))
    notes = [""] + [
        f"MAD {number(float(mad))}, L2 {number(float(l2))}"
        for mad, l2 in zip(pairs.mad[:, place], pairs.l2[:, place], strict=True)
    ]
    return [
        Picture(encode_png(each), title, note)
        for each, title, note in zip(pixels, ("Original", CW, SMOOTH_CW), notes, strict=True)
    ]


def _records(setting: str, pairs: Pairs) -> Iterator[dict[str, object]]:
    for place, image_id in enumerate(pairs.ids):
        (rough_mad, smooth_mad), (rough_l2, smooth_l2) = pairs.mad[:, place], pairs.l2[:, place]
        yield {
            "setting": setting,
            "id": image_id,
            "mad_cw": float(rough_mad),
            "mad_scw": float(smooth_mad),
            "l2_cw": float(rough_l2),
            "l2_scw": float(smooth_l2),
        }

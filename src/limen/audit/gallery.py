"""The least noticeable change of each image that fools, in pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from limen import pictures
from limen.analysis import Least
from limen.document import Block, Picture, Pictures, Row
from limen.errors import RunError
from limen.runs import Run

MOST = 12
"""How many images a page shows."""

_SHOWN = ("mad", "l2", "linf", "ssim")


def gallery(run: Run, least: Sequence[Least]) -> Iterator[Block]:
    """The images whose change is least, each beside its original and the change magnified."""
    seen = []
    for each in sorted(least, key=_rank)[:MOST]:
        try:
            seen.append((each, pictures.difference(run.original(each.id), run.image(each.attack, each.id))))
        except RunError:  # a picture that is gone is missed in the run's own page, too
            continue
    if not seen:
        return
    factor = pictures.common_factor([change for _, change in seen])
    records = {(row["attack"], row["id"]): row for row in run.table().to_pylist()}
    rows = [_row(run, records[each.attack, each.id], each, change, factor) for each, change in seen]
    more = f" The {len(rows)} least noticeable of {len(least)} are shown." if len(rows) < len(least) else ""
    yield Pictures(
        "The least noticeable change that fools, image by image",
        f"Of all attacks the one whose change is least by MAD, and of equals by L₂.{more} The change is "
        f"magnified {factor} times around grey.",
        rows,
    )


def _rank(each: Least) -> tuple[float, float]:
    mad, l2 = (each.values.get(key, np.nan) for key in ("mad", "l2"))
    return (np.inf if np.isnan(mad) else mad), (np.inf if np.isnan(l2) else l2)


def _row(
    run: Run,
    record: Mapping[str, Any],
    least: Least,
    change: np.ndarray,
    factor: int,
) -> Row:
    metrics = {each.key: each for each in run.manifest.metrics}
    told = [
        f"{metrics[key].title} {metrics[key].shown(least.values[key])}{metrics[key].unit}"
        for key in _SHOWN
        if key in metrics and not np.isnan(least.values[key])
    ]
    return Row(
        least.id,
        [
            Picture(run.original_path(least.id), f"before: {_class(run, record['clean_prediction'])}"),
            Picture(
                run.image_path(least.attack, least.id),
                f"after: {_class(run, record['prediction'])}",
                note="\n".join([least.attack, *told]),
            ),
            Picture(pictures.to_png(pictures.magnified(change, factor)), f"the change, ×{factor}"),
        ],
    )


def _class(run: Run, number: int) -> str:
    names = run.manifest.model.class_names or run.manifest.data.class_names
    return names[number] if names and number < len(names) else f"class {number}"

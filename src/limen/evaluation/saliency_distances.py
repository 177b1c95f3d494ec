"""Distances between saliency maps, from the records of the evaluation `saliency`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow.compute as pc

from limen.analysis import estimate_means
from limen.document import Block, Cell, Group, Pictures, Table, number
from limen.evaluation.cells import measured_cell
from limen.evaluation.fooled import picture_rows
from limen.runs import Stored

DISTANCES = {"l1": "L₁", "l2": "L₂", "linf": "L∞", "dissimilarity": "1 − SSIM"}
"""The distances between maps, by the names of their columns."""

_SCALES = {
    "peak": "Each map is divided by its greatest value",
    "none": "Maps lie in [0, 1] as the model gives them",
}


def describe(stored: Stored) -> list[Block]:
    """The mean distances of each attack, and pictures with their maps."""
    return [_table(stored), *_pictures(stored)]


def _table(stored: Stored) -> Table:
    options, records = stored.identity.parameters, stored.records()
    rows = []
    for label in stored.attacks:
        of = records.filter(pc.field("attack") == label)
        means = estimate_means(np.stack([of[name].to_numpy() for name in DISTANCES], 1))
        fooled = f"{of['fooled'].to_numpy().sum()} fooled" if options["failures"] else ""
        count = Cell(value=len(of), form="count", note=fooled)
        rows.append([Cell(label, series=label), count, *map(measured_cell, means)])
    counted = (
        "all images that the model had right; one that an attack did not fool is stored as it was, and has "
        "a distance of 0"
        if options["failures"]
        else "the images that were fooled"
    )
    return Table(
        "Distances between saliency maps",
        f"From the map of the original to that of what the attack stored. {_SCALES[str(options['scale'])]}. "
        f"L₁ and L₂ are sums over pixels, so that they grow with the image. Means over {counted}, with 95 % "
        "intervals.",
        ("Attack", "Images", *DISTANCES.values()),
        [Group("", rows)],
    )


def _pictures(stored: Stored) -> Iterator[Pictures]:
    records = stored.records()
    hits = records.filter(pc.field("fooled")).to_pylist()
    fooled: Mapping[str, dict[str, dict[str, float]]] = {label: {} for label in stored.attacks}
    for row in hits:
        fooled[row["attack"]][row["id"]] = row

    def note(label: str, image_id: str) -> str:
        row = fooled[label][image_id]
        return "\n".join(f"{title} {number(row[name])}" for name, title in DISTANCES.items())

    rows = picture_rows(stored, fooled, "original", note=note, scale="saliency")
    if rows:
        yield Pictures(
            "Where people look",
            "Each image above its saliency map: the original, and what each attack stored. Below, the "
            "distances between its map and that of the original.",
            rows,
        )

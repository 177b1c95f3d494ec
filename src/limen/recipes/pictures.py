"""Pictures among the rows of a recipe, so that its page needs nothing but its records."""

from __future__ import annotations

from collections.abc import Iterable

from limen.document import Block, Picture, Pictures
from limen.document import Row as Side
from limen.recipes.bench import Ran, Row
from limen.recipes.blocks import Rows
from limen.runs import Stored

PICTURE = "picture"
"""The statistic of a row that holds a picture, as the bytes of a PNG file."""


def pictures(
    ran: Ran, stored: Stored, image_id: str, wanted: Iterable[tuple[str, str | None, str]]
) -> list[Row]:
    """The rows of pictures of an image that an evaluation stored; none if it did not store them all.

    Args:
        ran: What was run.
        stored: The evaluation.
        image_id: The image.
        wanted: Of each picture its title, its attack, None for none, and the name that it is stored by.
    """
    common = {**ran.columns, "group": "", "attack": "", "statistic": PICTURE, "id": image_id}
    rows: list[Row] = []
    for title, label, name in wanted:
        path = stored.picture(label, name)
        if path is None:
            return []
        rows.append({**common, "title": title, "png": path.read_bytes()})
    return rows


def figures(rows: Rows) -> Rows:
    """The rows that hold no picture."""
    return Rows(row for row in rows if row["statistic"] != PICTURE)


def pictured(title: str, caption: str, rows: Rows) -> list[Block]:
    """The pictures of rows, a line for each image; nothing where there are none."""
    sides = [
        Side(image_id, [Picture(row["png"], row["title"]) for row in of])
        for image_id, of in rows.where(statistic=PICTURE).by("id")
    ]
    return [Pictures(title, caption, sides)] if sides else []

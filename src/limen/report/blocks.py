"""The blocks of documents as markup: one way to draw them, in a section of a page and on a sheet alone."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from limen.document import AnyChart, Block, Charts, Document, Picture, Pictures, Table
from limen.pictures import scale_colours
from limen.report.chart import markup
from limen.report.shelf import Plain, Shelf
from limen.report.templating import environment
from limen.safety import opened, resolved

STYLES = ("chart.css", "blocks.css")
"""What the blocks need beside `style.css`."""

_SIGNATURE, _HEAD = b"\x89PNG\r\n\x1a\n", 24
_SMALL = 200


def render_blocks(
    document: Document,
    colours: Mapping[str, int] | None = None,
    level: int = 2,
    shelf: Shelf | None = None,
) -> Markup:
    """The blocks of a document, from top to bottom.

    Args:
        document: The document.
        colours: The number of each attack's colour; in the order in which the document names them if not
            given.
        level: The level of the blocks' headings.
        shelf: Takes the pictures; if not given, they stand where they are shown.
    """
    taking = Plain() if shelf is None else shelf
    if colours is None:
        colours = {name: place for place, name in enumerate(series_names(document))}
    template = environment().get_template("blocks.html.j2")

    return Markup(  # noqa: S704 - the template escapes
        template.render(
            blocks=[(type(block).__name__, block) for block in document.blocks],
            colours=colours,
            level=level,
            draw=lambda chart: markup(chart, colours),
            png=lambda picture: png(picture, taking),
            keys=_shared_key,
            worded=_worded,
            ramp=scale_colours(),
        )
    )


def png(picture: Picture, shelf: Shelf) -> dict[str, object] | None:
    """Where the page finds a picture, and its size in pixels; None where it is missing or no PNG."""
    found, (width, height) = content(picture), png_size(picture)
    if not width:
        return None
    return {"source": shelf.place(found), "width": width, "height": height, "small": width < _SMALL}


def png_size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels; zeros where the picture is missing or no PNG."""
    head = content(picture, _HEAD)
    if len(head) < _HEAD or not head.startswith(_SIGNATURE) or head[12:16] != b"IHDR":
        return 0, 0
    width, height = struct.unpack(">II", head[16:_HEAD])
    return width, height


def _shared_key(charts: Sequence[AnyChart]) -> tuple[tuple[str, str], ...]:
    """Names and attacks of what is drawn, where several charts have the same ones; else nothing."""
    keys = {chart.names for chart in charts}
    shared = next(iter(keys)) if len(charts) > 1 and len(keys) == 1 else ()
    return shared if all(series for _, series in shared) else ()


def _worded(table: Table) -> frozenset[int]:
    """The columns that name attacks, which are set as words are."""
    rows = [row for group in table.groups for row in group.rows]
    return frozenset(place for row in rows for place, cell in enumerate(row) if cell.series or not place)


def series_names(document: Document) -> list[str]:
    """The attacks that have a colour, each once, in the order in which a document names them.

    Those that a chart draws; where there is no chart, all.
    """
    drawn = {name for block in document.blocks if isinstance(block, Charts) for name in _series(block)}
    plain = not any(isinstance(block, Charts) for block in document.blocks)
    names = (name for block in document.blocks for name in _series(block) if name)
    return list(dict.fromkeys(name for name in names if plain or name in drawn))


def content(picture: Picture, length: int = -1) -> bytes:
    """The first so many bytes of a picture, or all; none where it is missing."""
    if not isinstance(picture.image, Path):
        return picture.image or b""
    try:
        with opened(picture.image, resolved(picture.image.parent.parent)) as file:
            return file.read(length)
    except OSError:
        return b""


def _series(block: Block) -> list[str]:
    if isinstance(block, Table):
        return [cell.series for group in block.groups for row in group.rows for cell in row]
    if isinstance(block, Charts):
        return [series for chart in block.charts for _, series in chart.names]
    if isinstance(block, Pictures):
        return [picture.series for row in block.rows for picture in row.pictures]
    return []

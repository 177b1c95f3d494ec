"""The blocks of documents as markup: one way to draw them, in a section of a page and on a sheet alone."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from limen.document import Block, Chart, Charts, Document, Picture, Pictures, Table
from limen.pictures import scale_colours
from limen.report.chart import markup
from limen.report.templating import environment

STYLES = ("chart.css", "blocks.css")
"""What the blocks need beside `style.css`."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SMALL = 200


def render_blocks(document: Document, colours: Mapping[str, int] | None = None, level: int = 2) -> Markup:
    """The blocks of a document, from top to bottom.

    Args:
        document: The document.
        colours: The number of each attack's colour; in the order in which the document names them if not
            given.
        level: The level of the blocks' headings.
    """
    colours = _colours(document) if colours is None else colours
    template = environment().get_template("blocks.html.j2")

    def draw(chart: Chart) -> Markup:
        return markup(chart, colours)

    return Markup(  # noqa: S704 - the template escapes
        template.render(
            blocks=[(type(block).__name__, block) for block in document.blocks],
            colours=colours,
            level=level,
            draw=draw,
            png=png,
            ramp=scale_colours(),
        )
    )


def png(picture: Picture) -> dict[str, object] | None:
    """A picture as a data URL with its size in pixels, None where it is missing or no PNG."""
    try:
        content = picture.image.read_bytes() if isinstance(picture.image, Path) else picture.image or b""
    except OSError:
        return None
    if not content.startswith(_SIGNATURE) or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    url = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return {"url": url, "width": width, "height": height, "small": width < _SMALL}


def _colours(document: Document) -> dict[str, int]:
    names: list[str] = []
    for block in document.blocks:
        names += _series(block)
    return {name: place for place, name in enumerate(dict.fromkeys(filter(None, names)))}


def _series(block: Block) -> list[str]:
    if isinstance(block, Table):
        return [cell.series for group in block.groups for row in group.rows for cell in row]
    if isinstance(block, Charts):
        return [line.series for chart in block.charts for line in chart.lines]
    if isinstance(block, Pictures):
        return [picture.series for row in block.rows for picture in row.pictures]
    return []

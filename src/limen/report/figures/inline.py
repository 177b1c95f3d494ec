"""Charts as SVG inside a page: its colours, light or dark, its font, and no more than is drawn."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping

from markupsafe import Markup
from matplotlib.figure import Figure

from limen.document import AnyChart, BoxPlot
from limen.report.figures.drawing import draw
from limen.report.figures.paper import settings
from limen.report.palette import PAGE, VARIABLES

WIDTH, HEIGHT = 520, 340
"""The size of a chart in its own units, in which its type is 13 high; the page scales it to fit."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 22, 48  # what lies around the axes: the numbers and titles
_ROW = 34
_UNIT = 72  # of SVG, to the inch
_SIZES = {
    **dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize"), 13.0),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth", "xtick.major.width"), 1.0),
}

_TAG = re.compile(r"<[^<>]*>")  # both brackets are escaped in texts
_COLOUR = re.compile("|".join(VARIABLES))
_FONT = re.compile(r"font-family: [^;\"]*")
_NAME = re.compile(r'^<g id="[^"]*"')  # nothing refers to a group
_PATH = re.compile(r' d="([^"]*)"')
_DIGITS = re.compile(r"(\.\d\d)\d+")


def inline(chart: AnyChart, colours: Mapping[str, int] | None = None, description: str = "") -> Markup:
    """The chart as SVG that scales with its container and takes the page's colours and font.

    Args:
        chart: What to draw.
        colours: As for `draw`.
        description: What is shown, in words, for those who cannot see it.
    """
    left, bottom, height = _LEFT, _BOTTOM, HEIGHT
    if isinstance(chart, BoxPlot):
        left, height = _RIGHT, _TOP + _ROW * max(len(chart.boxes), 1) + _BOTTOM
    # Names inside the picture that no other chart of the page has.
    salt = hashlib.sha256(repr((chart, colours)).encode(errors="surrogatepass")).hexdigest()
    buffer = io.StringIO()
    with settings(further={**_SIZES, "svg.hashsalt": salt}):
        made = Figure(figsize=(WIDTH / _UNIT, height / _UNIT))
        made.patch.set_visible(False)
        inner = (WIDTH - left - _RIGHT) / WIDTH, (height - bottom - _TOP) / height
        draw(chart, made.add_axes((left / WIDTH, bottom / height, *inner)), colours, PAGE)
        made.savefig(buffer, format="svg", metadata={"Date": None})
    return _for_a_page(buffer.getvalue(), height, description)


def _for_a_page(text: str, height: int, description: str) -> Markup:
    body = text[text.index("</metadata>") + len("</metadata>") :]
    body = body[body.index("</defs>") + len("</defs>") :]  # a style, which would hold for all of the page
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 {} {}" role="img" aria-label="{}">'
    ).format(WIDTH, height, description)
    return head + Markup(_TAG.sub(_restyled, body))  # noqa: S704 - matplotlib escapes


def _restyled(tag: re.Match[str]) -> str:
    text = _COLOUR.sub(lambda found: VARIABLES[found[0]], tag[0])
    text = _FONT.sub("font-family: var(--sans)", text)
    return _PATH.sub(_shortened, _NAME.sub("<g", text))


def _shortened(path: re.Match[str]) -> str:
    """A path without digits that nobody could see."""
    seen = _DIGITS.sub(r"\1", "".join(path[1].splitlines()))
    return f' d="{seen}"'

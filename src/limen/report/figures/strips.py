"""Rows of pictures side by side, as papers show what an attack made of an image."""

from __future__ import annotations

import io
import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from limen.document import Picture, Row, harmless, number, wrapped
from limen.pictures import scale_colours
from limen.report.blocks import content, png_size
from limen.report.figures.paper import COLUMN, settings

WIDE = 6.9
"""The width of a page of a paper with two columns, in inches."""

_FEW, _MOST = 3, 6  # pictures side by side in a column, and on the page
_PIXELS = 2**25
_GAP, _LINE = 0.06, 0.115  # inches: between pictures, and of a line of type
_TYPE = 6.5
_DENSITY = 19  # characters of that in an inch


def strip(row: Row) -> Figure:
    """The pictures of a row side by side, each under its title; more than six in several lines.

    Up to three fill a column of a paper, more the page. Pixels stay pixels. A picture that is missing, is no
    PNG or has over 32 million pixels is named in its place.

    Args:
        row: The pictures, and what their colours mean.
    """
    shown = row.pictures or (Picture(None, ""),)
    width = COLUMN if len(shown) <= _FEW else WIDE
    lines = math.ceil(len(shown) / _MOST)
    columns = math.ceil(len(shown) / lines)
    cell = (width - _GAP * (columns - 1)) / columns
    pixels = [_pixels(picture) for picture in shown]
    high = cell * max((each.shape[0] / each.shape[1] for each in pixels if each is not None), default=1.0)
    words = [_words(picture, cell) for picture in shown]
    told = _LINE * max(len(each.splitlines()) for each in words) + 0.05
    scale = 0.32 if row.scale else 0.0
    height = lines * (high + told) + scale
    with settings("".join((row.scale, *words)), {"font.size": _TYPE}):
        made = Figure(figsize=(width, height))
        for place, (picture, image, text) in enumerate(zip(shown, pixels, words, strict=True)):
            left = (place % columns) * (cell + _GAP)
            top = (place // columns) * (high + told) + told
            axes = made.add_axes((left / width, 1 - (top + high) / height, cell / width, high / height))
            _show(axes, picture, image, text)
        if row.scale:
            _draw_scale(made, row, scale / height)
    return made


def texts(row: Row) -> str:
    """All that is written on a strip."""
    return "".join((row.scale, *(f"{each.title}{each.note}{each.absent}" for each in row.pictures)))


def _show(axes: Axes, picture: Picture, image: np.ndarray | None, text: str) -> None:
    axes.set_axis_off()
    axes.set_title(text, fontsize=_TYPE, pad=2.5, parse_math=False, linespacing=1.15)
    if image is None:
        axes.text(0.5, 0.5, harmless(picture.absent), ha="center", va="center", parse_math=False)
    else:
        axes.imshow(image, interpolation="none")


def _draw_scale(made: Figure, row: Row, share: float) -> None:
    axes = made.add_axes((0.3, 0.58 * share, 0.4, 0.3 * share))
    colours = LinearSegmentedColormap.from_list("scale", scale_colours())
    axes.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=colours, extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 1], ["0", number(row.top)])
    axes.set_xlabel(harmless(row.scale), labelpad=-6, parse_math=False, fontsize=_TYPE)
    axes.tick_params(length=0, pad=1, labelsize=_TYPE)


def _pixels(picture: Picture) -> np.ndarray | None:
    width, height = png_size(picture)
    if not 0 < width * height <= _PIXELS:
        return None
    try:
        with Image.open(io.BytesIO(content(picture)), formats=("PNG",)) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None


def _words(picture: Picture, width: float) -> str:
    lines = [picture.title, *picture.note.splitlines()]
    room = max(8, int(_DENSITY * width))
    return "\n".join(part for line in lines for part in wrapped(harmless(line), room))

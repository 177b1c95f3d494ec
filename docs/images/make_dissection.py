"""Draw docs/images/dissection.svg: a grid of 15×15 pixels dissected, its factor, and that in memory.

python docs/images/make_dissection.py [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from limen.operators.nested_dissection.ordering import Level, dissect

SIDE = 15
WIDTH, HEIGHT, EDGE, PANEL = 600, 970, 20, 272
CARD, BORDER, WELL, BRIGHT, DIM = "#161b22", "#30363d", "#0d1117", "#f0f6fc", "#9da7b3"
COLOURS = ("#ffd54a", "#f58a5b", "#e0609a", "#8f7bea", "#45618f")  # of the levels, the whole grid's first


def draw() -> str:
    """The whole picture, as SVG."""
    levels, right = dissect(SIDE, SIDE, 2), WIDTH - EDGE - PANEL
    parts = [
        *(text(EDGE, 42, "The grid"), text(EDGE, 70, "coloured by level", DIM)),
        *grid(levels, EDGE, 86),
        *(text(right, 42, "Its factor"), text(right, 70, "in the order of elimination", DIM)),
        *pattern(levels, right, 86),
        *legend(levels, 398),
        text(EDGE, 590, "The factor in memory"),
        text(EDGE, 618, "X, and −XB paler, of each subdomain, level by level", DIM),
        *blocks(levels, 636),
        text(EDGE, 806, "Two layouts"),
        text(EDGE, 834, "the numbers of two subdomains, one white and one grey", DIM),
        *layouts(868),
    ]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    card = f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="{CARD}" stroke="{BORDER}"/>'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    return "\n".join([opening, card, *parts, "</svg>", ""])


def grid(levels: tuple[Level, ...], left: float, top: float) -> Iterator[str]:
    """A cell per pixel."""
    cell = PANEL / SIDE
    for level, colour in zip(levels, COLOURS, strict=True):
        for pixel in level.separator[level.separator < SIDE**2].tolist():
            row, column = divmod(pixel, SIDE)
            yield box(left + column * cell + 1, top + row * cell + 1, cell - 2, cell - 2, colour)


def pattern(levels: tuple[Level, ...], left: float, top: float) -> Iterator[str]:
    """What is not 0 of the factor: a column per pixel, in the order of elimination."""
    order = [pixel for level in reversed(levels) for row in level.separator.tolist() for pixel in row]
    place = {pixel: number for number, pixel in enumerate(each for each in order if each < SIDE**2)}
    scale = PANEL / SIDE**2
    yield box(left, top, PANEL, PANEL, WELL)
    for level, colour in zip(levels, COLOURS, strict=True):
        for own, around in zip(level.separator.tolist(), level.boundary.tolist(), strict=True):
            for column in (place[each] for each in own if each < SIDE**2):
                rows = {place[each] for each in own + around if each < SIDE**2 and place[each] >= column}
                for row in sorted(row for row in rows if row - 1 not in rows):  # where a run of them begins
                    length = next(n for n in range(1, SIDE**2 + 1) if row + n not in rows)
                    yield box(left + column * scale, top + row * scale, scale, length * scale, colour)


def legend(levels: tuple[Level, ...], top: float) -> Iterator[str]:
    """A line per level."""
    for number, (level, colour) in enumerate(zip(levels, COLOURS, strict=True)):
        layout, y = level.layout, top + 32 * number
        name = "leaves" if level is levels[-1] else "separators" if number else "separator"
        around = f", at most {layout.boundary} around" if number else ""
        yield box(EDGE, y - 15, 18, 18, colour)
        words = f"level {number}: {layout.subdomains} {name} of {layout.separator} pixels{around}"
        yield text(EDGE + 28, y, words, BRIGHT, 18)


def blocks(levels: tuple[Level, ...], top: float) -> Iterator[str]:
    """The matrices of forward substitution, to scale, a row per level."""
    gap = 3
    leaves = levels[-1].layout
    scale = ((WIDTH - 2 * EDGE + gap) / leaves.subdomains - gap) / (leaves.separator + leaves.boundary)
    for level, colour in zip(levels, COLOURS, strict=True):
        layout = level.layout
        own, around = layout.separator * scale, layout.boundary * scale
        for part in range(layout.subdomains):
            left = EDGE + part * (own + around + gap)
            yield box(left, top, own, own, colour)
            yield box(left + own, top, around, own, colour, 0.5)
        top += own + 14


def layouts(top: float) -> Iterator[str]:
    """The numbers of two subdomains in the order in which either layout has them."""
    count, begin = 28, EDGE + 130
    size = (WIDTH - EDGE - begin) / count
    for row, (name, second) in enumerate(
        {"batched": lambda n: n >= count // 2, "interleaved": lambda n: n % 2}.items()
    ):
        yield text(EDGE, top + 40 * row, name, BRIGHT, 18)
        for number in range(count):
            colour = DIM if second(number) else BRIGHT
            yield box(begin + number * size, top - 15 + 40 * row, size - 1, 18, colour)
    yield text(begin, top + 76, "address in memory →", DIM)


def box(left: float, top: float, width: float, height: float, colour: str, opacity: float = 1) -> str:
    """A filled rectangle."""
    faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{colour}"{faint}/>'


def text(left: float, top: float, words: str, colour: str = BRIGHT, size: int = 0) -> str:
    """Bright words are titles, if they are given no size, dim ones explain."""
    size = size or (24 if colour == BRIGHT else 18)
    return f'<text x="{left}" y="{top}" fill="{colour}" font-size="{size}">{words}</text>'


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("dissection.svg")
    file.write_text(draw(), encoding="utf-8")

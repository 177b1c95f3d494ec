"""Text and tables where there is little room: lines that are broken, and columns below each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len

_BREAKS = re.compile(r" +|(?<=[,:\\]) *|(?<=\D/)(?=\D)")


def wrapped(text: str, width: int) -> list[str]:
    """Lines no wider than `width`: broken at spaces, after commas and slashes, and anywhere if need be.

    Example:
        >>> wrapped("pgd_l2:eps=3,steps=40", 14)
        ['pgd_l2:eps=3,', 'steps=40']
    """
    lines, line = [], ""
    for piece in line_pieces(text):
        if cell_len((line + piece).rstrip()) <= width:
            line += piece
            continue
        if line:
            lines.append(line.rstrip())
        while cell_len(piece.rstrip()) > width:
            taken = next(n for n in range(len(piece), 0, -1) if n == 1 or cell_len(piece[:n]) <= width)
            lines.append(piece[:taken])
            piece = piece[taken:]
        line = piece
    return [*lines, line.rstrip()]


def line_pieces(text: str) -> list[str]:
    """The pieces of a text between which a line may be broken; together they are the text."""
    ends = [0, *(place.end() for place in _BREAKS.finditer(text)), len(text)]
    return [text[a:b] for a, b in pairwise(ends) if b > a]


def side_by_side(widths: Sequence[int], room: int) -> list[list[int]]:
    """Columns in as few parts as fit below each other, each of which begins with the first column.

    Args:
        widths: How wide each column is.
        room: How wide a part may be; one of the first column and another may be wider.

    Returns:
        The positions of the columns of each part.

    Example:
        >>> side_by_side([4, 3, 3, 3], 10), side_by_side([4, 9], 10), side_by_side([4], 10)
        ([[0, 1, 2], [0, 3]], [[0, 1]], [[0]])
    """
    parts: list[list[int]] = [[0]]
    for place in range(1, len(widths)):
        full = sum(widths[each] for each in (*parts[-1], place)) > room
        if full and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(place)
    return parts

"""Tables as wide as the terminal: whole, in two parts, or as a listing of each row; nothing is cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table as Drawn
from rich.text import Text

from limen.document import Table, harmless, line_pieces, side_by_side, wrapped

_NAME, _CELL = 20, 16
_BORDERS = 3
_READ = 80


@dataclass(frozen=True)
class Column:
    """A heading and the lines of each cell below it, for people.

    Attributes:
        heading: What stands above.
        cells: By row, the lines of a cell.
        least: How wide it must be at least, so that only what is long is broken.
        right: Whether it is set to the right, as numbers are.
    """

    heading: str
    cells: tuple[tuple[str, ...], ...]
    least: int
    right: bool

    @property
    def natural(self) -> int:
        """How wide it is where no cell is broken."""
        return _longest(line for cell in self.cells for line in cell)


@dataclass(frozen=True)
class Shown:
    """A table as wide as the terminal; what is small on a page stands in lines of its own."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """The title, the table in the first form that fits, and the caption."""
        open_rows = [replace(each, rows=() if each.folded else each.rows) for each in self.table.groups]
        table, width = replace(self.table, groups=open_rows), options.max_width
        if table.title:
            yield Text(harmless(table.title), style="italic")
        columns = _columns(table)
        # Of figures, the columns may stand below each other; text belongs to what is beside it.
        figures = 2 * sum(column.right for column in columns) >= len(columns)
        for count in (1, 2) if figures else (1,):
            parts = _parts(columns, count, width)
            if parts:
                drawn = [_drawn(part, table, _widths(part, width)) for part in parts]
                yield from drawn
                wide = max(console.measure(each, options=options).maximum for each in drawn)
                break
        else:
            yield from _listed(table, width)
            wide = _READ
        for line in table.caption.splitlines():
            yield Constrain(Text(harmless(line), style="dim italic"), min(width, max(wide, _READ)))


def _longest(texts: Iterable[str]) -> int:
    return max((cell_len(text.rstrip()) for text in texts), default=1)


def _columns(table: Table) -> list[Column]:
    rows = [row for group in table.groups for row in group.rows]
    made = []
    for place, heading in enumerate(table.columns):
        cells = [(harmless(row[place].shown), *map(harmless, row[place].lines)) for row in rows]
        titles = [harmless(group.title) for group in table.groups if not place]
        lines = [line for cell in cells for line in cell]
        pieces = [*heading.split(" "), *(piece for line in [*lines, *titles] for piece in line_pieces(line))]
        texts = [cell[0] for cell in cells if cell[0] and cell[0] != "–"]
        right = place > 0 and not (texts and all(not text[0].isdecimal() for text in texts))
        made.append(Column(heading, tuple(cells), min(_longest(pieces), _CELL if place else _NAME), right))
    return made


def _parts(columns: Sequence[Column], count: int, width: int) -> list[list[Column]]:
    """The columns in so many parts that fit, the first of them in each; none if they do not fit."""
    places = side_by_side([column.least + _BORDERS for column in columns], width - 1)
    parts = [[columns[place] for place in part] for part in places]
    return parts if len(parts) <= count and all(_least(part) <= width for part in parts) else []


def _least(columns: Sequence[Column]) -> int:
    return 1 + sum(column.least + _BORDERS for column in columns)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column: what it needs at least, and of what is left as much as it can use."""
    widths = [column.least for column in columns]
    spare = width - _least(columns)
    for goals in ([column.natural for column in columns], [cell_len(column.heading) for column in columns]):
        needs = sorted((max(0, goal - widths[place]), place) for place, goal in enumerate(goals))
        for left, (need, place) in zip(range(len(needs), 0, -1), needs, strict=True):
            more = min(need, spare // left)
            widths[place] += more
            spare -= more
    return widths


def _drawn(columns: Sequence[Column], table: Table, widths: Sequence[int]) -> Drawn:
    broken = [
        [[part for line in cell for part in wrapped(line, width)] for cell in column.cells]
        for column, width in zip(columns, widths, strict=True)
    ]
    tall = any(len(cell) > 1 for cells in broken for cell in cells)
    drawn = Drawn(show_lines=tall)
    for column, width in zip(columns, widths, strict=True):
        heading = Text("\n".join(_at_spaces(column.heading, width)))
        drawn.add_column(heading, justify="right" if column.right else "left", width=width, no_wrap=True)
    place = 0
    for group in table.groups:
        if group.title:
            drawn.add_row("\n".join(wrapped(harmless(group.title), widths[0])), style="italic")
        for _ in group.rows:
            drawn.add_row(*("\n".join(cells[place]) for cells in broken))
            place += 1
        drawn.add_section()
    return drawn


def _at_spaces(heading: str, width: int) -> list[str]:
    """The lines of a heading, in which units such as /255 stay whole."""
    return [str(line) for line in Text(heading).wrap(Console(width=width), width)]


def _listed(table: Table, width: int) -> Iterator[RenderableType]:
    """Each row as lines `heading: value`, below its name."""
    for group in table.groups:
        if group.title:
            yield Text("\n".join(wrapped(harmless(group.title), width)), style="italic")
        for row in group.rows:
            name = Text("\n".join(wrapped(harmless(row[0].shown), width)), style="bold")
            values = [harmless(line) for line in row[0].lines]
            for heading, cell in zip(table.columns[1:], row[1:], strict=True):
                small = ", ".join(map(harmless, cell.lines))
                beside = f" ({small})" if cell.value is not None else f", {small}"
                values.append(f"{heading}: {harmless(cell.shown)}{beside if small else ''}")
            lines = [part for value in values for part in wrapped(value, max(1, width - 2))]
            yield Group(name, *(Text(f"  {line}") for line in lines), "")

"""What a page says, as data: tables, charts, pictures and notes under a title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from limen.decoding import ByKind, NeverInJson
from limen.document.charts import AnyChart
from limen.document.numbers import Form, written
from limen.errors import UsageError


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table: a text or a number, and below it lines in small type.

    Attributes:
        text: The text; empty for the number.
        note: Lines that belong to it.
        value: The number; None where there is none.
        low: The lower end of its interval; None for no interval.
        high: The upper end.
        form: How numbers are written.
        series: The attack that it names, whose colour stands beside it; empty for none.

    Example:
        >>> cell = Cell(value=0.25, low=0.2, high=0.3, form="share", note="of 40")
        >>> cell.shown, cell.lines
        ('25.0\N{NO-BREAK SPACE}%', ['20.0\N{NO-BREAK SPACE}% to 30.0\N{NO-BREAK SPACE}%', 'of 40'])
    """

    text: str = ""
    note: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    form: Form = "number"
    series: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                # JSON has no such number, but what it means is worth a sign.
                if name == "value" and not self.text:
                    object.__setattr__(self, "text", written(value, self.form))
                object.__setattr__(self, name, None)
            elif value is not None:
                object.__setattr__(self, name, float(value))

    @property
    def shown(self) -> str:
        """The text, or the number as people read it."""
        return self.text or written(self.value, self.form)

    @property
    def lines(self) -> list[str]:
        """The lines in small type: the interval, and the note's."""
        if self.low is None or self.high is None:
            return self.note.splitlines()
        return [f"{written(self.low, self.form)} to {written(self.high, self.form)}", *self.note.splitlines()]


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; the first cell of each names the row.

    Attributes:
        title: The heading; empty for none.
        rows: The cells of each row.
        folded: Whether the heading stands alone: on a terminal, and on a page until it is asked for the rows.
    """

    title: str
    rows: Sequence[Sequence[Cell]]
    folded: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))


@dataclass(frozen=True)
class Table:
    """Groups of rows under common columns.

    Raises:
        UsageError: If a row has another number of cells than there are columns.
    """

    title: str
    caption: str
    columns: Sequence[str]
    groups: Sequence[Group]

    def __post_init__(self) -> None:
        _freeze(self, "columns", "groups")
        for row in (row for group in self.groups for row in group.rows):
            if len(row) != len(self.columns):
                raise UsageError(f"{self.title}: a row has {len(row)} cells for {len(self.columns)} columns")


@dataclass(frozen=True)
class Charts:
    """Charts side by side under a common title."""

    title: str
    caption: str
    charts: Sequence[AnyChart]

    def __post_init__(self) -> None:
        _freeze(self, "charts")


@dataclass(frozen=True)
class Picture:
    """A picture in its own pixels, and what stands below it.

    Attributes:
        image: The file of a PNG, or its bytes; None for no picture.
        title: What it is.
        note: Figures that belong to it, in small type.
        absent: What stands in its place where there is none.
        series: The attack that it is of, whose colour stands beside the title; empty for none.
    """

    image: Path | Annotated[bytes, NeverInJson()] | None
    title: str
    note: str = ""
    absent: str = "image missing"
    series: str = ""


@dataclass(frozen=True)
class Row:
    """Pictures to compare, under a heading.

    Attributes:
        title: The heading.
        pictures: From left to right.
        scale: What the colours of the pictures mean; empty if nothing is coloured.
        top: The value that is drawn brightest; what is drawn darkest is 0.
    """

    title: str
    pictures: Sequence[Picture]
    scale: str = ""
    top: float = 1.0

    def __post_init__(self) -> None:
        _freeze(self, "pictures")


@dataclass(frozen=True)
class Pictures:
    """Rows of pictures."""

    title: str
    caption: str
    rows: Sequence[Row]

    def __post_init__(self) -> None:
        _freeze(self, "rows")


@dataclass(frozen=True)
class Notes:
    """Sentences that a reader must know, as a list."""

    title: str
    items: Sequence[str]

    def __post_init__(self) -> None:
        _freeze(self, "items")


Block = Annotated[Table | Charts | Pictures | Notes, ByKind()]
"""What a document is made of."""


@dataclass(frozen=True)
class Document:
    """What a page, or a section of one, says.

    Attributes:
        title: What it shows.
        source: Where the original stands.
        settings: What it was made with, as names and values.
        blocks: What follows, from top to bottom.
    """

    title: str
    source: str = ""
    settings: Sequence[tuple[str, str]] = ()
    blocks: Sequence[Block] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple((name, value) for name, value in self.settings))
        _freeze(self, "blocks")


def _freeze(block: object, *names: str) -> None:
    for name in names:
        object.__setattr__(block, name, tuple(getattr(block, name)))

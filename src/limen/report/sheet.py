"""A page of tables, charts, pictures and notes: one file without a script, which loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from limen import __version__
from limen.errors import UsageError
from limen.report.chart import Chart, markup
from limen.report.templating import environment, template_file
from limen.runs.files import write_whole

_STYLES = ("style.css", "chart.css", "sheet.css")


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table: a value, and below it lines in small type that belong to it."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; the first cell of each names the row."""

    title: str
    rows: Sequence[Sequence[Cell]]


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
        for row in (row for group in self.groups for row in group.rows):
            if len(row) != len(self.columns):
                raise UsageError(f"{self.title}: a row has {len(row)} cells for {len(self.columns)} columns")


@dataclass(frozen=True)
class Charts:
    """Charts side by side under a common title."""

    title: str
    caption: str
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Picture:
    """A picture in its own pixels, and what stands below it.

    Attributes:
        url: A data URL.
        width: Its width in pixels.
        title: What it is.
        note: Figures that belong to it, in small type.
    """

    url: str
    width: int
    title: str
    note: str = ""


@dataclass(frozen=True)
class Pictures:
    """Rows of pictures to compare, each under a heading of its own."""

    title: str
    caption: str
    rows: Sequence[tuple[str, Sequence[Picture]]]


@dataclass(frozen=True)
class Notes:
    """Sentences that a reader must know, as a list."""

    title: str
    items: Sequence[str]


@dataclass(frozen=True)
class Sheet:
    """The page.

    Attributes:
        title: What it shows.
        source: Where the original stands.
        settings: What it was made with, as names and values.
        blocks: What follows, from top to bottom.
    """

    title: str
    source: str
    settings: Sequence[tuple[str, str]]
    blocks: Sequence[Table | Charts | Pictures | Notes]


def render(sheet: Sheet) -> str:
    """The page as HTML text.

    Example:
        >>> "<h1>A &lt; B</h1>" in render(Sheet("A < B", "a paper", [("seed", "0")], []))
        True
    """
    return (
        environment()
        .get_template("sheet.html.j2")
        .render(
            sheet=sheet,
            kinds=[type(block).__name__ for block in sheet.blocks],
            draw=markup,
            style=Markup("".join(map(template_file, _STYLES))),  # noqa: S704 - our own files
            version=__version__,
        )
    )


def write_sheet(sheet: Sheet, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        LimenError: If the file cannot be written; an older one is then still whole.
    """
    write_whole(path, render(sheet).encode())

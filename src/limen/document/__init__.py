"""What a page says, as data: a page, a terminal and other programs show the same document."""

from __future__ import annotations

from limen.document.blocks import (
    Block,
    Cell,
    Charts,
    Document,
    Group,
    Notes,
    Picture,
    Pictures,
    Row,
    Table,
)
from limen.document.charts import AnyChart, Box, BoxPlot, Chart, Line, Mark
from limen.document.layout import line_pieces, side_by_side, wrapped
from limen.document.merging import merge, of_run
from limen.document.numbers import Form, finite, near_one, number, percent
from limen.document.plain import harmless
from limen.document.stored import from_json, pictures_of, to_json

__all__ = [
    "AnyChart",
    "Block",
    "Box",
    "BoxPlot",
    "Cell",
    "Chart",
    "Charts",
    "Document",
    "Form",
    "Group",
    "Line",
    "Mark",
    "Notes",
    "Picture",
    "Pictures",
    "Row",
    "Table",
    "finite",
    "from_json",
    "harmless",
    "line_pieces",
    "merge",
    "near_one",
    "number",
    "of_run",
    "percent",
    "pictures_of",
    "side_by_side",
    "to_json",
    "wrapped",
]

"""Tables as CSV, which spreadsheets open: text in them stays text."""

from __future__ import annotations

import io
import re

import pyarrow as pa
from pyarrow import csv

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def to_csv(table: pa.Table) -> bytes:
    """A table of plain values as CSV, in which no text begins as a formula does.

    Example:
        >>> print(to_csv(pa.table({"file": ["=1+1", "a.png"], "score": [0.5, None]})).decode().strip())
        "file","score"
        "'=1+1",0.5
        "a.png",
    """
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = [None if each is None else _as_text(each) for each in table[field.name].to_pylist()]
            table = table.set_column(place, field, pa.array(texts, field.type))
    stream = io.BytesIO()
    csv.write_csv(table, stream)
    return stream.getvalue()


def _as_text(text: str) -> str:
    """What a spreadsheet would take for a formula, with an apostrophe before it; a number stays as it is."""
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text

"""Answers as a table: a row for each, as the page saves it and spreadsheets write it again."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from limen.errors import RunError

_OF_ALL = ("format", "study", "observer", "schedule", "began", "ended")
_OF_SCREEN = ("width", "height", "ratio", "window_width", "window_height", "scale")
_OF_ANSWER = ("trial", "left", "right", "answer", "ms", "shown", "away")
_TEXTS = {"study", "observer", "began", "ended", "answer"}
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}

COLUMNS = (*_OF_ALL, *(f"screen_{name}" for name in _OF_SCREEN), *_OF_ANSWER)
"""The columns of such a table; further ones are left aside."""


def sheets_in(text: str) -> list[dict[str, Any]]:
    """The answers of each observer in a table, as the page's JSON has them.

    Commas, semicolons and tabs may stand between values, and lines may end in any way.

    Args:
        text: The table.

    Raises:
        RunError: If it is no table, or lacks a column; the message says which.

    Example:
        >>> sheets_in("trial;ms")
        Traceback (most recent call last):
        limen.errors.RunError: the table lacks the columns format, study, observer, ...
    """
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names, *lines = [row for row in rows if any(row)] or [[]]
    except csv.Error as error:
        raise RunError(f"not a valid table ({error})") from None
    if missing := [name for name in COLUMNS if name not in names]:
        raise RunError(f"the table lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
    sheets: dict[tuple[str, ...], dict[str, Any]] = {}
    for number, line in enumerate(lines, 2):
        if len(line) != len(names):
            raise RunError(f"row {number} has {len(line)} values, and there are {len(names)} columns")
        row = dict(zip(names, line, strict=True))
        of_all = tuple(row[name] for name in _OF_ALL)
        if of_all not in sheets:
            screen = {name: _value(name, row[f"screen_{name}"]) for name in _OF_SCREEN}
            sheets[of_all] = {
                **{name: _value(name, row[name]) for name in _OF_ALL},
                "ended": row["ended"] or None,
                "screen": screen,
                "answers": [],
            }
        sheets[of_all]["answers"].append({name: _value(name, row[name]) for name in _OF_ANSWER})
    return list(sheets.values())


def _value(name: str, text: str) -> object:
    """A value as JSON would have it; what is none stays as it is, for the reader to refuse."""
    text = text.strip()
    if name in _TEXTS:
        return text
    if name == "away":
        return _TRUTHS.get(text.lower(), text)
    number = text.replace(",", ".")
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", number):
        return text
    value = float(number)
    return int(value) if value.is_integer() else value

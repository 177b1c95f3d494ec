from __future__ import annotations

import csv
import io
import re

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from limen.analysis import to_csv


@example(["-0.", "+1e9", "-inf", "-1_0", "-"])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=4)))
def test_no_text_begins_as_a_formula_and_all_of_it_is_there(texts: list[str]):
    rows = list(csv.reader(io.StringIO(to_csv(pa.table({"name": pa.array(texts, pa.string())})).decode())))[
        1:
    ]
    assert len(rows) == len(texts)
    for text, row in zip(texts, rows, strict=True):
        (cell,) = row or [""]
        assert cell in (text, f"'{text}")
        assert not cell.startswith(("=", "+", "-", "@", "\t")) or re.fullmatch(
            r"[+-][0-9.]+(e[0-9]+)?", cell.lower()
        )


def test_numbers_stay_numbers_and_gaps_stay_gaps():
    table = pa.table({"name": ["-1.5", "-x", None], "value": [-0.5, 1.0, None]})
    assert to_csv(table).decode().splitlines() == ['"name","value"', '"-1.5",-0.5', '"\'-x",1', ","]

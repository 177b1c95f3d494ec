"""Answers as a table, as spreadsheets write it."""

from __future__ import annotations

import re

import pytest

from limen.errors import LimenError
from limen.study import make_study
from limen.study.answers import read_sheets

from .simulated import honest, sheet, write


@pytest.fixture(scope="module")
def study(small_run, tmp_path_factory):
    return make_study(small_run(9).directory, tmp_path_factory.mktemp("study") / "study", observers=3)


def as_table(*sheets, between=",", ends="\r\n"):
    """What a spreadsheet writes of the page's table."""
    rows = [
        {
            **told,
            **{f"screen_{name}": value for name, value in told["screen"].items()},
            **answer,
            "rt": "null",
        }
        for told in sheets
        for answer in told["answers"]
    ]
    names = [name for name in rows[0] if name not in ("screen", "answers")]
    lines = [names, *([str("" if row[name] is None else row[name]) for name in names] for row in rows)]
    return ends.join(between.join(line) for line in lines)


@pytest.mark.parametrize(
    ("between", "ends", "encoding", "away"),
    [
        (",", "\r\n", "utf-8-sig", "false"),
        (";", "\n", "utf-8", "FALSE"),
        ("\t", "\r", "utf-16", "0"),
    ],
    ids=["page", "semicolons", "unicode text"],
)
def test_answers_in_a_table_are_those_in_json(study, tmp_path, between, ends, encoding, away):
    sheets = [sheet(study.key, n + 1, honest, ended=None if n else "2026-01-01") for n in range(3)]
    sheets[0]["screen"]["ratio"] = 1.25
    text = as_table(*sheets, between=between, ends=ends).replace("False", away)
    if between == ";":
        text = text.replace("1.25", "1,25")
    (tmp_path / "Table.CSV").write_bytes(text.encode(encoding))
    found = read_sheets([tmp_path], study.key)
    assert found == read_sheets([write(tmp_path / "json", *sheets)], study.key)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "", "the table lacks the columns format, study, observer, schedule, "),
        (lambda text: text.replace("observer", "who", 1), "the table lacks the column observer"),
        (lambda text: text + ",7", "row 27 has 21 values, and there are 20 columns"),
        (
            lambda text: text.replace(",900,", ",soon,", 1),
            "answers[0].ms is 'soon': expected a valid integer",
        ),
        (lambda text: text.replace(",900,", ",9.5,", 1), "answers[0].ms is 9.5: expected a valid integer"),
        (lambda text: text.replace("False", "perhaps", 1), "answers[0].away is 'perhaps'"),
        (lambda text: text + '\r\n"', "not a valid table (unexpected end of data)"),
        (lambda text: text.replace("2026", "2027", 1), "observer '1' answered twice; leave one of them out"),
    ],
    ids=["empty", "column", "row", "word", "fraction", "truth", "quote", "twice"],
)
def test_a_table_that_the_page_did_not_write_is_refused(study, tmp_path, change, says):
    (tmp_path / "a.csv").write_text(change(as_table(sheet(study.key, 1, honest))), newline="")
    with pytest.raises(LimenError, match=r"a\.csv: " + re.escape(says)):
        read_sheets([tmp_path / "a.csv"], study.key)

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from limen.document import (
    Box,
    BoxPlot,
    Cell,
    Chart,
    Charts,
    Document,
    Group,
    Line,
    Mark,
    Notes,
    Picture,
    Pictures,
    Row,
    Table,
    from_json,
    pictures_of,
    to_json,
)
from limen.errors import RunError, UsageError
from limen.report.sheet import render

FOLDER = Path("evaluation") / "attention" / "pictures"


@pytest.fixture
def document() -> Document:
    cells = [Cell("ddn", series="ddn"), Cell(value=0.5, low=0.25, high=1, form="share", note="of 8")]
    line = Line("ddn", [1, 2], [0.5, math.nan], [0.4, math.nan], [0.6, math.nan], series="ddn")
    chart = Chart("t", "x", "y", [line], x_range=(1, 2), log_x=True, marks=[Mark(1.5, "here")])
    box = Box("ddn", (1, 2, 3), (1, 4), [9], series="ddn")
    pictures = [Picture(FOLDER / "ddn%2Fcat.png", "ddn"), Picture(None, "fgsm", absent="not fooled")]
    return Document(
        "Attention",
        "a paper",
        [("layer", "features")],
        [
            Table("T", "caption", ["attack", "share"], [Group("", [cells])]),
            Charts("C", "", [chart, BoxPlot("t", "x", [box], log_x=True)]),
            Pictures("P", "", [Row("cat", pictures, "1 − SSIM", 0.5)]),
            Notes("N", ["one"]),
        ],
    )


def test_a_box_without_values_and_a_chart_of_an_earlier_limen_read_back(document):
    empty = Box("none", [math.nan] * 3, [math.nan] * 2)
    held = replace(document, blocks=[Charts("C", "", [BoxPlot("t", "x", [empty])])])
    (read,) = from_json(to_json(held), FOLDER).blocks[0].charts
    assert all(map(math.isnan, (*read.boxes[0].quartiles, *read.boxes[0].whiskers)))
    content = json.loads(to_json(document))
    del content["blocks"][1]["charts"][0]["lines"][0]["steps"]
    assert from_json(json.dumps(content), FOLDER) == document


def changed(document: Document, *place: int | str, to: object) -> str:
    content = json.loads(to_json(document))
    value = content
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = to
    return json.dumps(content)


def test_a_document_comes_back_equal_with_its_pictures_in_the_folder(document):
    assert from_json(to_json(document), FOLDER) == document
    moved = from_json(to_json(document), Path("elsewhere"))
    assert [*pictures_of(moved)] == [Path("elsewhere") / "ddn%2Fcat.png"]


def test_the_json_is_strict(document):
    text = to_json(replace(document, title="<b>ä"))
    assert "NaN" not in text
    json.loads(text, parse_constant=pytest.fail)


TABLE, CHART, ROW = ("blocks", 0), ("blocks", 1, "charts", 0), ("blocks", 2, "rows", 0)


@pytest.mark.parametrize(
    ("place", "to", "message"),
    [
        (("format",), 2, "upgrade Limen"),
        (("format",), "1", "not a document"),
        (("title",), 3, "title is 3: expected a valid string"),
        (
            ("blocks", 0, "kind"),
            "Script",
            r"blocks\[0\] is .*'Script' found using 'kind' .*'Table', 'Charts'",
        ),
        (("blocks", 0), [], r"blocks\[0\] is \[\]: expected"),
        ((*TABLE, "groups", 0, "rows", 0), [], "a row has 0 cells for 2 columns"),
        ((*TABLE, "groups", 0, "rows", 0, 1, "form"), "roman", "expected 'number', 'share'"),
        ((*TABLE, "groups", 0, "rows", 0, 1, "value"), "1", "expected a valid number"),
        ((*TABLE, "groups", 0, "rows", 0, 1, "value"), True, "expected a valid number"),
        ((*CHART, "lines", 0, "y"), [1], "equally many values"),
        ((*CHART, "x_range"), [1, 2, 3], "at most 2 items"),
        ((*CHART, "x_range"), [0, 1], "is no range"),
        ((*CHART, "marks", 0, "x"), 10**400, "a mark is outside the axis"),
        ((*ROW, "pictures", 0, "image"), "../../secret.png", "no plain file name"),
        ((*ROW, "pictures", 0, "image"), "/etc/passwd", "no plain file name"),
        ((*ROW, "pictures", 0, "image"), "..", "no plain file name"),
        ((*ROW, "pictures", 0, "image"), ".hidden.png", "no plain file name"),
        ((*ROW, "pictures", 0, "image"), "page.html", "no plain file name"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(document, place, to, message):
    with pytest.raises(RunError, match=message) as caught:
        from_json(changed(document, *place, to=to), FOLDER)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", pytest.param("[" * 100_000, id="nested"), '{"format": NaN}', "null", b"\xff"],
)
def test_what_is_no_document_is_refused(text):
    with pytest.raises(RunError):
        from_json(text, FOLDER)


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 0, -1])
def test_hostile_numbers_are_drawn_without_an_error(document, value):
    text = changed(document, *CHART, "lines", 0, "y", to=[value, value])
    text = json.dumps(json.loads(text) | {"title": "<script>"})
    assert "<script" not in render(from_json(text, FOLDER))


def test_pictures_of_stored_documents_are_files_with_plain_names():
    for image in (b"png", Path("a b.png"), Path("a.jpg")):
        shown = Document("t", blocks=[Pictures("p", "", [Row("r", [Picture(image, "one")])])])
        with pytest.raises(UsageError, match="plain name"):
            to_json(shown)
        with pytest.raises(UsageError, match="plain name"):
            [*pictures_of(shown)]

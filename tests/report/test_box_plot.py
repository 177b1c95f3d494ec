"""Box plots as markup: numbers lie where the axis says, and lines in steps hold their height."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from limen.document import Box, BoxPlot, Chart, Charts, Document, Line
from limen.errors import UsageError
from limen.report.axes import WIDTH
from limen.report.blocks import render_blocks
from limen.report.box_plot import boxes_markup
from limen.report.chart import markup

EVIL = '<script>alert(1)</script>&"'
BOX = Box("ddn", (2, 4, 8), (1, 10), [14, 16], series="ddn")


def drawn(chart: BoxPlot, kind: str) -> list[ElementTree.Element]:
    tree = ElementTree.fromstring(str(boxes_markup(chart)))
    return [each for each in tree.iter() if kind in (each.get("class") or "").split()]


def numbers(text: str | None) -> list[float]:
    return [float(each) for each in re.findall(r"[-\d.]+", text or "")]


@pytest.mark.parametrize("span", [(0, 20), (20, 0)])
def test_quartiles_whiskers_and_outliers_lie_where_the_axis_says(span):
    chart = BoxPlot("t", "x", [BOX], x_range=span)
    (box,), points = drawn(chart, "box"), drawn(chart, "point")
    ticks = {
        text.text: float(text.get("x"))
        for text in ElementTree.fromstring(str(boxes_markup(chart))).iter("text")
    }

    def place(value: float) -> float:
        return ticks["0"] + (ticks["20"] - ticks["0"]) * value / 20

    left, right = sorted(map(place, (2, 8)))
    assert float(box.get("x")) == pytest.approx(left, abs=0.2)
    assert float(box.get("x")) + float(box.get("width")) == pytest.approx(right, abs=0.2)
    assert [float(each.get("cx")) for each in points] == pytest.approx([place(14), place(16)], abs=0.2)
    whiskers, median = drawn(chart, "line")
    assert numbers(median.get("d"))[0] == pytest.approx(place(4), abs=0.2)
    reached = numbers(whiskers.get("d"))
    assert any(abs(each - place(1)) < 0.2 for each in reached)
    assert any(abs(each - place(10)) < 0.2 for each in reached)


def test_boxes_stand_below_each_other_in_the_colours_of_their_attacks():
    chart = BoxPlot(
        "t", "x", [BOX, Box("none", (math.nan,) * 3, (math.nan,) * 2), Box("c", (1, 1, 1), (1, 1))]
    )
    first, third = drawn(chart, "box")
    assert float(third.get("y")) > float(first.get("y")) + 2 * float(first.get("height"))
    page = str(render_blocks(Document("", blocks=[Charts("C", "", [chart])]), {"ddn": 4}))
    assert 'class="box s4"' in page
    assert "none: no values." in page


def test_a_logarithmic_axis_lays_what_is_not_positive_at_its_low_end():
    low = Box("low", (0, 1, 10), (0, 100))
    (box,) = drawn(BoxPlot("t", "x", [low], log_x=True), "box")
    assert 0 < float(box.get("x")) < float(box.get("x")) + float(box.get("width")) < WIDTH


def test_text_is_escaped_and_numbers_must_rise():
    text = str(boxes_markup(BoxPlot(EVIL, EVIL, [Box(EVIL, (1, 2, 3), (0, 4))])))
    assert "<script" not in text
    with pytest.raises(UsageError, match="do not rise"):
        Box("a", (3, 2, 1), (0, 4))
    with pytest.raises(UsageError, match="no range"):
        BoxPlot("t", "x", [], x_range=(0, 1), log_x=True)


def test_a_box_plot_and_a_chart_of_the_same_attacks_share_a_legend():
    chart = Chart("t", "x", "y", [Line("ddn", [0, 1], [0, 1], series="ddn")])
    page = str(render_blocks(Document("", blocks=[Charts("C", "", [BoxPlot("t", "x", [BOX]), chart])])))
    assert '<div class="charts shared">' in page


def test_a_line_in_steps_holds_its_height_up_to_the_next_place():
    line = Line("a", [0, 1, 2], [0, 0.5, 1], [0, 0.25, 0.5], [0, 1, 1], steps=True)
    tree = ElementTree.fromstring(str(markup(Chart("t", "x", "y", [line]))))
    (path,) = [each for each in tree.iter() if "line" in (each.get("class") or "").split()]
    corners = [tuple(numbers(pair)) for pair in path.get("d")[1:].split("L")]
    assert len(corners) == 5
    for (x0, y0), (x1, y1) in pairwise(corners):
        assert (x0 == x1) != (y0 == y1)
    assert not [each for each in tree.iter() if "point" in (each.get("class") or "").split()]

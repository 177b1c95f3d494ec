from __future__ import annotations

import math

import pytest

from limen.document import Cell, Chart, Group, Line, Mark, Table
from limen.errors import UsageError


def test_a_number_is_written_in_its_form_with_its_interval_below():
    cell = Cell(value=0.5, low=0.25, high=1.0, form="share", note="of 8\nimages")
    assert cell.shown == "50.0\N{NO-BREAK SPACE}%"
    assert cell.lines == ["25.0\N{NO-BREAK SPACE}% to 100\N{NO-BREAK SPACE}%", "of 8", "images"]
    assert Cell(value=0.99876, form="near_one").shown == "0.9988"
    assert Cell(value=1234, form="count").shown == "1,234"


def test_a_text_stands_for_itself_and_nothing_is_a_dash():
    assert Cell("PGD", value=3.0).shown == "PGD"
    assert Cell().shown == "–"
    assert Cell(value=math.nan).shown == "–"
    assert Cell(value=math.inf).shown == "∞"
    assert Cell(value=1.0, low=math.nan, high=math.nan).lines == []


def test_rows_fit_their_columns():
    with pytest.raises(UsageError, match="a row has 1 cells for 2 columns"):
        Table("t", "c", ["a", "b"], [Group("", [[Cell("one")]])])


@pytest.mark.parametrize(
    "settings",
    [
        {"x_range": (1, 1)},
        {"y_range": (0, math.nan)},
        {"x_range": (0, 1), "log_x": True},
        {"y_range": (-1, 1), "log_y": True},
        {"x_range": (-1e308, 1e308)},
        {"marks": [Mark(0, "m")], "log_x": True},
        {"marks": [Mark(math.inf, "m")]},
    ],
)
def test_axes_that_cannot_be_drawn_are_refused(settings):
    with pytest.raises(UsageError, match="chart 't'"):
        Chart("t", "x", "y", [], **settings)


def test_values_that_no_axis_can_hold_are_gaps():
    line = Line("a", [1, 2, 3], [1e300, math.inf, 1e-320])
    assert [math.isnan(value) for value in line.y] == [True, True, False]
    assert line.y[2] == 0

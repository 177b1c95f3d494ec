"""Charts drawn into axes, read back from what was drawn."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from limen.document import AnyChart, Box, BoxPlot, Chart, Line, Mark
from limen.report.figures import draw
from limen.report.figures.scales import Ticks
from limen.report.palette import PAGE, PAPER

NAN = math.nan
BOX = Box("ddn", (2, 4, 8), (1, 10), [14, 16], series="ddn")


def drawn(chart: AnyChart, **options: object) -> Axes:
    made = Figure(figsize=(3.35, 2.1))
    axes = draw(chart, made.add_subplot(), **options)
    made.canvas.draw()
    return axes


def lines(*given: Line, **settings: object) -> Chart:
    return Chart("t", "x", "y", given, **settings)


def ticks(axes: Axes, name: str = "x") -> dict[str, float]:
    axis = getattr(axes, f"{name}axis")
    low, high = sorted(axis.get_view_interval())
    shown = [
        (each.get_text(), float(at))
        for each, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
    ]
    return {text: at for text, at in shown if low <= at <= high}


def test_lines_are_their_data_under_the_labels_and_within_the_ranges_of_the_chart():
    line = Line("pgd", [0, 5, 10], [0, 1, 0.5], dashed=True)
    axes = drawn(Chart("t", "budget", "rate", [line], x_range=(10, 0), y_range=(0, 1), percent=True))
    (found,) = axes.lines
    assert found.get_xydata().tolist() == [[0, 0], [5, 1], [10, 0.5]]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("budget", "rate", "")
    assert (axes.get_xlim(), axes.get_ylim()) == ((10, 0), (0, 1))
    assert found.is_dashed()
    assert axes.get_legend_handles_labels()[1] == ["pgd"]
    assert "60\N{NO-BREAK SPACE}%" in ticks(axes, "y")


def test_without_ranges_all_values_and_bands_are_in_view():
    axes = drawn(lines(Line("a", [1, 3], [5, 6], [4, 5], [6, 8])))
    assert axes.get_ylim() == pytest.approx((4 - 0.16, 8 + 0.16))
    (band,) = axes.collections
    assert isinstance(band, PolyCollection)
    assert band.get_paths()[0].get_extents().extents.tolist() == [1, 4, 3, 8]


def test_the_interval_of_a_point_alone_is_a_stroke():
    axes = drawn(lines(Line("a", [1, 2, 3], [5, NAN, 6], [4, NAN, 5], [7, NAN, 8])))
    (strokes,) = [each for each in axes.collections if isinstance(each, LineCollection)]
    assert [each.tolist() for each in strokes.get_segments()] == [[[1, 4], [1, 7]], [[3, 5], [3, 8]]]
    apart = drawn(lines(Line("a", [1, 2], [5, 6], [4, 5], [6, 7], joined=False)))
    assert (
        sum(len(each.get_segments()) for each in apart.collections if isinstance(each, LineCollection)) == 2
    )


@pytest.mark.parametrize("log", ["log_x", "log_y"])
def test_a_line_is_broken_where_an_axis_has_no_place(log):
    values = [0, 1, 10, NAN, math.inf, -3]
    axes = drawn(lines(Line("a", values, values), **{log: True}))
    data = axes.lines[0].get_xydata()[:, 0 if log == "log_x" else 1]
    assert np.isnan(data).tolist() == [True, False, False, True, True, True]
    assert getattr(axes, f"get_{log[-1]}scale")() == "log"
    assert getattr(axes, f"get_{log[-1]}lim")() == pytest.approx((1 / 1.15, 11.5))


def test_a_line_in_steps_holds_its_height_and_its_band_does_too():
    axes = drawn(lines(Line("a", [0, 1], [0.2, 1], [0, 0.5], [0.4, 1], steps=True)))
    assert axes.lines[0].get_drawstyle() == "steps-post"
    corners = axes.collections[0].get_paths()[0].vertices
    assert [1, 0.4] in corners.tolist()


def test_few_points_and_points_apart_are_drawn_and_many_are_not_on_a_page():
    many = list(range(1, 41))
    few, apart, joined = drawn(
        lines(Line("few", [1, 2], [1, 2]), Line("apart", many, many, joined=False), Line("many", many, many)),
        look=PAGE,
    ).lines
    assert (few.get_marker(), apart.get_marker(), joined.get_marker()) == ("o", "o", "none")
    assert apart.get_linestyle() == "None"
    assert apart.get_markevery() is None


def test_series_have_colours_shapes_and_dashes_by_their_numbers():
    found = drawn(lines(*(Line(str(i), [0, 1], [i, i], series=str(i)) for i in range(9)))).lines
    assert [each.get_color() for each in found] == [*PAPER.series, PAPER.series[0]]
    assert len({(each.get_color(), each.get_marker(), each.is_dashed()) for each in found}) == 9
    assert len({each.get_marker() for each in found}) == 8
    (named,) = drawn(lines(Line("a", [0], [0], series="pgd")), colours={"pgd": 3}).lines
    assert named.get_color() == PAPER.series[3]


def test_a_mark_stands_at_its_value_with_its_text_on_the_side_that_has_room():
    axes = drawn(
        lines(Line("a", [0, 10], [0, 1]), x_range=(0, 10), marks=[Mark(2, "here"), Mark(9, "there")])
    )
    assert [line.get_xdata() for line in axes.lines[1:]] == [[2, 2], [9, 9]]
    texts = [(text.get_text(), text.xy[0], text.get_horizontalalignment()) for text in axes.texts]
    assert texts == [("here", 2, "left"), ("there", 9, "right")]


def test_a_mark_is_in_view_unless_the_range_of_the_chart_leaves_it_out():
    line, marks = Line("a", [4, 5], [0, 1]), [Mark(1, "target")]
    free, bound = drawn(lines(line, marks=marks)), drawn(lines(line, marks=marks, x_range=(4, 5)))
    assert free.get_xlim()[0] < 1
    assert (len(free.texts), len(bound.texts), len(bound.lines)) == (1, 0, 1)


@pytest.mark.parametrize("span", [None, (0, 20), (20, 0)], ids=["free", "rising", "falling"])
def test_boxes_have_their_quartiles_whiskers_and_outliers_below_each_other(span):
    none = Box("none", (NAN,) * 3, (NAN,) * 2)
    axes = drawn(
        BoxPlot("t", "L₂", [BOX, none, Box("c", (1, 1, 1), (1, 1))], x_range=span), colours={"ddn": 4}
    )
    boxes = [each for each in axes.patches if isinstance(each, PathPatch)]
    assert axes.get_legend_handles_labels()[1] == ["ddn", "none", "c"]
    assert [to_hex(each.get_edgecolor()) for each in boxes] == [PAPER.series[at] for at in (4, 1, 2)]
    first, third = boxes[0].get_path().get_extents(), boxes[2].get_path().get_extents()
    assert (first.x0, first.x1) == (2, 8)
    assert axes.transData.transform((0, third.y0))[1] < axes.transData.transform((0, first.y0))[1]
    whiskers = [line.get_xdata() for line in axes.lines[:2]]
    assert [list(each) for each in whiskers] == [[2, 1], [8, 10]]
    assert any(list(line.get_xdata()) == [14, 16] for line in axes.lines)
    assert axes.get_xlim() == (span or pytest.approx((1 - 0.6, 16 + 0.6)))
    assert axes.get_xlabel() == "L₂"


def test_a_logarithmic_axis_lays_what_is_not_positive_in_a_box_at_its_low_end():
    axes = drawn(BoxPlot("t", "x", [Box("low", (0, 1, 10), (0, 100), [-1, 300])], log_x=True))
    (box,) = axes.patches
    assert box.get_path().get_extents().x0 == axes.get_xlim()[0]
    assert [300] in [list(line.get_xdata()) for line in axes.lines]


@pytest.mark.parametrize(
    "chart",
    [
        lines(),
        lines(Line("a", [], [])),
        lines(Line("a", [NAN], [NAN], [NAN], [NAN]), log_x=True, log_y=True),
        lines(Line("a", [3], [7])),
        lines(Line("a", [0, 0], [0, 0], [0, 0], [0, 0])),
        lines(Line("a", [1e99, -1e99], [1e-99, 1e99])),
        lines(*(Line(f"attack {i}", [0, 1], [i, i + 1], [i, i], [i + 2, i + 2]) for i in range(200))),
        BoxPlot("t", "x", []),
        BoxPlot("t", "x", [Box("a", (NAN,) * 3, (NAN,) * 2)], log_x=True),
    ],
    ids=[
        "no line",
        "no point",
        "no value",
        "a point",
        "zeros",
        "extremes",
        "hundreds",
        "no box",
        "no values",
    ],
)
def test_whatever_a_chart_holds_is_drawn_without_a_warning(chart):
    axes = drawn(chart)
    assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()
    assert len(axes.lines) >= len(getattr(chart, "lines", ()))


EVIL = ["_hidden", "$\\frac$", "a\nb\x1b[2K\u202eevil", "<script>&\"'", "%s {} \\", ""]


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_text_is_shown_as_it_is_and_is_no_mathematics(text):
    for chart in (
        Chart(text, text, text, [Line(text, [0, 1], [0, 1])], marks=[Mark(0.5, text)]),
        BoxPlot(text, text, [Box(text, (1, 2, 3), (0, 4))]),
    ):
        axes = drawn(chart)
        axes.legend()
        (label,) = axes.get_legend_handles_labels()[1]
        axes.figure.canvas.draw()
        shown = {label.strip(), axes.get_xlabel()}
        assert shown == {"a\\nb\\x1b[2K\\u202eevil" if "\n" in text else text}


def test_the_callers_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    drawn(lines(Line("a", [0, 1], [0, 1])))
    assert dict(matplotlib.rcParams) == before


def test_over_whole_numbers_no_tick_lies_between_them():
    def labels(*places: float) -> set[str]:
        return {*ticks(drawn(lines(Line("one", places, [1.0] * len(places)))))}

    assert {"2", "3", "4"} == labels(2, 3, 4)
    assert "2.5" in labels(2, 3.5, 4)


def test_ticks_have_as_many_digits_as_tell_them_apart():
    axes = drawn(lines(Line("a", [0.9975, 0.9995], [0, 1]), x_range=(0.9975, 0.9995)))
    assert {"0.9985", "0.9990"} <= {*ticks(axes)}
    assert Ticks().format_ticks([-0.0, 0.1 + 0.2, -1, 12000]) == ["0", "0.3", "−1", "12,000"]


@settings(max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.booleans())
def test_ticks_are_round_few_and_told_apart(low, length, log):
    low = abs(low) + 1e-6 if log else low
    if not length > 1e-6 * abs(low):
        return
    axes = Figure().add_subplot()
    draw(lines(Line("a", [low], [0]), x_range=(low, low + length), log_x=log), axes)
    low, high = axes.get_xlim()
    places = [tick for tick in axes.xaxis.get_majorticklocs() if low <= tick <= high]
    texts = axes.xaxis.get_major_formatter().format_ticks(places)
    assert len(places) <= 10
    assert len({*texts}) == len(texts)
    if len(places) > 2 and not log:
        assert np.allclose(np.diff(places), places[1] - places[0], rtol=1e-5)


def test_factors_have_equal_lengths_on_a_logarithmic_axis():
    axes = drawn(lines(Line("a", [1e-6, 1], [0, 0]), log_x=True))
    assert {"0.0001", "0.01"} <= {*ticks(axes)} or {"1e-5", "0.001"} <= {*ticks(axes)}
    assert len(ticks(axes)) <= 7
    within = ticks(drawn(lines(Line("a", [1, 9], [0, 0]), log_x=True)))
    assert {"2", "4"} <= {*within} or {"2", "5"} <= {*within}

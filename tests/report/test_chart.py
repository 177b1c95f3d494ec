from __future__ import annotations

import itertools
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.document import Chart, Line, Mark
from limen.errors import UsageError
from limen.report.axes import WIDTH, linear_ticks, log_ticks
from limen.report.chart import HEIGHT, describe, markup
from limen.report.templating import environment, template_file

EVIL = '<script>alert(1)</script>&"'


def figure(chart: Chart) -> ElementTree.Element:
    """The markup as a tree; a tag left open or a text left unescaped is an error."""
    return ElementTree.fromstring(str(markup(chart)))


def drawn(chart: Chart, kind: str) -> list[ElementTree.Element]:
    return [each for each in figure(chart).iter() if kind in (each.get("class") or "").split()]


def places(path: str) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", path)]


def texts(chart: Chart) -> list[str]:
    return [each.text or "" for each in figure(chart).iter("text")]


def test_points_lie_where_the_axes_say():
    chart = Chart("t", "x", "y", [Line("a", [0, 5, 10], [0, 1, 0.5])], x_range=(0, 10), y_range=(0, 1))
    (line,) = drawn(chart, "line")
    (left, bottom), (middle, top), (right, half) = places(line.get("d"))
    assert middle == pytest.approx((left + right) / 2, abs=0.1)
    assert half == pytest.approx((top + bottom) / 2, abs=0.1)
    assert left < right
    assert top < bottom
    ticks = {text.text: float(text.get("x")) for text in figure(chart).iter("text") if text.text}
    assert ticks["0"] in (left, left - 8)
    assert ticks["10"] == right


def test_a_log_axis_spaces_factors_evenly():
    chart = Chart("t", "x", "y", [Line("a", [1, 10, 100], [0, 0, 0])], log_x=True)
    (line,) = drawn(chart, "line")
    one, ten, hundred = (x for x, _ in places(line.get("d")))
    assert ten - one == pytest.approx(hundred - ten, abs=0.2)


def test_a_falling_range_turns_the_axis():
    chart = Chart("t", "x", "y", [Line("a", [60, 20], [0, 1])], x_range=(60, 20))
    (line,) = drawn(chart, "line")
    (first, _), (last, _) = places(line.get("d"))
    assert first < last


def test_a_line_is_broken_where_a_value_is_missing():
    chart = Chart("t", "x", "y", [Line("a", [1, 2, 3, 4, 5], [1, 2, math.nan, 4, math.inf])])
    assert len(drawn(chart, "line")) == 1  # the fourth point stands alone
    assert len(drawn(chart, "point")) == 3
    on_log = Chart("t", "x", "y", [Line("a", [0, 1, 2], [1, 2, 3])], log_x=True)
    assert len(drawn(on_log, "point")) == 2


def test_a_band_surrounds_its_line_and_is_asked_for_with_both_ends():
    low, high = np.array([4.0, 5.0]), np.array([6.0, 8.0])
    chart = Chart("t", "x", "y", [Line("a", np.arange(2), np.array([5, 6]), low, high)])
    assert describe(chart).endswith("a: 5 at 0 to 6 at 1.")
    (band,) = drawn(chart, "band")
    (line,) = drawn(chart, "line")
    heights = [y for _, y in places(band.get("d"))]
    assert min(heights) < min(y for _, y in places(line.get("d")))
    assert max(heights) > max(y for _, y in places(line.get("d")))
    with pytest.raises(UsageError, match="both low and high"):
        Line("a", [0], [1], low=[0])
    with pytest.raises(UsageError, match="equally many"):
        Line("a", [0, 1], [1])


def test_colours_go_by_position_and_repeat_dotted():
    chart = Chart("t", "x", "y", [Line(str(i), [0, 1], [i, i], dashed=i == 1) for i in range(9)])
    classes = [line.get("class") for line in drawn(chart, "line")]
    assert classes[:2] == ["line s0", "line s1 dashed"]
    assert classes[8] == "line s0 dotted"


def test_a_mark_stands_at_its_value_with_its_text():
    chart = Chart("t", "x", "y", [Line("a", [0, 10], [0, 1])], x_range=(0, 10), marks=[Mark(5, "here")])
    (mark,) = drawn(chart, "mark")
    (line,) = drawn(chart, "line")
    assert float(mark.get("x1")) == pytest.approx(sum(x for x, _ in places(line.get("d"))) / 2, abs=0.1)
    assert "here" in texts(chart)


def test_text_is_escaped_and_nothing_is_fetched():
    chart = Chart(EVIL, EVIL, EVIL, [Line(EVIL, [0, 1], [0, 1])], marks=[Mark(0.5, EVIL)])
    text = str(markup(chart))
    assert "<script" not in text
    assert "http" not in text
    HTMLParser().feed(text)


def test_the_picture_is_described_and_scales():
    chart = Chart("Fooled", "SSIM", "rate", [Line("PGD", [0.9, 0.8], [0.1, 1.0]), Line("none", [], [])])
    (picture,) = [each for each in figure(chart).iter("svg") if each.get("role") == "img"]
    assert picture.get("aria-label") == describe(chart)
    assert describe(chart) == "Fooled: rate over SSIM. PGD: 0.1 at 0.9 to 1 at 0.8. none: no values."
    assert picture.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    assert picture.get("width") is None


def test_over_whole_numbers_no_tick_lies_between_them():
    def ticks(*places: float) -> list[str]:
        drawn = markup(Chart("a", "bits", "y", [Line("one", places, [1.0] * len(places))]))
        return re.findall(r">([0-9.]+)</text>", drawn)

    assert {"2", "3", "4"} <= {*ticks(2, 3, 4)}
    assert "2.5" not in ticks(2, 3, 4)
    assert "2.5" in ticks(2, 3.5, 4)


def test_ticks_have_as_many_digits_as_tell_them_apart():
    chart = Chart("t", "x", "y", [Line("a", [0.997, 1.0], [0, 1])], x_range=(0.997, 1.0), percent=True)
    shown = texts(chart)
    assert "0.9975" in shown
    assert "50\N{NO-BREAK SPACE}%" in shown or "40\N{NO-BREAK SPACE}%" in shown


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(4, 10))
def test_linear_ticks_are_round_even_and_few(low, length, most):
    high = low + length
    if not high - low > 1e-9 * abs(low):
        return
    ticks = linear_ticks(low, high, most)
    assert len(ticks) <= most
    slack = 1e-6 * (high - low)
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    if len(ticks) > 2:
        steps = np.diff(ticks)
        assert np.allclose(steps, steps[0], rtol=1e-5)
        mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-7)
        assert min(abs(mantissa - round_) for round_ in (1, 2, 5, 10)) < 1e-4


@given(st.floats(1e-9, 1e6), st.floats(1.01, 1e9), st.integers(4, 10))
def test_log_ticks_are_positive_rising_and_few(low, factor, most):
    ticks = log_ticks(low, low * factor, most)
    assert len(ticks) <= most
    assert all(tick > 0 for tick in ticks)
    assert all(a < b for a, b in itertools.pairwise(ticks))


def test_what_a_template_is_not_given_is_an_error():
    with pytest.raises(Exception, match="undefined"):
        environment().from_string("{{ nothing }}").render()
    assert ".chart" in template_file("chart.css")


def test_points_that_are_not_joined_are_all_drawn_and_counted_in_words():
    values = list(range(1, 41))
    chart = Chart("t", "x", "y", [Line("images", values, values, joined=False)], log_x=True, log_y=True)
    assert drawn(chart, "line") == []
    swatch, *points = reversed(drawn(chart, "point"))
    assert len(points) == 40
    assert swatch.get("cx") == "13"
    assert describe(chart) == "t: y over x. images: 40 points."


def test_a_logarithmic_height_spaces_factors_evenly_and_leaves_zero_out():
    chart = Chart("t", "x", "y", [Line("a", [0, 1, 2, 3], [0, 1, 10, 100])], log_y=True)
    (line,) = drawn(chart, "line")
    one, ten, hundred = (y for _, y in places(line.get("d")))
    assert one - ten == pytest.approx(ten - hundred, abs=0.2)

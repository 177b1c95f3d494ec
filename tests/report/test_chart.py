"""Charts on a page: a caption, a picture that is described, a legend; and nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from limen.document import AnyChart, Box, BoxPlot, Chart, Charts, Document, Line, Mark
from limen.report.blocks import render_blocks
from limen.report.chart import describe, markup
from limen.report.figures.inline import HEIGHT, WIDTH
from limen.report.palette import COLOURS, PAGE, VARIABLES
from limen.report.templating import environment, styles, template_file

EVIL = '<script>alert(1)</script>&"#0000f0 style="color: #0000f1"'
SVG = "{http://www.w3.org/2000/svg}"
CHART = Chart("Fooled", "SSIM", "rate", [Line("PGD", [0.9, 0.8], [0.1, 1.0]), Line("none", [], [])])
BOXES = BoxPlot("Change", "L₂", [Box("ddn", (2, 4, 8), (1, 10), [14, 16], series="ddn")])


def figure(chart: AnyChart) -> ElementTree.Element:
    """The markup as a tree; a tag left open or a text left unescaped is an error."""
    return ElementTree.fromstring(str(markup(chart)))


def picture(chart: AnyChart) -> ElementTree.Element:
    (found,) = figure(chart).findall(f"{SVG}svg")
    return found


@pytest.mark.parametrize(
    ("chart", "words", "height"),
    [
        (CHART, "Fooled: rate over SSIM. PGD: 0.1 at 0.9 to 1 at 0.8. none: no values.", HEIGHT),
        (BOXES, "Change: L₂. ddn: 4, half from 2 to 8.", 104),
        (
            Chart("t", "x", "y", [Line("a", [1, 2], [3, 4], joined=False)]),
            "t: y over x. a: 2 points.",
            HEIGHT,
        ),
    ],
    ids=["lines", "boxes", "points"],
)
def test_the_picture_is_described_and_scales(chart, words, height):
    found = picture(chart)
    assert found.get("aria-label") == describe(chart) == words
    assert found.get("viewBox") == f"0 0 {WIDTH} {height}"
    assert found.get("width") is None
    assert found.get("role") == "img"


@pytest.mark.parametrize(
    "chart",
    [
        Chart(EVIL, EVIL, EVIL, [Line(EVIL, [0, 1], [0, 1])], marks=[Mark(0.5, EVIL)]),
        BoxPlot(EVIL, EVIL, [Box(EVIL, (1, 2, 3), (0, 4))]),
    ],
    ids=["lines", "boxes"],
)
def test_text_is_escaped_and_nothing_is_fetched(chart):
    text = str(markup(chart))
    assert "<script" not in text
    HTMLParser().feed(text)
    shown = [each.text for each in picture(chart).iter(f"{SVG}text")]
    assert EVIL in shown
    assert {*re.findall(r"https?://[^\s\"]*", text)} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r'href="(?!#)|url\((?!#)|<style|<!--', text)


def test_colours_and_fonts_are_those_of_the_page():
    chart = Chart("t", "x", "y", [Line(str(i), [0, 1], [i, i], [i, i], [i, i + 1]) for i in range(9)])
    text = str(markup(chart))
    assert not re.search(r"#[0-9a-f]{6}[\";]", text)
    used = {*re.findall(r"var\((--\w+)\)", text)}
    assert used == {"--sans", *(name[4:-1] for name in VARIABLES.values())}
    css = str(styles("style.css", "chart.css"))
    assert all(f"{name[4:-1]}: light-dark(" in css for name in VARIABLES.values())
    assert len(PAGE.series) == COLOURS
    assert ".chart" in template_file("chart.css")


def test_two_pictures_of_a_page_share_no_name():
    def names(chart: AnyChart) -> set[str]:
        tree = picture(chart)
        found = [each.get("id") for each in tree.iter() if each.get("id")]
        used = re.findall(r"#(\w+)", ElementTree.tostring(tree, encoding="unicode"))
        assert {*used} == {*found}
        return {*found}

    other = Chart("Fooled", "SSIM", "rate", [Line("PGD", [0.9, 0.8], [0.1, 1.0])])
    assert not names(CHART) & names(other)
    assert str(markup(CHART)) == str(markup(CHART))


def test_the_legend_has_colours_dashes_and_points_by_number():
    lines = [Line(str(i), [0, 1], [i, i], dashed=i == 1, joined=i != 2, series=str(i)) for i in range(9)]
    keys = figure(Chart("t", "x", "y", lines)).findall("ul/li/svg")
    classes = [each.get("class") for each in keys]
    assert (classes[0], classes[1], classes[8]) == ("swatch s0", "swatch s1 dashed", "swatch s0 dotted")
    assert [each[0].tag for each in keys[:3]] == ["line", "line", "circle"]
    page = str(render_blocks(Document("", blocks=[Charts("C", "", [BOXES])]), {"ddn": 4}))
    assert 'class="swatch s4"' in page
    assert "fill: var(--c4)" in page


def test_a_box_plot_and_a_chart_of_the_same_attacks_share_a_legend():
    chart = Chart("t", "x", "y", [Line("ddn", [0, 1], [0, 1], series="ddn")])
    page = str(render_blocks(Document("", blocks=[Charts("C", "", [BOXES, chart])])))
    assert '<div class="charts shared">' in page


def test_what_a_template_is_not_given_is_an_error():
    with pytest.raises(Exception, match="undefined"):
        environment().from_string("{{ nothing }}").render()

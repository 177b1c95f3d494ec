"""Figures as papers print them, read back from their files."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.font_manager import FontEntry
from PIL import Image

from limen.document import Box, BoxPlot, Chart, Line
from limen.errors import LimenWarning
from limen.report.figures import COLUMN, encoded, figure, fonts
from limen.report.figures.fonts import families

LINES = Chart(
    "t",
    "Δ × 10 − ∞",
    "rate",
    [Line("a", [0, 1], [0.2, 1], [0, 1], [1, 1]), Line("$b_$", [0, 1], [0, 1])],
    percent=True,
)
BOXES = BoxPlot("t", "L₂", [Box("ddn", (2, 4, 8), (1, 10), [14, 16])])


@pytest.mark.parametrize("chart", [LINES, BOXES], ids=["lines", "boxes"])
def test_files_are_whole_one_column_wide_and_the_same_every_time(chart):
    before = dict(matplotlib.rcParams)
    pdf, svg, png = (encoded(figure(chart), form) for form in ("pdf", "svg", "png"))
    assert (pdf, svg, png) == tuple(encoded(figure(chart), form) for form in ("pdf", "svg", "png"))
    assert pdf.startswith(b"%PDF-")
    assert b"/CIDFontType2" in pdf or b"/Type42" in pdf or b"/Subtype /Type0" in pdf
    assert b"/Type3" not in pdf
    assert not re.search(rb"CreationDate|<dc:date>|Date", pdf + svg)
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", pdf)[1])
    assert width == pytest.approx(72 * COLUMN, abs=0.1)
    with Image.open(io.BytesIO(png)) as opened:
        assert opened.width == round(300 * COLUMN)
    texts = {each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {chart.x_label, *(name for name, _ in chart.names)} <= texts
    assert dict(matplotlib.rcParams) == before


def test_a_legend_is_in_view_below_the_axes_whatever_its_names():
    def boxes(*names: str):
        made = figure(Chart("t", "x", "y", [Line(name, [0, 1], [0, 1]) for name in names]))
        made.draw_without_rendering()
        (legend,), (axes,) = made.legends, made.axes
        return made, legend, legend.get_window_extent(), axes.get_tightbbox()

    long = "pgd_l2:eps=3,steps=40,random_start=true,restarts=5,step_size=0.375 of a photograph of a person"
    for names in (["a"], ["a", "b", "c", "d"], [long, "b"], ["x" * 90], [str(i) for i in range(300)]):
        made, legend, below, above = boxes(*names)
        assert below.y0 >= 0
        assert below.y1 <= above.y0 + 1
        assert -1 <= below.x0 < below.x1 <= made.bbox.width + 1
        assert above.height > 100
        shown = [re.sub(r"\s", "", text.get_text()) for text in legend.get_texts()]
        left = [*names[:29], "and 271 more"] if len(names) > 30 else names
        assert shown == [name.replace(" ", "") for name in left]


def test_another_script_has_a_font_or_is_told_of(monkeypatch):
    assert families("1 − SSIM, ×Δ∞ é") == ["DejaVu Sans"]
    chart = Chart("t", "x", "\ua4f8", [Line("a", [0, 1], [0, 1])])
    monkeypatch.setattr(fonts, "_characters", lambda path: frozenset(map(chr, range(256))))
    fonts._others.cache_clear()
    with pytest.warns(LimenWarning, match="no font that is installed has \ua4f8; install one"):
        made = figure(chart)
    monkeypatch.undo()
    fonts._others.cache_clear()
    assert encoded(made, "pdf", "x").startswith(b"%PDF-")


def test_a_script_is_drawn_in_the_first_installed_font_that_has_it(monkeypatch, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    fonts._characters.cache_clear()
    assert fonts._characters(str(tmp_path / "broken.ttf")) == frozenset()
    known = {"own.ttf": frozenset("\ua4f8"), "LastResort.ttf": frozenset("\ua4f8")}
    listed = [FontEntry(fname=name, name=name.removesuffix(".ttf"), weight=400) for name in sorted(known)]
    installed = [*fonts.font_manager.fontManager.ttflist, *listed]
    monkeypatch.setattr(fonts.font_manager.fontManager, "ttflist", installed)
    monkeypatch.setattr(fonts, "_characters", lambda path: known.get(path, frozenset("ab")))
    fonts._others.cache_clear()
    assert families("ab\ua4f8") == ["DejaVu Sans", "own"]
    fonts._others.cache_clear()

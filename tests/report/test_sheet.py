from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from limen.document import Cell, Chart, Charts, Document, Group, Line, Notes, Picture, Pictures, Row, Table
from limen.errors import LimenError, UsageError
from limen.report.sheet import render, write_sheet
from limen.runs.files import encode_png

EVIL = "<script>alert('x')</script>\""


def png(width: int) -> bytes:
    return encode_png(np.zeros((8, width, 3), np.uint8))


def sheet(text: str = "plain") -> Document:
    rows = [[Cell(text, text), Cell("82.7\N{NO-BREAK SPACE}%", "[79, 86]")], [Cell("PGD"), Cell("–")]]
    return Document(
        title=text,
        source=text,
        settings=[("Model", text)],
        blocks=[
            Table(text, text, [text, "Measured"], [Group(text, rows), Group("", rows[1:])]),
            Charts(text, text, [Chart(text, "x", "y", [Line(text, [0, 1], [1, 2])])]),
            Pictures(text, text, [Row(text, [Picture(png(28), text, text, series=text)], scale=text)]),
            Notes(text, [text, "second"]),
        ],
    )


class Tree(HTMLParser):
    """Checks that what is opened is closed, and collects tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_block_stands_on_the_page_in_order():
    text = render(sheet())
    tags = [tag for tag, _ in Tree(text).tags]
    assert tags.index("table") < tags.index("svg") < tags.index("img") < tags.index("ul", tags.index("img"))
    assert [tags.count(tag) for tag in ("section", "tbody", "tr")] == [4, 2, 5]
    assert "<small>[79, 86]</small>" in text
    assert text.count('<th scope="rowgroup"') == 1


def test_text_is_escaped_everywhere():
    text = render(sheet(EVIL))
    assert "<script" not in text
    assert "script" not in {tag for tag, _ in Tree(text).tags}
    assert "default-src 'none'" in text


def test_nothing_is_fetched():
    text = render(sheet())
    assert not re.search(r"""(?:src|href)="(?!data:|#)|url\((?!#)|@import""", text)


def test_small_pictures_are_enlarged_pixel_by_pixel():
    def shown(width: int) -> dict:
        pictures = Pictures("t", "c", [Row("a", [Picture(png(width), "b", "L2 3")])])
        ((_, attributes),) = [
            each for each in Tree(render(Document("t", "s", [], [pictures]))).tags if each[0] == "img"
        ]
        return attributes

    assert shown(28)["class"] == "small"
    assert "class" not in shown(224)
    assert shown(224)["alt"] == "a: b"


def test_rows_fit_their_columns():
    with pytest.raises(UsageError, match="a row has 1 cells for 2 columns"):
        Table("t", "c", ["a", "b"], [Group("", [[Cell("one")]])])


def test_a_page_is_written_whole(tmp_path: Path):
    write_sheet(sheet(), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == render(sheet())
    with pytest.raises(LimenError, match="nowhere"):
        write_sheet(sheet(), tmp_path / "nowhere" / "page.html")


def test_a_page_can_open_with_a_verdict_which_is_text():
    page = render(sheet(), "audit", ["It holds.", EVIL])
    assert page.index("<h2>Verdict</h2>") < page.index("<p>It holds.</p>") < page.index('class="facts"')
    assert EVIL not in page
    assert "Verdict" not in render(sheet())

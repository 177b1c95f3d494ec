from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from limen.document import percent
from limen.errors import LimenError, UsageError
from limen.report import write_page
from limen.runs import RunError, create_or_resume

EVIL = "<script>alert(1)</script>"
EVIL_ID = '"><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """The elements and the visible text of a page."""

    VOID = frozenset(["meta", "link", "img", "br", "wbr", "input", "line", "stop", "rect"])

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            if self.elements[-1][1].get("type") != "text/plain":
                self.scripts.append(data)
        elif not {"style", "noscript"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, name: str = "", value: str | None = None) -> list[dict[str, str | None]]:
        found = [attrs for each, attrs in self.elements if each == tag and (not name or name in attrs)]
        return found if value is None else [attrs for attrs in found if value in (attrs[name] or "").split()]


@pytest.fixture
def page(make_run) -> Page:
    return Page(write_page([make_run().directory]))


def test_the_page_lies_in_the_run_unless_told_otherwise(make_run, tmp_path: Path):
    first, second = make_run("one"), make_run("two")
    assert write_page([first.directory, second.directory]) == first.directory / "report.html"
    out = tmp_path / "deep" / "page.html"
    assert write_page([str(first.directory)], str(out)) == out
    assert out.is_file()
    assert sorted(path.name for path in out.parent.iterdir()) == ["page.html", "page.summary.json"]


def test_the_page_refers_to_nothing_outside_itself(page: Page):
    assert {attributes["type"] for attributes in page.all("script", "type")} == {
        "application/json",
        "text/plain",
    }
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:image/png;base64,", "#")), (tag, name, value[:80])
    assert re.findall(r"https?://[^\"' )]*", page.source) == ["http://www.w3.org/2000/svg"]
    assert "@import" not in page.source
    assert "default-src 'none'" in page.source


def test_the_page_has_each_part_and_no_id_twice(page: Page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {"verdict", "runs", "attacks", "curves", "gallery"} <= set(ids)
    assert len(page.all("article", "class", "tile")) == 12
    assert len(page.all("img", "alt", "Original")) == len(page.all("article", "class", "image")) == 6


def test_the_table_states_success_distances_and_cost(page: Page):
    for words in ("83.3 % 5 of 6", "100 % 6 of 6", "21 11 + 10", "0.25"):
        assert words in page.text
    assert "In memory" not in page.text


def test_success_in_memory_is_shown_where_it_differs(make_run, record):
    rows = [record(0, "a"), record(1, "b", success=False, success_in_memory=True)]
    text = Page(write_page([make_run(rows={"fgsm": rows}).directory])).text
    assert "In memory" in text
    assert "50.0 % 1 of 2" in text


def test_the_curves_are_data_of_the_page(page: Page):
    data = json.loads(next(text for text in page.scripts if text.startswith("{")))
    assert data["curves"]["l2"]["correct"][0]["x"] == [0.1, 0.2, 0.3, 0.5, 0.6]
    assert [metric["key"] for metric in data["metrics"]][:2] == ["l2", "linf"]
    assert data["bands"]["6"]["low"][0] == 0
    assert data["bands"]["6"]["high"][-1] == 1


def test_a_grid_is_one_line_of_the_curves_and_a_row_of_the_table_before_its_budgets(make_run, record):
    rows = {f"pgd_l2:eps={eps},steps=4": [record(i, str(i)) for i in range(3)] for eps in ("8/255", "0.5")}
    page = Page(write_page([make_run(rows={**rows, "ddn": rows["pgd_l2:eps=0.5,steps=4"]}).directory]))
    labels = [each["data-value"] for each in page.all("th", "scope", "row")]
    assert labels == ["pgd_l2:steps=4", *rows, "ddn"]
    assert len(page.all("tr", "class", "together")) == 1
    assert page.text.count("best of 8/255, 0.5") == 2
    assert "also has a line for its best" in page.text
    data = json.loads(next(text for text in page.scripts if text.startswith("{")))
    assert len(data["curves"]["l2"]["correct"]) == 2


def test_without_a_grid_the_page_does_not_speak_of_budgets(page: Page):
    assert "best of" not in page.text
    assert "several budgets" not in " ".join(page.text.split())


def test_success_has_its_interval_also_where_all_are_fooled(page: Page):
    notes = [each["title"] for each in page.all("td", "title")]
    told = "95 % interval 43.6 % to 97.0 %", "95 % interval 61.0 % to 100 %"
    assert notes == ["95 %" + each[4:].replace(" %", "\N{NO-BREAK SPACE}%") for each in told]


def test_the_gallery_says_how_much_it_shows_and_how_it_magnifies(make_run):
    text = Page(write_page([make_run().directory], gallery=2)).text
    assert "2 of 6 images, the worst first" in text
    factor = re.search(r"magnified (\d+) times", text)
    assert factor
    assert f"difference × {factor[1]}" in text


def test_every_image_has_a_text_in_its_place_and_every_control_a_name(page: Page):
    assert all("alt" in attributes for attributes in page.all("img"))
    assert all("aria-label" in attributes for attributes in page.all("button", "class", "flip"))
    for attributes in page.all("select"):
        assert re.search(rf"<label>[^<]+<select id=\"{attributes['id']}\"", page.source)


def test_several_runs_are_named_in_the_table_and_the_gallery(make_run):
    page = Page(write_page([make_run("first").directory, make_run("second").directory]))
    assert page.text.count("first") > 3
    assert len(page.all("article", "class", "run")) == 2
    assert len(page.all("article", "class", "tile")) == 24


def test_a_run_given_twice_is_shown_once(make_run):
    run = make_run()
    assert len(Page(write_page([run.directory, run.directory])).all("article", "class", "run")) == 1


def test_text_from_data_is_never_markup(make_run, record):
    run = make_run(
        f"run {EVIL}".replace("/", "|"),
        rows={f"fgsm:{EVIL}": [record(0, EVIL_ID), record(1, EVIL)]},
        class_names=(EVIL, EVIL_ID),
    )
    with create_or_resume(run.directory, run.manifest) as writer:
        writer.skip(EVIL_ID, f"pixels are {EVIL}")
    page = Page(write_page([run.directory]))
    assert len([each for each in page.all("script") if each.get("type") != "text/plain"]) == 2
    assert not [
        attributes for _, attributes in page.elements if any(key.startswith("on") for key in attributes)
    ]
    assert EVIL in page.text
    assert EVIL_ID in page.text
    assert not [attributes for attributes in page.all("img") if attributes.get("src") == "x"]


def test_a_run_without_attacks_has_a_page(make_run):
    text = Page(write_page([make_run(rows={}).directory])).text
    assert "names no attack yet" in text
    assert "No image has been attacked yet" in text


def test_a_run_without_records_has_a_page(make_run):
    text = Page(write_page([make_run(rows={"fgsm": []}).directory])).text
    assert "0 of 0" in text
    assert "No image has been attacked yet" in text


def test_a_run_without_successes_has_a_page(make_run, record):
    rows = [record(i, str(i), success=False) for i in range(3)]
    text = Page(write_page([make_run(rows={"fgsm": rows}).directory])).text
    assert "0 % 0 of 3" in text
    assert text.count("not fooled") >= 3


def test_missing_pictures_are_named_on_the_page(make_run):
    run = make_run()
    run.image_path("ddn", "photo 0").unlink()
    assert Page(write_page([run.directory])).text.count("image missing") == 2


def test_skipped_images_are_counted_with_their_reasons(make_run):
    run = make_run()
    with create_or_resume(run.directory, run.manifest) as writer:
        for name in ("a.png", "b.png"):
            writer.skip(name, "pixels are CMYK")
    text = Page(write_page([run.directory])).text
    assert "2 images could not be used" in text
    assert "pixels are CMYK: a.png, b.png" in text


def test_the_same_run_gives_the_same_page(make_run):
    run = make_run()
    assert write_page([run.directory]).read_bytes() == write_page([run.directory]).read_bytes()


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0 %"), (0.00001, "0.1 %"), (0.99999, "99.9 %"), (None, "–")]
)
def test_only_all_is_all_and_only_none_is_none(rate: float | None, text: str):
    assert percent(rate) == text.replace(" ", "\N{NO-BREAK SPACE}")


def test_wrong_arguments_are_refused_with_the_cure(tmp_path: Path, make_run):
    with pytest.raises(UsageError, match="at least one run"):
        write_page([])
    with pytest.raises(UsageError, match="gallery is -1"):
        write_page([make_run().directory], gallery=-1)
    with pytest.raises(UsageError, match="no run here"):
        write_page([tmp_path])


def test_broken_records_are_an_error_that_names_the_file(make_run):
    run = make_run()
    part = next((run.directory / "records").glob("*.parquet"))
    part.write_bytes(b"broken")
    with pytest.raises(RunError, match=part.name):
        write_page([run.directory])


def test_a_page_that_cannot_be_written_is_one_error(make_run, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LimenError, match="choose another --out"):
        write_page([make_run().directory], tmp_path / "file" / "page.html")


def test_pages_are_made_without_torch():
    code = "import sys, limen.report; sys.exit('torch' in sys.modules)"
    source = Path(sys.modules["limen"].__path__[0]).parent
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(source)})

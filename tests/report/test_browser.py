"""The page in a real browser."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limen.report import write_page

from .chromium import ESCAPE, RIGHT, Browser, driven
from .conftest import row, store, write_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with driven(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


NAME = "a photograph with a very long name {}.png"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images under an attack with a long name, which fails on the fourth, and another; an evaluation."""
    long = "pgd_l2:eps=3,steps=40,random_start=true,restarts=5,step_size=0.375"
    rows = {
        long: [row(i, NAME.format(i), success=i != 3) for i in range(6)],
        "ddn": [row(i, NAME.format(i), l2=1 - i / 10) for i in range(6)],
    }
    names = ("a long name, another name, " * 6, "<script>alert(1)</script>")
    made = write_run(tmp_path_factory.mktemp("runs") / "run", rows, class_names=names)
    store(made, ids=(NAME.format(0), NAME.format(3)))
    return made.directory


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    return write_page([run], run / "page.html")


def brightness(png: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(png)).convert("L")).mean())


def asked(browser: Browser) -> list[str]:
    """The addresses that the browser asked for since the last time."""
    entries = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = [
        each["params"]["request"]["url"] for each in entries if each["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if not url.startswith("data:")]


DRAWN = """
    const pictures = [...document.querySelectorAll("img")].filter((each) => each.checkVisibility());
    const next = pictures.find((each) => !each.complete || each.naturalWidth !== 16);
    next?.scrollIntoView();
    return pictures.length > 0 && !next;
"""


@pytest.mark.parametrize("pictures", ["inside", "beside"])
def test_the_page_fits_every_width_and_theme_draws_all_it_shows_and_asks_no_network(
    browser: Browser, run: Path, pictures: str
):
    page = write_page([run], run / f"{pictures}.html", pictures=pictures)
    browser.log("browser")
    asked(browser)
    for width, theme in ((1280, "light"), (390, "dark"), (360, "light")):
        browser.open(page, width, theme)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth && innerWidth") == width
        assert (brightness(browser.screenshot()) > 128) == (theme == "light")
    browser.choose("page-size", "6")
    assert browser.run("return document.querySelectorAll('.tile').length") == 12
    browser.until(DRAWN)
    counts = (
        "return [...document.querySelectorAll('.image')].map((each) => each.querySelectorAll('img').length)"
    )
    assert browser.run(counts) == [1 + 3 * 2] * 6
    assert browser.run("return document.querySelectorAll('.pictures img').length") == 5
    sizes = browser.run(
        "return [...document.querySelectorAll('#evaluation-1 .chart > svg')].map((c) => c.clientWidth)"
    )
    assert isinstance(sizes, list)
    assert (len(sizes), min(sizes) > 300) == (2, True)
    folder = (run / f"{pictures}.pictures").as_uri() + "/"
    urls = set(asked(browser))
    assert page.as_uri() in urls
    others = urls - {page.as_uri()}
    assert all(url.startswith(folder) for url in others)
    assert bool(others) == (pictures == "beside")
    assert browser.log("browser") == []


def test_only_what_comes_near_is_drawn_and_all_that_is_shown_before_printing(
    browser: Browser, tmp_path: Path
):
    rows = [row(i, str(i)) for i in range(30)]
    page = write_page([write_run(tmp_path / "run", {"fgsm": rows, "ddn": rows}).directory])
    browser.open(page, 390)
    browser.choose("page-size", "12")
    shown = "return document.querySelectorAll('.image:not([hidden]) img').length"
    drawn = "return document.querySelectorAll('.image img[src]').length"
    browser.until(f"return document.querySelector('.image img').complete && {drawn[7:]} > 0")
    assert browser.run(shown) == 12 * 7
    assert browser.run(drawn) < 12 * 7
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(drawn) == 12 * 7


def test_the_gallery_is_paged(browser: Browser, page: Path):
    browser.open(page)
    told = "return document.querySelector('.pager span').textContent"
    names = "document.querySelectorAll('.image:not([hidden]) .original code')"
    ids = f"return [...{names}].map((each) => each.textContent.at(-5))"
    assert browser.run(told) == "1–4 of 6 images"
    first = browser.run(ids)
    browser.click(".pager [data-step='1']")
    assert browser.run(told) == "5–6 of 6 images"
    second = browser.run(ids)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert sorted(first + second) == list("012345")
    assert browser.run("return document.querySelector(\".pager [data-step='1']\").disabled") is True
    browser.click("#pager-below [data-step='-1']")
    assert browser.run(ids) == first


def test_the_theme_can_be_chosen_against_the_system(browser: Browser, page: Path):
    browser.open(page, theme="light")
    browser.click("#theme")
    browser.click("#theme")
    assert brightness(browser.screenshot()) < 128


@pytest.mark.parametrize("way", ["click", "key"])
def test_an_adversarial_image_flips_with_its_original_in_place(browser: Browser, page: Path, way: str):
    browser.open(page)
    look = """
        const flip = document.querySelector(".flip");
        const shown = [...flip.children].filter((each) => getComputedStyle(each).display !== "none");
        const box = shown[0].getBoundingClientRect();
        return [shown.length, shown[0].alt.split(" ")[0], box.x, box.y + scrollY, box.width];
    """
    before = browser.run(look)
    for expected in ("Original", "Adversarial"):
        if way == "click":
            browser.click(".flip")
        else:
            browser.run("document.querySelector('.flip').focus()")
            browser.press(" ")
        after = browser.run(look)
        assert isinstance(before, list)
        assert after == [1, expected, *before[2:]]


def test_the_enlarged_picture_flips_moves_on_and_closes(browser: Browser, page: Path):
    browser.open(page)
    shown = "return document.querySelector('#viewer-frame :not([hidden])').alt"
    browser.click(".enlarge")
    # The most distorted comes first.
    name = NAME.format(5)
    assert browser.run(shown) == f"Adversarial image of {name}"
    browser.click("#viewer-frame")
    assert browser.run(shown) == f"Original of {name}"
    browser.press("f")
    assert browser.run(shown) == f"Adversarial image of {name}"
    browser.click("[data-layer=lost]")
    assert browser.run(shown) == f"Map of 1 − SSIM of {name}"
    browser.until("return document.querySelector('#viewer-frame :not([hidden])').naturalWidth", 16)
    title = browser.run("return document.getElementById('viewer-title').textContent")
    browser.press(RIGHT)
    assert browser.run("return document.getElementById('viewer-title').textContent") != title
    browser.press(ESCAPE)
    assert browser.run("return document.getElementById('viewer').open") is False


def test_the_gallery_sorts_by_a_distance_and_filters(browser: Browser, page: Path):
    browser.open(page)
    tiles = "document.querySelectorAll('.image:not([hidden]) .tile:not([hidden])')"
    values = f"return [...{tiles}].map((each) => each.dataset.l2)"
    browser.choose("page-size", "6")
    browser.choose("filter-series", "1")
    browser.choose("sort-by", "l2")
    assert browser.run(values) == ["1", "0.9", "0.8", "0.7", "0.6", "0.5"]
    browser.choose("sort-order", "up")
    assert browser.run(values) == ["0.5", "0.6", "0.7", "0.8", "0.9", "1"]
    browser.choose("filter-series", "0")
    browser.choose("sort-order", "down")
    # The failure has no distance.
    assert browser.run(values) == ["0.6", "0.5", "0.3", "0.2", "0.1", None]
    browser.choose("filter-state", "failed")
    assert browser.run(values) == [None]
    browser.choose("filter-series", "1")
    assert browser.run("return document.getElementById('gallery-empty').checkVisibility()") is True


def test_the_table_sorts_by_a_heading(browser: Browser, page: Path):
    browser.open(page)
    first = "return document.querySelector('#attack-table tbody th').dataset.value"
    sorted_by = "return document.querySelector('#attack-table [aria-sort]')?.getAttribute('aria-sort')"
    browser.click("#attack-table thead th:nth-child(2) button")
    browser.until(sorted_by, "ascending")
    assert str(browser.run(first)).startswith("pgd_l2")
    browser.click("#attack-table thead th:nth-child(2) button")
    browser.until(sorted_by, "descending")
    assert browser.run(first) == "ddn"
    browser.click("#attack-table thead th:nth-child(1) button")
    assert browser.run("return document.querySelectorAll('[aria-sort]').length") == 1


def test_the_curves_are_read_by_key_and_hidden_by_the_legend(browser: Browser, page: Path):
    browser.open(page)
    shares = "return [...document.querySelectorAll('.legend output')].map((each) => each.innerText)"
    assert browser.run(shares) == ["83.3 %\n43.6 % to 97.0 %", "100.0 %\n61.0 % to 100.0 %"]
    browser.run("document.getElementById('plot').focus()")
    browser.press(RIGHT)
    assert browser.run(shares) == ["0.0 %\n0.0 % to 39.0 %"] * 2
    assert "at most" in str(browser.run("return document.getElementById('reading').textContent"))
    browser.choose("curve-metric", "psnr")
    assert browser.run("return document.getElementById('curve-scale').disabled") is True
    lines = "return document.querySelectorAll('#plot path.line').length"
    assert browser.run(lines) == 2
    browser.click(".legend button")
    assert browser.run(lines) == 1


def test_each_line_lies_in_its_band(browser: Browser, page: Path):
    browser.open(page)
    for metric in ("l2", "psnr", "ssim"):
        browser.choose("curve-metric", metric)
        inside = """
            return [...document.querySelectorAll("#plot path.band")].map((band, i) => {
                const [line] = document.querySelectorAll(`#plot path.line[data-line="${i}"]`);
                const step = line.getTotalLength() / 50;
                const points = Array.from({ length: 50 }, (_, k) => line.getPointAtLength((k + 0.5) * step));
                const hit = (p) => band.isPointInFill(p) || band.isPointInStroke(p);
                return [getComputedStyle(band).opacity, points.filter(hit).length];
            });
        """
        # Upright pieces of a line leave the steps of its band; what lies along the axis is most of it.
        found = browser.run(inside)
        assert isinstance(found, list)
        assert [opacity for opacity, _ in found] == ["0.12", "0.12"]
        assert min(hits for _, hits in found) > 25


def test_a_distance_that_was_not_measured_has_no_line_and_says_so(
    browser: Browser, make_run, record, tmp_path: Path
):
    rows = {"fgsm": [record(i, str(i), mad=None) for i in range(5)]}
    rows["ddn"] = [record(i, str(i), mad=1.0 if i else None) for i in range(5)]
    browser.open(write_page([make_run("part", rows=rows).directory], tmp_path / "part.html"))
    browser.choose("curve-metric", "mad")
    assert browser.run("return document.querySelectorAll('#plot path.line').length") == 1
    told = browser.run("return document.querySelector('.legend output').textContent")
    assert told == "not measured"
    reading = str(browser.run("return document.getElementById('reading').textContent"))
    assert "fgsm fooled 5 images without a known distance." in reading
    assert "ddn fooled 1 image without a known distance." in reading


def test_among_many_lines_only_the_band_of_the_one_pointed_at_is_seen(
    browser: Browser, make_run, record, tmp_path: Path
):
    rows = {f"fgsm:steps={k}": [record(i, str(i), success=i != k) for i in range(5)] for k in range(5)}
    browser.open(write_page([make_run("many", rows=rows).directory], tmp_path / "many.html"))
    seen = """
        return [...document.querySelectorAll("#plot path.band")].map((each) => getComputedStyle(each).opacity)
    """
    assert browser.run(seen) == ["0"] * 5
    browser.click(".legend li:nth-child(3) button")
    browser.click(".legend li:nth-child(3) button")
    assert browser.run(seen) == ["0", "0", "0.25", "0", "0"]
    browser.click(".legend li:nth-child(5) button")
    assert browser.run(seen) == ["0.12"] * 4


def test_a_page_without_records_raises_nothing(browser: Browser, make_run, record, tmp_path: Path):
    browser.log("browser")
    for rows in ({}, {"fgsm": []}, {"fgsm": [record(0, "a", success=False)]}):
        run = make_run(f"run {len(rows)} {rows}"[:20], rows=rows)
        browser.open(write_page([run.directory], tmp_path / "empty.html"))
    assert (
        browser.run("return document.querySelector('.legend output').innerText") == "0.0 %\n0.0 % to 79.3 %"
    )
    assert browser.log("browser") == []

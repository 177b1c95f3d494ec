"""The page in a real browser, driven over the WebDriver protocol with nothing but the standard library."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limen.report import write_page

pytestmark = pytest.mark.browser

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RIGHT, ESCAPE = "\ue014", "\ue00c"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


@dataclass
class Browser:
    """One headless Chromium."""

    server: str
    session: str = ""

    def call(self, path: str, content: object = None, method: str = "POST") -> object:
        data = None if method != "POST" else json.dumps(content or {}).encode()
        request = urllib.request.Request(f"{self.server}/session{self.session}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()[:500]) from None

    def start(self, binary: str, profile: Path) -> None:
        options = {"binary": binary, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        reply = self.call("", {"capabilities": {"alwaysMatch": wanted}})
        assert isinstance(reply, dict)
        self.session = f"/{reply['sessionId']}"

    def devtools(self, command: str, **parameters: object) -> dict:
        reply = self.call("/goog/cdp/execute", {"cmd": command, "params": parameters})
        assert isinstance(reply, dict)
        return reply

    def open(self, page: Path, width: int = 1280, theme: str = "light") -> None:
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        # Without motion a click can follow a jump at once.
        wanted = {"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wanted.items()]
        self.devtools("Emulation.setEmulatedMedia", features=features)
        self.call("/url", {"url": page.as_uri()})

    def run(self, script: str) -> object:
        return self.call("/execute/sync", {"script": script, "args": []})

    def click(self, selector: str) -> None:
        element = self.call("/element", {"using": "css selector", "value": selector})
        assert isinstance(element, dict)
        self.call(f"/element/{element[ELEMENT]}/click")

    def press(self, key: str) -> None:
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.call("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def choose(self, control: str, value: str) -> None:
        self.click(f"#{control} option[value='{value}']")

    def screenshot(self, whole: bool = False) -> bytes:
        return base64.b64decode(
            self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        )

    def log(self, kind: str) -> list[dict]:
        entries = self.call("/se/log", {"type": kind})
        assert isinstance(entries, list)
        return entries


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip(
            "no chromium with chromedriver on the PATH (Debian: apt-get install chromium chromium-driver)"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    browser = Browser(f"http://127.0.0.1:{port}")
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        browser.start(binary, tmp_path_factory.mktemp("profile"))
        yield browser
        browser.call("", method="DELETE")
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def page(browser: Browser, make_run, record, evaluate, tmp_path: Path) -> Path:
    long = "pgd_l2:eps=3,steps=40,random_start=true,restarts=5,step_size=0.375"
    rows = {
        long: [record(i, f"a photograph with a very long name {i}.png", success=i != 3) for i in range(6)],
        "ddn": [record(i, f"a photograph with a very long name {i}.png", l2=1 - i / 10) for i in range(6)],
    }
    run = make_run(rows=rows, class_names=("a long name, another name, " * 6, "<script>alert(1)</script>"))
    evaluate(run, ids=tuple(f"a photograph with a very long name {i}.png" for i in (0, 3)))
    browser.log("browser")
    browser.log("performance")
    return write_page([run.directory], tmp_path / "page.html")


def brightness(png: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(png)).convert("L")).mean())


@pytest.mark.parametrize("width", [1280, 390, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_its_width_in_the_theme_of_the_system(
    browser: Browser, page: Path, width: int, theme: str
):
    browser.open(page, width, theme)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth && innerWidth") == width
    assert (brightness(browser.screenshot()) > 128) == (theme == "light")


def test_the_page_is_silent_and_asks_no_network(browser: Browser, page: Path):
    browser.open(page)
    assert browser.run("return document.querySelectorAll('.tile').length") == 12
    asked = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = [
        each["params"]["request"]["url"] for each in asked if each["method"] == "Network.requestWillBeSent"
    ]
    assert page.as_uri() in urls
    assert [url for url in urls if not url.startswith(("data:", "file:"))] == []
    assert [url for url in urls if url.startswith("file:") and url != page.as_uri()] == []
    assert browser.log("browser") == []


def test_every_picture_is_drawn(browser: Browser, page: Path):
    browser.open(page)
    drawn = "return [...document.querySelectorAll('.tile img')].map((i) => i.complete && i.naturalWidth)"
    assert browser.run(drawn) == [16] * 12 * 5


def test_every_chart_and_picture_of_an_evaluation_is_drawn(browser: Browser, page: Path):
    browser.open(page)
    drawn = "return [...document.querySelectorAll('.pictures img')].map((i) => i.complete && i.naturalWidth)"
    assert browser.run(drawn) == [16] * 5
    widths = "return [...document.querySelectorAll('#evaluation-1 .chart > svg')].map((c) => c.clientWidth)"
    sizes = browser.run(widths)
    assert isinstance(sizes, list)
    assert len(sizes) == 2
    assert min(sizes) > 300


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
    name = "image of a photograph with a very long name 0.png"
    assert browser.run(shown) == f"Adversarial {name}"
    browser.click("#viewer-frame")
    assert browser.run(shown) == "Original of a photograph with a very long name 0.png"
    browser.press("f")
    assert browser.run(shown) == f"Adversarial {name}"
    browser.click("[data-layer=lost]")
    assert browser.run(shown) == "Map of 1 − SSIM of a photograph with a very long name 0.png"
    title = browser.run("return document.getElementById('viewer-title').textContent")
    browser.press(RIGHT)
    assert browser.run("return document.getElementById('viewer-title').textContent") != title
    browser.press(ESCAPE)
    assert browser.run("return document.getElementById('viewer').open") is False


def test_the_gallery_sorts_by_a_distance_and_filters(browser: Browser, page: Path):
    browser.open(page)
    values = "return [...document.querySelectorAll('.tile:not([hidden])')].map((tile) => tile.dataset.l2)"
    browser.choose("filter-series", "1")
    browser.choose("sort-by", "l2")
    assert browser.run(values) == ["1.0", "0.9", "0.8", "0.7", "0.6", "0.5"]
    browser.choose("sort-order", "up")
    assert browser.run(values) == ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]
    browser.choose("filter-series", "")
    # The failure has no distance.
    assert browser.run(f"{values}.at(-1)") == ""
    browser.choose("filter-state", "failed")
    assert browser.run(values) == [""]
    browser.choose("filter-series", "1")
    assert browser.run("return document.getElementById('gallery-empty').checkVisibility()") is True


def test_the_table_sorts_by_a_heading(browser: Browser, page: Path):
    browser.open(page)
    first = "return document.querySelector('#attack-table tbody th').dataset.value"
    browser.click("#attack-table thead th:nth-child(2) button")
    assert str(browser.run(first)).startswith("pgd_l2")
    browser.click("#attack-table thead th:nth-child(2) button")
    assert browser.run(first) == "ddn"
    browser.click("#attack-table thead th:nth-child(1) button")
    assert browser.run("return document.querySelectorAll('[aria-sort]').length") == 1


def test_the_curves_are_read_by_key_and_hidden_by_the_legend(browser: Browser, page: Path):
    browser.open(page)
    shares = "return [...document.querySelectorAll('.legend output')].map((each) => each.innerText)"
    assert browser.run(shares) == ["83.3 %\n50.0 % to 100.0 %", "100.0 %"]
    browser.run("document.getElementById('plot').focus()")
    browser.press(RIGHT)
    assert browser.run(shares) == ["0.0 %", "0.0 %"]
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
    assert browser.run("return document.querySelector('.legend output').textContent") == "0.0 %"
    assert browser.log("browser") == []

"""A study in a real browser: from the first page to the answers."""

from __future__ import annotations

import http.server
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limen.study import Made, make_study
from limen.study.answers import read_sheets

from ..report.chromium import Browser, driven
from .conftest import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with driven(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def study(small_run, tmp_path) -> Callable[..., Made]:
    def make(**how: Any) -> Made:
        asked: dict[str, Any] = {"trials": 4, "view": 100, "observers": 3, "checks": 0}
        return make_study(small_run().directory, tmp_path / "study", **asked | how)

    return make


def press(name: str) -> str:
    """A script that presses a button where it is there."""
    found = f"document.querySelector('button[data-name={name}]:not(:disabled)')"
    return f"const found = {found}; found?.click(); return !!found;"


def enter(browser: Browser, page: Path, observer: str = "2") -> None:
    browser.open(page)
    browser.run(
        "const i = document.querySelector('input');"
        f"i.value = {json.dumps(observer)}; i.dispatchEvent(new Event('input'));"
    )
    browser.until(press("agree"))


READY = "return document.querySelector('.answers:not(.unseen) button') !== null"
NAMES = "return [...document.querySelectorAll('#stage img')].map((each) => each.src.slice(-15))"


def answer(browser: Browser, name: str, key: str | None = None) -> list[str]:
    """Answer one trial as soon as its pictures are there; their files."""
    browser.until(READY)
    shown = browser.run(NAMES)
    assert isinstance(shown, list)
    if key is None:
        browser.until(press(name))
    else:
        time.sleep(0.1)  # until the frame after, from which keys count
        browser.press(key)
    browser.until(READY, False)
    return shown


def saved(browser: Browser, folder: Path) -> dict[str, Any]:
    """The answers, once they are saved."""
    browser.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.until(press("save"))
    for _ in range(100):
        if found := [*folder.glob("answers-*.json")]:
            return json.loads(found[0].read_text(encoding="utf-8"))
        time.sleep(0.05)
    raise AssertionError("nothing was saved")


def test_an_observer_sees_the_pairs_of_the_key_and_saves_the_answers(browser, study, tmp_path):
    made = study()
    browser.log("browser")
    enter(browser, made.page)
    assert "Many pairs are the same" in str(browser.run("return document.body.innerText"))
    browser.until(press("go"))
    trials = made.key.schedules[1]
    answers = ["different", "same", "same", "different"]
    for number, (trial, name) in enumerate(zip(trials, answers, strict=True)):
        shown = answer(browser, name, key=name[0] if number % 2 else None)
        assert shown == [f"images/{each:04}.png" for each in (trial.left, trial.right)]
    record = saved(browser, tmp_path)
    assert record["study"] == made.key.hash
    assert (record["observer"], record["schedule"]) == ("2", 1)
    assert record["screen"]["window_width"] == 1280
    assert [each["answer"] for each in record["answers"]] == answers
    assert [(each["left"], each["right"]) for each in record["answers"]] == [
        (t.left, t.right) for t in trials
    ]
    assert all(0 <= each["ms"] < 5000 and 0 <= each["shown"] < 1000 for each in record["answers"])
    assert record["began"] < record["ended"]
    browser.until(press("remove"))
    assert browser.run("return localStorage.length") == 0
    assert browser.log("browser") == []


def test_pictures_have_whole_pixels_of_the_screen_and_vanish_in_time(browser, study):
    made = study(task="match", view=300, after="mask", zoom=3)
    enter(browser, made.page)
    browser.devtools(
        "Emulation.setDeviceMetricsOverride", width=900, height=700, deviceScaleFactor=1.5, mobile=False
    )
    browser.until(press("go"))
    browser.until(READY)
    first = made.key.schedules[1][0]
    above = first.left if made.key.pictures[first.left].attack is None else first.right
    assert browser.run(NAMES) == [f"images/{each:04}.png" for each in (above, first.left, first.right)]
    widths = "return [...document.querySelectorAll('#stage img')].map((e) => e.getBoundingClientRect().width)"
    assert browser.run(widths) == [pytest.approx(5 * 16 / 1.5)] * 3  # 4.5, in whole pixels
    assert browser.run("return getComputedStyle(document.querySelector('img')).imageRendering") == "pixelated"
    browser.until("return document.querySelectorAll('#stage canvas').length", 3)
    assert browser.run(NAMES) == []
    assert browser.run("return document.documentElement.scrollHeight <= innerHeight") is True


@pytest.mark.parametrize(
    ("width", "height", "ratio", "scale", "wide"),
    [
        (1280, 900, 1, 14, False),
        (900, 700, 1.25, 18, False),
        (700, 301, 1, 6, True),
        (390, 844, 2.625, 26, False),
    ],
    ids=["desktop", "scaled", "low", "phone"],
)
def test_the_screen_shows_the_very_pixels_of_the_files(
    browser, study, tmp_path, width, height, ratio, scale, wide
):
    made = study(task="match", view=0, trials=1)
    enter(browser, made.page)
    browser.devtools(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=ratio,
        mobile=False,
    )
    browser.until(f"document.querySelector('button[data-name=go]')?.click(); {READY}")
    screen = np.asarray(Image.open(io.BytesIO(browser.screenshot())).convert("RGB"))
    places = browser.run(
        "return [...document.querySelectorAll('#stage img')].map((each) => {"
        "const { x, y } = each.getBoundingClientRect(); return [each.getAttribute('src'), x, y]; })"
    )
    assert isinstance(places, list)
    assert (len({y for _, _, y in places}) == 1) == wide
    for name, x, y in places:
        left, top = round(x * ratio), round(y * ratio)
        pixels = np.asarray(Image.open(made.page.parent / name).convert("RGB"))
        wanted = pixels.repeat(scale, 0).repeat(scale, 1)
        assert np.array_equal(screen[top : top + 16 * scale, left : left + 16 * scale], wanted)
    answer(browser, "left")
    assert saved(browser, tmp_path)["screen"]["scale"] == scale
    browser.run("localStorage.clear()")


def test_a_study_goes_on_where_the_page_was_closed(browser, study, tmp_path):
    made = study(view=0, trials=3)
    enter(browser, made.page, 'Ann <b>, "A"')
    browser.until(press("go"))
    answer(browser, "same")
    enter(browser, made.page, 'Ann <b>, "A"')
    browser.until(press("go"))
    for _ in range(2):
        answer(browser, "different")
    record = saved(browser, tmp_path)
    browser.until(press("table"))
    for _ in range(100):
        if tables := [*tmp_path.glob("answers-*.csv")]:
            break
        time.sleep(0.05)
    assert [*map(asdict, read_sheets(tables, made.key))] == [record]
    assert record["observer"] == 'Ann <b>, "A"'
    assert [(each["trial"], each["answer"]) for each in record["answers"]] == [
        (0, "same"),
        (1, "different"),
        (2, "different"),
    ]
    trials = made.key.schedules[record["schedule"]]
    assert [each["left"] for each in record["answers"]] == [each.left for each in trials]


def test_whoever_declines_leaves_nothing_and_a_small_window_is_told(browser, study):
    made = study()
    browser.open(made.page)
    browser.run("localStorage.clear()")
    browser.until(press("decline"))
    browser.until("return document.body.innerText.includes('Nothing was kept')")
    assert browser.run("return localStorage.length") == 0
    enter(browser, made.page)
    browser.devtools(
        "Emulation.setDeviceMetricsOverride", width=50, height=900, deviceScaleFactor=1, mobile=False
    )
    browser.until(press("go"))
    browser.until("return document.body.textContent.includes('window is too small')")


@contextmanager
def receiving(status: int) -> Iterator[tuple[str, list[bytes]]]:
    """An address that answers are sent to, and what came."""
    came: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/answers", came
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "arrives"), [(200, True), (500, False)], ids=["taken", "refused"])
def test_answers_are_sent_where_the_user_says_and_become_a_file_where_that_fails(
    browser, study, tmp_path, status, arrives
):
    with receiving(status) as (address, came):
        made = study(post=address, trials=2)
        enter(browser, made.page, "3")
        browser.until(press("go"))
        answer(browser, "same")
        answer(browser, "same")
        said = "have been sent" if arrives else "could not be sent"
        browser.until(f"return document.body.innerText.includes('{said}')")
    (body,) = came
    record = json.loads(body)
    assert [each["answer"] for each in record["answers"]] == ["same", "same"]
    assert browser.run("return localStorage.length") == (0 if arrives else 1)
    if not arrives:
        assert saved(browser, tmp_path) == record
        browser.run("localStorage.clear()")


def test_no_name_of_the_run_reaches_the_page(study):
    page = study().page.parent
    assert not any(HOSTILE.encode() in each.read_bytes() for each in page.rglob("*") if each.is_file())
    assert re.fullmatch(r"[0-9a-f]{64}", study().key.hash)

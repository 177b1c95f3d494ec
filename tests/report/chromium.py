"""Chromium, driven over the WebDriver protocol with nothing but the standard library."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

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
        """Click an element once it has come to rest: what is drawn meanwhile may move it away."""
        element = self.call("/element", {"using": "css selector", "value": selector})
        assert isinstance(element, dict)
        of = f"const found = document.querySelector({json.dumps(selector)}); "
        self.run(of + "found.scrollIntoView({block: 'nearest'})")
        place, before = of + "const box = found.getBoundingClientRect(); return [box.x, box.y]", None
        for _ in range(100):
            now = self.run(place)
            if now == before:
                break
            before = now
            time.sleep(0.02)
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

    def until(self, script: str, wanted: object = True) -> None:
        """Wait until a script says so: pictures come when they are near."""
        for _ in range(100):
            found = self.run(script)
            if found == wanted:
                return
            time.sleep(0.05)
        raise AssertionError(f"{script} says {found!r}, not {wanted!r}")

    def log(self, kind: str) -> list[dict]:
        entries = self.call("/se/log", {"type": kind})
        assert isinstance(entries, list)
        return entries


@contextmanager
def driven(profile: Path) -> Iterator[Browser]:
    """One browser, whose settings lie in this folder."""
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
        browser.start(binary, profile)
        yield browser
        browser.call("", method="DELETE")
    finally:
        process.terminate()
        process.wait(20)

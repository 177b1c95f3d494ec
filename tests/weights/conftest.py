"""A small server of files, and a registry that names its addresses."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, SimpleNamespace

import pytest

from limen.weights import FILES, registry

BODY = bytes(range(256)) * 12_000  # three pieces of a download
FILE = replace(FILES["u2net.pth"], name="mine.pth", size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())


class Handler(BaseHTTPRequestHandler):
    """Does what the next of the server's `answers` says, the last again and again."""

    def do_GET(self):
        seen = self.server.seen
        answers = self.server.answers
        answer = answers[min(len(seen), len(answers) - 1)]
        seen.append(self.headers.get("Range"))
        start = 0
        if answer.get("ranges", True) and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        body = answer.get("body", BODY)[start:]
        self.send_response(answer.get("status", 206 if start else 200))
        if answer.get("length", True):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # of who has seen enough
            self.wfile.write(body[: answer.get("stop", len(body))])

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    """A server with a list of `answers`, what was `seen`, and the `file` of the registry that it gives."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answers, made.seen = [{}], []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{made.server_address[1]}/mine.pth"
    yield SimpleNamespace(
        made=made, seen=made.seen, address=address, file=replace(FILE, addresses=(address,))
    )
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def registered(server, tmp_path, monkeypatch):
    """The server's file as the only one of the registry, and empty folders of weights."""
    for module in (registry, "limen.weights.places"):
        monkeypatch.setattr(
            f"{getattr(module, '__name__', module)}.FILES", MappingProxyType({FILE.name: server.file})
        )
    monkeypatch.setenv("LIMEN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("LIMEN_OFFLINE", raising=False)
    return server.file

"""Downloads, from a server of the test's own."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from limen.weights import WeightsError, download, fetch
from limen.weights.download import in_lines

from .conftest import BODY

HALF = len(BODY) // 2


def test_a_file_arrives_whole_with_its_progress(server, tmp_path):
    told = []
    path = fetch(server.file, tmp_path / "new" / "folder", lambda *each: told.append(each))
    assert path == tmp_path / "new" / "folder" / "mine.pth"
    assert path.read_bytes() == BODY
    assert os.listdir(path.parent) == ["mine.pth"]
    assert [each[0] for each in told] == ["mine.pth"] * 3
    assert [each[1] for each in told] == sorted({each[1] for each in told})
    assert told[-1][1:] == (len(BODY), len(BODY))


def test_lines_tell_of_each_tenth_once(capsys):
    tell = in_lines()
    for done in (0, 19, 200, 399, 2000):
        tell("a.pth", done * 10_000, 20_000_000)
    in_lines()("b.pth", 20_000_000, None)
    assert capsys.readouterr().err.splitlines() == [
        "downloading a.pth: 0.0 of 20.0 MB",
        "downloading a.pth: 2.0 of 20.0 MB",
        "downloading a.pth: 20.0 of 20.0 MB",
        "downloading b.pth: 20.0 MB",
    ]


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.made.answers[:] = [{"stop": HALF}, {"stop": 1000}, {}]
    assert fetch(server.file, tmp_path).read_bytes() == BODY
    assert server.seen == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_an_error_of_the_system_on_the_way_is_the_connection_s_and_not_the_folder_s(
    tmp_path, monkeypatch, server
):
    class Broken:
        status, length = 200, None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def read(self, _):
            raise OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr(download, "_opened", lambda address, start: Broken())
    with pytest.raises(WeightsError, match=r"cannot be downloaded: .*\(No route to host\)$"):
        fetch(server.file, tmp_path)


def test_a_server_that_knows_no_ranges_begins_again(server, tmp_path):
    server.made.answers[:] = [{"stop": HALF}, {"ranges": False}]
    assert fetch(server.file, tmp_path).read_bytes() == BODY
    assert len(server.seen) == 2


def test_a_server_that_fails_once_is_asked_again(server, tmp_path):
    server.made.answers[:] = [{"status": 503}, {"length": False}]
    assert fetch(server.file, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(
    ("answer", "asked", "message"),
    [
        ({"stop": HALF, "ranges": False}, 3, f"it ended after {HALF} of {len(BODY)} bytes"),
        ({"body": BODY[:HALF]}, 1, f"it has {HALF} bytes and not {len(BODY)}"),
        ({"body": BODY * 3, "length": False}, 1, "bytes and not"),
        ({"body": BODY[::-1]}, 1, "its SHA-256 is .* and not"),
        ({"status": 404}, 1, "HTTP Error 404"),
        ({"status": 500}, 3, "HTTP Error 500"),
    ],
)
def test_a_bad_download_is_one_error_and_leaves_what_was_there(server, tmp_path, answer, asked, message):
    (tmp_path / "mine.pth").write_bytes(b"before")
    server.made.answers[:] = [answer]
    with pytest.raises(WeightsError, match=f"^mine.pth cannot be downloaded: {server.address}.*{message}"):
        fetch(server.file, tmp_path, lambda *_: None)
    assert len(server.seen) == asked
    assert os.listdir(tmp_path) == ["mine.pth"]
    assert (tmp_path / "mine.pth").read_bytes() == b"before"


def test_the_next_address_is_tried_and_all_reasons_are_told(server, tmp_path):
    server.made.answers[:] = [{"body": b"wrong"}, {}]
    twice = replace(server.file, addresses=(server.address, server.address))
    assert fetch(twice, tmp_path).read_bytes() == BODY
    nowhere = replace(server.file, addresses=("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))
    with pytest.raises(WeightsError, match=r"9/a \(Connection refused\); http://127.0.0.1:9/b"):
        fetch(nowhere, tmp_path / "other")


def test_a_file_of_unknown_size_is_known_by_its_hash(server, tmp_path):
    unknown = replace(server.file, size=None)
    assert fetch(unknown, tmp_path).read_bytes() == BODY
    assert unknown.megabytes == "size unknown"
    server.made.answers[:] = [{"body": BODY[:-1], "length": False}]
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch(unknown, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match=r"file.*: cannot be written \((Not a directory|File exists)\)"):
        fetch(server.file, tmp_path / "file")
    assert server.seen == []


def test_a_full_disk_leaves_nothing(server, tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("limen.weights.download.os.fsync", full)
    with pytest.raises(WeightsError, match=r"cannot be written \(No space left on device\)"):
        fetch(server.file, tmp_path)
    assert os.listdir(tmp_path) == []

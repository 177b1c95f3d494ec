"""The lowest room: places and claims are bounded before anything is spent on them."""

from __future__ import annotations

import io
import os
import resource
import zlib

import pytest

from limen import safety
from limen.errors import reason
from limen.safety import UnsafeError

KINDS = ("file", "nothing", "folder", "pipe", "device", "loop", "outside", "beside", "null", "long", "half")
SAID = {
    "nothing": "No such file or directory",
    "folder": "a folder, where a file belongs",
    "pipe": "a pipe or device, where a file belongs",
    "device": "a pipe or device, where a file belongs",
    "loop": "Too many levels of symbolic links",
    "null": "is no path",
    "long": "File name too long",
}
WITHIN = {**SAID, "loop": "links to itself", "outside": "a place outside of", "device": "a place outside of"}


@pytest.fixture
def places(tmp_path):
    """Something of each kind in a folder, by its name."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "file").write_bytes(b"content")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (root / "device").symlink_to("/dev/zero")
    (root / "loop").symlink_to(root / "loop")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "beside").symlink_to(root / "file")
    names = {name: root / name for name in KINDS}
    names |= {"null": root / "a\0b", "long": root / ("x" * 300), "half": root / "a\udcff"}
    names["half"].write_bytes(b"content")
    return names


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_opened_and_links_stay_inside(places, kind, within):
    root = places["file"].parent if within else None
    said = (WITHIN if within else SAID).get(kind)
    if said is None:
        assert safety.read_bytes(places[kind], root) == (b"secret" if kind == "outside" else b"content")
        return
    with pytest.raises(OSError) as caught:  # noqa: PT011 - what it says is looked at
        safety.read_bytes(places[kind], root)
    assert said in reason(caught.value)


def test_what_is_larger_than_allowed_is_refused_before_it_is_read(places, tmp_path):
    with pytest.raises(UnsafeError, match="it has 7 bytes, more than the 6 bytes that are read"):
        safety.read_bytes(places["file"], most=6)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(2**43)  # a sparse file, which takes no place
    with pytest.raises(UnsafeError, match=r"it would take 8\.8 TB of memory"):
        safety.read_bytes(huge)
    with pytest.raises(UnsafeError, match="it has no end, or more than"):
        safety.read_bytes("/proc/kallsyms", most=3)


def test_a_limit_set_for_the_process_is_memory_s(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (2**20, resource.RLIM_INFINITY))
    assert safety.memory() == 2**20
    safety.check_fits(2**19)
    with pytest.raises(UnsafeError, match=r"would take 524\.3 kB of memory, and 524\.3 kB can be had"):
        safety.check_fits(2**19 + 1)


def test_only_what_is_asked_for_is_inflated():
    machine = zlib.compressobj(wbits=31)
    bomb = b"".join(machine.compress(bytes(2**20)) for _ in range(64)) + machine.flush()
    stream = io.BytesIO(bomb)
    assert safety.inflated(stream, 5) == bytes(5)
    assert len(safety.inflated(io.BytesIO(bomb), 2**30)) == 2**26
    for broken in (bomb[:-9], b""):
        with pytest.raises(EOFError):
            safety.inflated(io.BytesIO(broken), 2**30)
    with pytest.raises(zlib.error):
        safety.inflated(io.BytesIO(b"no gzip at all"), 9)


def test_links_are_replaced_and_pipes_are_not(places):
    for kind in ("file", "nothing", "loop", "outside", "device"):
        safety.check_replaceable(places[kind])
    for kind in ("folder", "pipe"):
        with pytest.raises(UnsafeError, match="where a file belongs"):
            safety.check_replaceable(places[kind])


def test_a_home_that_nobody_has_is_named():
    with pytest.raises(UnsafeError, match="there is no user '~nosuchuser'"):
        safety.expanded("~nosuchuser/a/b")
    assert safety.expanded("~/a").is_absolute()


@pytest.mark.parametrize("how", ["replaced", "removed", "a pipe"])
def test_a_file_that_is_exchanged_while_it_is_open_is_read_as_it_was(places, how):
    path = places["file"]
    with safety.opened(path) as file:
        path.unlink()
        if how == "replaced":
            path.write_bytes(b"other")
        elif how == "a pipe":
            os.mkfifo(path)
        assert file.read() == b"content"


def test_a_file_that_grows_while_it_is_read_is_bounded(places, monkeypatch):
    true = os.fstat

    def smaller(number: int):
        found = list(true(number))
        found[6] = 3  # what it had a moment ago
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", smaller)
    assert safety.read_bytes(places["file"], most=7) == b"content"
    with pytest.raises(UnsafeError, match="it has no end, or more than the 6 bytes that are read"):
        safety.read_bytes(places["file"], most=6)


def test_what_leads_nowhere_is_inside_of_nothing(places):
    root = safety.resolved(places["folder"].parent)
    inside = {name for name, place in places.items() if safety.is_inside(root, place)}
    assert {"file", "nothing", "beside"} <= inside
    assert not inside & {"loop", "outside", "device", "null"}

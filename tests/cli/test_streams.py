"""Where output cannot be written as it is, a command still ends as it would have, and nothing is lost."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from limen.cli import main
from limen.cli.streams import Enduring, enduring, readable

TEXT = "│ L₂ ≤ 3 × 4 − 1 → 64 …  naïve 猫 \udcff"


class Full(io.RawIOBase):
    """A stream that takes so many bytes and then fails."""

    def __init__(self, room: int, error: int = 28) -> None:
        self.room, self.error, self.got = room, error, b""

    def writable(self) -> bool:
        return True

    def write(self, content) -> int:
        taken = bytes(content[: max(1, len(content) // 2)])  # never all at once
        if len(self.got) + len(taken) > self.room:
            raise OSError(self.error, os.strerror(self.error))
        self.got += taken
        return len(taken)


def streams(monkeypatch, room: int = 10**6, error: int = 28, encoding: str = "utf-8") -> tuple[Full, Full]:
    raws = Full(room, error), Full(10**6)
    for name, raw in zip(("stdout", "stderr"), raws, strict=True):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding))
    return raws


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "│ L₂ ≤ 3 × 4 − 1 → 64 …  naïve 猫 \\udcff"),
        ("utf-16-le", "│ L₂ ≤ 3 × 4 − 1 → 64 …  naïve 猫 \\udcff"),
        ("cp1252", "| L2 <= 3 × 4 - 1 -> 64 …  naïve \\u732b \\udcff"),
        ("latin-1", "| L2 <= 3 × 4 - 1 -> 64 ...  naïve \\u732b \\udcff"),
        ("ascii", "| L2 <= 3 x 4 - 1 -> 64 ...  naive \\u732b \\udcff"),
        ("cp437", "│ L2 ≤ 3 x 4 - 1 -> 64 ...  naïve \\u732b \\udcff"),
        ("koi8-r", "│ L2 ≤ 3 x 4 - 1 -> 64 ...  naive \\u732b \\udcff"),
        ("shift_jis", "│ L2 <= 3 × 4 − 1 → 64 …  naive 猫 \\udcff"),
    ],
)
def test_characters_that_an_encoding_lacks_become_the_nearest_that_it_has(monkeypatch, encoding, shown):
    output, _ = streams(monkeypatch, encoding=encoding)
    with enduring():
        print(TEXT)
    assert output.got.decode(encoding).strip() == shown


def test_bytes_that_are_no_text_stay_an_error():
    broken = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    with pytest.raises(UnicodeDecodeError):
        readable(broken)


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_full_disk_is_told_at_the_end_and_ends_nothing_before(monkeypatch, room):
    output, said = streams(monkeypatch, room)
    done = []

    def work() -> None:
        for number in range(200):
            print(f"line {number}")
            done.append(number)
        raise SystemExit(0)

    with pytest.raises(SystemExit) as ended, enduring():
        work()
    assert (ended.value.code, len(done), len(output.got)) == (1, 200, min(room, len(output.got)))
    told = "error: standard output cannot be written (No space left on device); what was computed is kept\n"
    assert said.got.decode() == told


def test_a_reader_that_leaves_is_no_error(monkeypatch):
    _, said = streams(monkeypatch, 40, error=32)
    with enduring():
        print("\n".join(map(str, range(200))))
    assert said.got == b""


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_a_command_that_can_print_ends_with_its_own_code(monkeypatch, code):
    streams(monkeypatch)
    with pytest.raises(SystemExit) as ended, enduring():
        raise SystemExit(code)
    assert ended.value.code == code


def test_the_streams_of_before_are_back_afterwards(monkeypatch):
    streams(monkeypatch)
    before = sys.stdout, sys.stderr
    with enduring():
        assert sys.stdout.isatty() is False
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("arguments", [["list", "metrics"], ["--help"], ["--version"], ["list", "nothing"]])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_commands_print_in_every_encoding(monkeypatch, encoding, arguments):
    output, said = streams(monkeypatch, encoding=encoding)
    monkeypatch.setattr(sys, "argv", ["limen", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == (2 if "nothing" in arguments else 0)
    assert len(output.got) + len(said.got) > 10
    assert b"Traceback" not in said.got


@pytest.mark.parametrize(
    "command", ["exec 1>&-; {}", "exec 2>&-; {}", "exec 0<&- 1>&- 2>&-; {}", "{} >/dev/full"]
)
def test_streams_that_are_closed_or_full_from_the_start(command):
    limen = f"{sys.executable} -m limen --version"
    done = subprocess.run(["bash", "-c", command.format(limen)], capture_output=True, text=True, check=False)
    full = "full" in command
    assert done.returncode == full
    assert ("No space left" in done.stderr) == full
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_pipe_that_is_full_for_now_is_waited_for(monkeypatch):
    class Slow(Full):
        waited = 0

        def write(self, content):
            if self.waited < 3:
                self.waited += 1
                return None
            return super().write(content)

        def fileno(self) -> int:
            return 7

    raw = Slow(10**6)
    stream = Enduring(raw)
    assert (stream.write(b"whole"), raw.got, raw.waited, stream.failure) == (5, b"whole", 3, None)
    assert stream.fileno() == 7

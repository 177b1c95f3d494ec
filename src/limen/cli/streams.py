"""Standard streams that no encoding, no full disk and no reader who leaves can end a command by."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from limen.errors import reason

_HANDLER = "limen.readable"
_PLAIN = {"−": "-", "–": "-", "×": "x", "→": "->", "…": "...", "≥": ">=", "≤": "<=", "·": "*", "∞": "inf"}
_PLAIN |= dict.fromkeys("│┃", "|") | dict.fromkeys("─━", "-")
_LEFT = (errno.EPIPE, *((errno.EINVAL,) if os.name == "nt" else ()))  # what says that a reader has left
_PAUSE = 0.01  # seconds, where a reader is slow and the stream does not wait for it


class Enduring(io.RawIOBase):
    """A stream of bytes whose first failure to be written is kept and not raised; later bytes are dropped.

    What a command prints is the last that it does, and is worth less than what it has computed.

    Args:
        stream: Where bytes go.
    """

    def __init__(self, stream: io.RawIOBase | IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether a person may be looking."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The number of the stream below."""
        return self._stream.fileno()

    def write(self, content: Any) -> int:
        """Write bytes, if those before could be written."""
        left, size = memoryview(content), len(content)
        try:
            while left and self.failure is None:
                written = self._stream.write(left)
                left = left[written or 0 :]
                if written is None:
                    time.sleep(_PAUSE)
        except OSError as error:
            self.failure = error
        return size


def readable(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding does not have: the nearest that it has, or their numbers.

    Example:
        >>> "L₂ ≤ 3 × 4: naïve".encode("ascii", errors="limen.readable")
        b'L2 <= 3 x 4: naive'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_nearest, error.object[error.start : error.end])), error.end


codecs.register_error(_HANDLER, readable)


@contextmanager
def enduring() -> Iterator[None]:
    """While a command runs, let nothing that happens to its output end it before it is done.

    Streams that are closed become ones that lead nowhere, so that no file of a run takes their place.
    Characters that their encoding does not have are written as the nearest that it has.

    Raises:
        SystemExit: With code 1 at the end, if standard output could not be written although its reader is
            still there.
    """
    _fill_closed()
    before, (output, said) = (sys.stdout, sys.stderr), map(_wrapped, (sys.stdout, sys.stderr))
    sys.stdout, sys.stderr = output[1], said[1]
    try:
        yield
    finally:
        output[1].flush()
        failure = output[0].failure
        lost = "" if failure is None or failure.errno in _LEFT else reason(failure)
        if lost:
            said[1].write(f"error: standard output cannot be written ({lost}); what was computed is kept\n")
        said[1].flush()
        sys.stdout, sys.stderr = before
        if lost:
            raise SystemExit(1)


def _wrapped(stream: Any) -> tuple[Enduring, io.TextIOWrapper]:
    stream.flush()
    # Not through the buffer: what it could not write, it would try to write again when Python ends.
    raw = Enduring(getattr(stream.buffer, "raw", stream.buffer))
    buffer = io.BufferedWriter(raw)
    return raw, io.TextIOWrapper(buffer, stream.encoding, _HANDLER, line_buffering=True)


def _fill_closed() -> None:
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is not None:
            continue
        # The lowest number that is free is taken, which is this one, as those before it are open by now.
        opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        setattr(sys, name, os.fdopen(opened, mode, encoding="utf-8"))


def _nearest(character: str) -> str:
    found = _PLAIN.get(character) or unicodedata.normalize("NFKD", character)
    plain = "".join(each for each in found if each.isascii())
    return plain or character.encode("ascii", "backslashreplace").decode()

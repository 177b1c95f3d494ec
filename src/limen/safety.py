"""What nobody vouches for, bounded before memory or time is spent on it: places, files, and their claims.

What is wrong with a place or a file is an `OSError`, as what the system says is, so that who opens a file
need not tell one from the other: `limen.errors.reason` says either in one line.
"""

from __future__ import annotations

import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from limen.errors import UsageError, shown

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None

MOST_TEXT = 256 * 2**20
"""How many bytes a file of text may have, such as a table or a manifest."""

MOST_SIDE = 8192
"""How many pixels an image may be resized to a side: no classifier takes more, and its square is 200 MB."""

MOST_COUNT = 1_000_000
"""How many steps, draws or samples may be asked for where nothing else bounds them: more is a slip."""

_GREATEST = {float: 1e37, int: 2**63 - 1}  # what single precision and 64 bits hold, with room to compute

_SHARE = 2  # what is read once is held about twice, as bytes and as what they become
_PIECE = 2**20
_UNITS = (("EB", 1e18), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class UnsafeError(OSError):
    """A place leads where nothing may be read or written, or a file claims to be larger than can be held."""


def resolved(path: str | Path) -> Path:
    """The place that a path leads to when all its links are followed, whether something is there or not.

    Raises:
        OSError: If it leads nowhere, as a link to itself does, or is no path at all.
    """
    with _as_system_error(path):
        place = Path(path).resolve()
    if any(map(os.path.islink, (place, *place.parents))):  # where Python 3.13 gives up, and tells nobody
        raise UnsafeError("links to itself")
    return place


def expanded(path: str | Path) -> Path:
    """The path with `~` and `~user` for the home of a user.

    Raises:
        OSError: If there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UnsafeError(f"there is no user {str(path).partition('/')[0]!r}") from None


def is_inside(root: Path, path: str | Path) -> bool:
    """Whether a path lies in the resolved folder `root`, or is it, when all its links are followed.

    Example:
        >>> root = resolved(".")
        >>> is_inside(root, root / "a" / "b.png"), is_inside(root, root / "..")
        (True, False)
    """
    try:
        return resolved(path).is_relative_to(root)
    except OSError:
        return False


def check_inside(root: Path, path: str | Path) -> None:
    """Refuse a path that a link takes out of the resolved folder `root`.

    Raises:
        OSError: If it does, or leads nowhere.
    """
    if not resolved(path).is_relative_to(root):
        raise UnsafeError(f"links to a place outside of {root}")


@contextmanager
def opened(path: str | Path, root: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a regular file for reading, and nothing else: a pipe or a device could be waited for for ever.

    Whoever exchanges the file in between changes nothing: what was looked at is what is read.

    Args:
        path: The file.
        root: The resolved folder that it must lie in when all links are followed; None for anywhere.

    Raises:
        OSError: If it is no such file, or cannot be opened.
    """
    with _as_system_error(path):
        if root is not None:
            check_inside(root, path)
        _check_regular(os.stat(path))
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
        number = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(number, "rb") as file:
        _check_regular(os.fstat(number))
        if root is not None:
            check_inside(root, path)
        yield file


def read_bytes(path: str | Path, root: Path | None = None, most: int | None = None) -> bytes:
    """All bytes of a regular file, where they can be held.

    Args:
        path: The file.
        root: As for `opened`.
        most: How many there may be; None for as many as memory holds.

    Raises:
        OSError: If it is no such file, cannot be read, or has more.
    """
    with opened(path, root) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise UnsafeError(f"it has {told(size)}, more than the {told(most)} that are read")
        check_fits(size)
        bound = memory() // _SHARE if most is None else most
        parts, left = [file.read(size + 1)], bound
        # What is longer by now, or is made up by the system as it is read, may have no end.
        while len(parts[-1]) > 0 and (left := left - len(parts[-1])) >= 0:
            parts.append(file.read(_PIECE))
    if left < 0:
        raise UnsafeError(f"it has no end, or more than the {told(bound)} that are read")
    return b"".join(parts)


def read_text(path: str | Path, root: Path | None = None) -> str:
    """The text of a file in UTF-8, without the byte order mark that Excel writes.

    Raises:
        OSError: As `read_bytes`.
        UnicodeDecodeError: If it is no UTF-8.
    """
    return read_bytes(path, root, MOST_TEXT).decode("utf-8-sig")


def check_replaceable(path: Path) -> None:
    """Refuse to put a file where a folder, pipe or device is; a link is replaced, and not followed.

    Raises:
        OSError: If there is one.
    """
    with suppress(FileNotFoundError), _as_system_error(path):
        status = os.lstat(path)
        if not stat.S_ISLNK(status.st_mode):
            _check_regular(status)


def inflated(stream: IO[bytes], most: int) -> bytes:
    """The first so many bytes of what a stream in gzip's format decompresses to; the rest is let be.

    Raises:
        EOFError: If the stream ends too early.
        zlib.error: If it is in another format.
    """
    machine, parts, left = zlib.decompressobj(wbits=31), [], most
    while left and not machine.eof:
        piece = machine.unconsumed_tail or stream.read(_PIECE)
        if not piece:
            raise EOFError("it ends too early")
        parts.append(machine.decompress(piece, left))
        left -= len(parts[-1])
    return b"".join(parts)


def check_fits(size: int) -> None:
    """Refuse to hold so many bytes that they and what is made of them do not fit into memory.

    Raises:
        UnsafeError: If they do not.
    """
    if (there := memory() // _SHARE) < size:
        raise UnsafeError(f"it would take {told(size)} of memory, and {told(there)} can be had for it")


def check_count(name: str, count: object, most: int = MOST_COUNT, least: int = 1) -> int:
    """The count, if it is a whole number from `least` to `most`.

    Raises:
        UsageError: If it is none.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not least <= count <= most:
        raise UsageError(f"{name} is {shown(count)}; expected an integer from {least} to {most:,}")
    return count


def is_tame(number: float) -> bool:
    """Whether a number is one that tensors can hold, or infinite, or none at all.

    Example:
        >>> is_tame(1e308), is_tame(10**30), is_tame(-3), is_tame(float("inf"))
        (False, False, True, True)
    """
    most = _GREATEST.get(type(number), _GREATEST[float])
    return not most < abs(number) < float("inf")


def memory() -> int:
    """How many bytes of memory this process may use, by the machine and by the limits that are set for it."""
    limits = [sys.maxsize]
    with suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if resource is not None:
        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        limits += [soft] if soft != resource.RLIM_INFINITY else []
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container
        with suppress(OSError, ValueError):
            limits.append(int(Path("/sys/fs/cgroup", file).read_text()))
    return min(limits)


def told(size: int) -> str:
    """A number of bytes for people.

    Example:
        >>> told(12), told(1_234_567), told(2**70)
        ('12 bytes', '1.2 MB', '1180.6 EB')
    """
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise UnsafeError("a folder, where a file belongs")
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeError("a pipe or device, where a file belongs")


@contextmanager
def _as_system_error(path: str | Path) -> Iterator[None]:
    """What Python says of a path before the system is asked about it, as an error of the system."""
    try:
        yield
    except ValueError:  # a null byte, or half of a character
        raise UnsafeError(f"{str(path)!r:.80} is no path") from None
    except RuntimeError:
        raise UnsafeError("links to itself") from None

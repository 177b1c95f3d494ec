"""Downloads of files of weights: to another name first, compared with the registry, then put in place."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from io import BufferedRandom
from pathlib import Path

from limen.errors import reason
from limen.weights.checks import difference
from limen.weights.errors import WeightsError
from limen.weights.registry import WeightsFile

Progress = Callable[[str, int, int | None], object]
"""Told, as bytes come, the file's name, how many of its bytes are there, and of how many if that is known."""

_PIECE = 1 << 20
_TRIES = 3
_SECONDS = 30.0
_BROKEN = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


def fetch(file: WeightsFile, folder: Path, progress: Progress | None = None) -> Path:
    """Download a file into a folder, from the first of its addresses that gives it.

    A connection that breaks is taken up again where it broke. Nothing is left of a download that fails, and
    what was there before stays.

    Args:
        file: What to download.
        folder: Where it goes; it is made if it is not there.
        progress: Told how far it is; by default a line is written to standard error now and then.

    Returns:
        The path of the file.

    Raises:
        WeightsError: If no address gives the file that the registry means, or the folder cannot be written.
    """
    reasons = []
    with _telling_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for address in file.addresses:
        try:
            return _from(address, file, folder, progress or in_lines())
        except _UnavailableError as error:
            reasons.append(str(error))
    raise WeightsError(f"{file.name} cannot be downloaded: {'; '.join(reasons)}")


def in_lines() -> Progress:
    """A listener that writes a line to standard error at each tenth of a file."""
    told = -1

    def tell(name: str, done: int, total: int | None) -> None:
        nonlocal told
        # Of a size that is not known, each tenth of 100 MB.
        tenth = 10 * done // (total or 10**8)
        if tenth > told:
            told = tenth
            whole = "" if total is None else f" of {total / 1e6:.1f}"
            sys.stderr.write(f"downloading {name}: {done / 1e6:.1f}{whole} MB\n")

    return tell


class _UnavailableError(Exception):
    """An address does not give the file; another may."""


def _from(address: str, file: WeightsFile, folder: Path, progress: Progress) -> Path:
    with _telling_of(folder):
        number, partial = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=folder)
        try:
            with os.fdopen(number, "w+b") as target:
                _receive(address, file, target, progress)
                _check(address, file, target)
                target.flush()
                os.fsync(target.fileno())
            os.chmod(partial, 0o644)  # as any other file, where a temporary one is its owner's alone
            os.replace(partial, folder / file.name)
        finally:
            Path(partial).unlink(missing_ok=True)
    return folder / file.name


def _receive(address: str, file: WeightsFile, target: BufferedRandom, progress: Progress) -> None:
    """Write what the address gives; after a break, ask for the bytes that are missing."""
    for tried in range(1, _TRIES + 1):
        try:
            done = target.tell()
            with _opened(address, done) as answer:
                if done and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                    target.seek(0)
                    target.truncate()
                _write(answer, file, target, progress)
                return
        except _BROKEN as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or tried == _TRIES:
                raise _UnavailableError(f"{address} ({_reason(error)})") from error


def _write(
    answer: http.client.HTTPResponse, file: WeightsFile, target: BufferedRandom, progress: Progress
) -> None:
    expected = target.tell() + (answer.length or 0)
    known = expected if answer.length is not None else file.size
    while piece := _next(answer):
        target.write(piece)
        progress(file.name, target.tell(), known)
        if file.size is not None and target.tell() > file.size:
            return  # which the check tells, without the rest of what may be endless
    if target.tell() < expected:
        raise ConnectionError(f"it ended after {target.tell()} of {expected} bytes")


def _next(answer: http.client.HTTPResponse) -> bytes:
    """The bytes that come next; an error of the system is the connection's here, and not the folder's."""
    try:
        return answer.read(_PIECE)
    except OSError as error:
        raise ConnectionError(reason(error)) from error


def _opened(address: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "limen", **({"Range": f"bytes={start}-"} if start else {})}
    # The addresses are those of the registry, all of them of the web.
    return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=_SECONDS)  # noqa: S310


def _check(address: str, file: WeightsFile, target: BufferedRandom) -> None:
    size = target.tell()
    target.seek(0)
    said = difference(file, size, hashlib.file_digest(target, "sha256").hexdigest())
    if said:
        raise _UnavailableError(f"{address} (not the file that was published: {said})")


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return reason(inner) if isinstance(inner, BaseException) else reason(error)


@contextlib.contextmanager
def _telling_of(folder: Path) -> Iterator[None]:
    """Say of which folder an error of the file system is."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be written ({reason(error)})") from error

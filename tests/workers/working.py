"""States and jobs that workers do: simple enough that what they find is known."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limen.errors import LimenWarning, UnknownNameError


@dataclass(frozen=True)
class Adding:
    """What all jobs need: a number to add."""

    number: int

    def to(self, device: str) -> Adding:
        return self


@dataclass(frozen=True)
class Sum:
    """A job: to add to each of these values, some of which are known by now."""

    values: tuple[int, ...]
    known: frozenset[int] = frozenset()
    marker: Path | None = None  # there once a worker was killed


def add(state: Adding, job: Sum) -> Iterator[tuple[int, int]]:
    for value in job.values:
        if value in job.known:
            continue
        if value < 0:
            raise UnknownNameError("value", str(value), ["0", "1"])
        if value == 7:
            warnings.warn("seven is unlucky", LimenWarning, stacklevel=2)
        if value % 10 == 3 and job.marker is not None and not job.marker.exists():
            job.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield value, value + state.number


def die(state: Adding, job: Sum) -> Iterator[tuple[int, int]]:
    yield from add(state, Sum(job.values[:1], job.known))
    os.kill(os.getpid(), signal.SIGKILL)

"""Requests on the embedded digits, and the recipes' attacks reduced to a few quick ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from limen.evaluation import Progress
from limen.recipes import Request


@dataclass
class Told:
    """Shows progress by remembering it."""

    labels: list[str] = field(default_factory=list)
    counts: list[tuple[str, int, int]] = field(default_factory=list)

    @contextmanager
    def __call__(self, labels: Iterable[str]) -> Iterator[Progress]:
        self.labels += labels
        yield lambda *values: self.counts.append(values)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def request_in(tmp_path: Path) -> Callable[..., Request]:
    """A request on twelve digits, in a folder of its own unless told otherwise."""

    def make(out: Path = tmp_path / "out", **changed: object) -> Request:
        options: dict = {"limit": 12, "batch_size": 12, "budgets": 3, **changed}
        return Request("demo:digits", "demo:digits,count=20", out, **options)

    return make

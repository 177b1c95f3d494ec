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


@pytest.fixture(scope="session")
def smooth_out(tmp_path_factory) -> Path:
    """The folder of the run that all recipes of the paper on smooth adversarial examples share."""
    return tmp_path_factory.mktemp("smooth") / "out"


@pytest.fixture
def smooth_request(request_in, smooth_out) -> Request:
    """Few digits, budgets, steps and climbs."""
    return request_in(smooth_out, limit=10, batch_size=32, budgets=2, steps=12, search_steps=3)

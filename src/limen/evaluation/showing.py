"""How long work tells of its progress, whoever shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from limen.evaluation.ledger import Progress


class Showing(Protocol):
    """Shows how far work is."""

    def __call__(self, labels: Iterable[str], units: str = "images") -> AbstractContextManager[Progress]:
        """Show the progress of what has these labels, counted in these units, while the block runs."""
        ...


@contextmanager
def silent(labels: Iterable[str], units: str = "images") -> Iterator[Progress]:
    """Show no progress."""
    yield lambda label, done, total: None

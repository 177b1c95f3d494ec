"""How far a run is: a bar an attack on a terminal, a line now and then in a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from limen.cli.console import complain
from limen.evaluation import Progress as Listener


@contextmanager
def showing(labels: Iterable[str]) -> Iterator[Listener]:
    """Show the progress of attacks on standard error; the block is given what to tell of it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _in_lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {label: bars.add_task(label, total=None) for label in labels}

        def show(label: str, done: int, total: int) -> None:
            bars.update(tasks[label], completed=done, total=total)

        yield show


def _in_lines() -> Listener:
    """A line at each tenth of an attack's images, so that the log of a long run stays short."""
    tenths: Counter[str] = Counter()

    def show(label: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > tenths[label]:
            tenths[label] = tenth
            complain(f"{label}: {done} of {total} images")

    return show

"""How far a run is: a bar an attack on a terminal, a line now and then in a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from limen.cli.console import complain
from limen.evaluation import Progress as Listener
from limen.training.settings import Epoch, Step


@contextmanager
def showing(labels: Iterable[str], units: str = "images") -> Iterator[Listener]:
    """Show the progress of what has these labels on standard error; the block is given what to tell of it.

    Args:
        labels: Of attacks, mostly.
        units: What is counted.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _in_lines(units)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks = {label: bars.add_task(label, total=None) for label in labels}

        def show(label: str, done: int, total: int) -> None:
            bars.update(tasks[label], completed=done, total=total)

        yield show


@contextmanager
def steps(name: str = "epoch") -> Iterator[Callable[[Step | Epoch], None]]:
    """Show the steps of a training's epochs as a bar on standard error, where that is a terminal.

    Args:
        name: What an epoch is called.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda event: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=None)

        def show(event: Step | Epoch) -> None:
            if isinstance(event, Step):
                told = f"{name} {event.epoch}, loss {event.loss:.4f}"
                bars.update(bar, description=told, completed=event.number, total=event.steps)

        yield show


def _in_lines(units: str) -> Listener:
    """A line at each tenth of what a label counts, so that the log of a long run stays short."""
    tenths: Counter[str] = Counter()

    def show(label: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > tenths[label]:
            tenths[label] = tenth
            complain(f"{label}: {done} of {total} {units}")

    return show

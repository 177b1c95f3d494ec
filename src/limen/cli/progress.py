"""How far a run is: a bar an attack on a terminal, a line now and then in a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from limen.cli.console import complain
from limen.document import harmless, wrapped
from limen.evaluation import Progress as Listener
from limen.training.settings import Epoch, Step

_FIGURES = 26


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
    with bars(console, MofNCompleteColumn, TimeRemainingColumn) as shown:
        told = {label: described(label, console) for label in labels}
        # What does not fit on the screen is shown once it begins, in place of what is done.
        room = sum(text.count("\n") + 1 for text in told.values()) < console.height
        tasks = {label: shown.add_task(text, total=None, visible=room) for label, text in told.items()}

        def show(label: str, done: int, total: int) -> None:
            shown.update(tasks[label], completed=done, total=total, visible=room or done < total)

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
    with bars(console, MofNCompleteColumn, TimeRemainingColumn, transient=True) as shown:
        bar = shown.add_task("", total=None)

        def show(event: Step | Epoch) -> None:
            if isinstance(event, Step):
                told = described(f"{name} {event.epoch}, loss {event.loss:.4f}", console)
                shown.update(bar, description=told, completed=event.number, total=event.steps)

        yield show


def bars(console: Console, *figures: Callable[..., ProgressColumn], transient: bool = False) -> Progress:
    """Bars that no terminal cuts: what each is of, the bar, and these figures."""
    whole = Column(no_wrap=True)
    name = TextColumn("{task.description}", markup=False, table_column=whole)
    length = BarColumn(_bar(console), table_column=whole)
    told = (of(table_column=whole) for of in figures)
    return Progress(name, length, *told, console=console, transient=transient)


def described(label: str, console: Console) -> str:
    """What a bar is of, in lines that leave room for the bar and its figures."""
    return "\n".join(wrapped(harmless(label), max(12, console.width - _bar(console) - _FIGURES)))


def _bar(console: Console) -> int:
    return max(6, min(40, console.width // 5))


def _in_lines(units: str) -> Listener:
    """A line at each tenth of what a label counts, so that the log of a long run stays short."""
    tenths: Counter[str] = Counter()

    def show(label: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > tenths[label]:
            tenths[label] = tenth
            complain(f"{label}: {done} of {total} {units}")

    return show

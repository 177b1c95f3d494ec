"""Who does the work of a run: this process alone, or others beside it, each job done by one of them.

Jobs are dealt out, and what they find comes back, in this process, which alone writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, Self, TypeVar

__all__ = ["HERE", "State", "Workers"]


class State(Protocol):
    """What every job of a kind needs, such as a model: given to a worker once, and pickled on the way."""

    def to(self, device: str) -> Self:
        """The same, where a worker computes."""
        ...


S = TypeVar("S", bound=State)
Job = TypeVar("Job")
Left = TypeVar("Left")
Found = TypeVar("Found")


class Workers(Protocol):
    """Those who do the jobs of a run.

    Attributes:
        count: How many jobs are done at once.
        device: Where they compute; None for where the state is.
    """

    @property
    def count(self) -> int: ...  # noqa: D102

    @property
    def device(self) -> str | None: ...  # noqa: D102

    def run(
        self,
        work: Callable[[S, Left], Iterator[Found]],
        state: S,
        jobs: Iterable[Job],
        left: Callable[[Job], Left],
    ) -> Iterator[Found]:
        """Have every job done.

        Args:
            work: Does what is left of a job, and yields what it finds, piece by piece.
            state: What all jobs need.
            jobs: The jobs, read as workers become free.
            left: What is left of a job, when it is dealt out. A job whose worker was lost is dealt out once
                more, and what it has found by then is known.

        Yields:
            What jobs find: of one job in order, of several in whatever order they come.
        """
        ...


class _Here:
    """This process, which does job after job."""

    count = 1
    device = None

    def run(
        self,
        work: Callable[[S, Left], Iterator[Found]],
        state: S,
        jobs: Iterable[Job],
        left: Callable[[Job], Left],
    ) -> Iterator[Found]:
        for job in jobs:
            yield from work(state, left(job))


HERE: Workers = _Here()
"""This process alone."""

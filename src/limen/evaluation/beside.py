"""What goes on beside the attacks of a run, so that they wait neither for a disk nor for a metric."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import ParamSpec, Self, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_AT_ONCE = 2  # pieces of work: one that is done, and one that waits


class Behind:
    """A thread that does one piece of work after the other, in the order in which they are given to it.

    Whoever gives it work goes on meanwhile, and waits only where two pieces are not done. After a piece that
    raises no other is begun, and the error is raised in whoever gives the next one, or leaves the block.

    Example:
        >>> done = []
        >>> with Behind() as behind:
        ...     for number in range(3):
        ...         behind.do(done.append, number)
        >>> done
        [0, 1, 2]
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._room = Semaphore(_AT_ONCE)
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *raised: object) -> None:
        self._thread.shutdown()
        if kind is None:
            self._raise()

    def do(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have a piece of work done."""
        self._raise()
        self._room.acquire()
        # What the caller is in, such as whose code may run, holds there, too.
        self._thread.submit(self._do, contextvars.copy_context(), lambda: work(*args, **kwargs))

    def wait(self) -> None:
        """Until all is done that was given to it."""
        self._thread.submit(lambda: None).result()
        self._raise()

    def _do(self, context: contextvars.Context, work: Callable[[], object]) -> None:
        try:
            if self._error is None:
                context.run(work)
        except BaseException as error:  # an interrupt, too, is for whoever gave the work
            self._error = error
        finally:
            self._room.release()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, of which the next one is made in another thread while one is used.

    Example:
        >>> list(ahead(iter("abc")))
        ['a', 'b', 'c']
    """
    end, context = object(), contextvars.copy_context()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(context.run, next, items, end)
        while (found := coming.result()) is not end:
            coming = thread.submit(context.run, next, items, end)
            yield found  # pyright: ignore[reportReturnType] - it is not the end

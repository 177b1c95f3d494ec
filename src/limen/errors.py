"""The one family of errors that a user can cause and mend."""

from __future__ import annotations

import difflib
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_FILTERS = threading.RLock()


class LimenError(Exception):
    """Something that the user can mend: the message names what was wrong and what to do.

    The command line prints the message alone, without a traceback, and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(LimenError, ValueError):
    """An argument is wrong: a shape, range, dtype, name, spec or setting."""

    exit_code = 2


class RunError(LimenError):
    """A run directory cannot be read or written; the message names the file or folder and the cure."""


class LimenWarning(UserWarning):
    """Something that was done as asked, but does not mean what it seems to; the message says what to do."""


def reason(error: BaseException) -> str:
    """Why something failed, in one line: what the system says, else the error's own words, else its kind.

    Example:
        >>> reason(OSError(28, "No space left on device")), reason(EOFError())
        ('No space left on device', 'EOFError')
    """
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def shown(value: object, length: int = 60) -> str:
    """A value in one short line, as an error repeats it.

    Example:
        >>> shown([1,
        ...     2]), shown("x" * 99, 9)
        ('[1, 2]', "'xxxxxx…")
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= length else f"{text[: length - 2]}…"


@contextmanager
def changed_filters() -> Iterator[None]:
    """Undo at the end what is changed of the filters of warnings, which all threads of a process share.

    Of two threads that put back what they found, the second would leave the filters of the first for good.
    So one waits for the other; whoever is inside may wait for no thread that comes here.

    Example:
        >>> before = list(warnings.filters)
        >>> with changed_filters():
        ...     warnings.simplefilter("ignore")
        >>> warnings.filters == before
        True
    """
    with _FILTERS, warnings.catch_warnings():
        yield


def is_interrupt(error: BaseException) -> bool:
    """Whether an exception is what Ctrl-C raises, which no one else's code is to be blamed for.

    Example:
        >>> is_interrupt(KeyboardInterrupt()), is_interrupt(SystemExit(2)), is_interrupt(GeneratorExit())
        (True, False, False)
    """
    return type(error) is KeyboardInterrupt


class UnknownNameError(UsageError):
    """A name is not in a table of names; the message offers the nearest ones.

    >>> print(UnknownNameError("attack", "pgd_l3", ["pgd_l2", "fgsm"]))
    unknown attack 'pgd_l3'; did you mean 'pgd_l2'? Known: fgsm, pgd_l2
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        super().__init__(f"unknown {kind} {name!r}{hint} Known: {', '.join(known) or 'none'}")

    def __reduce__(self) -> tuple[type[UsageError], tuple[str]]:
        """As other processes get it: the message is made already."""
        return UsageError, (str(self),)

"""`python:FILE.py:NAME`: what a user's own file defines.

The file is run with all the rights of the user, as `python FILE.py` would run it. So it is for the user to
name it: one that only a run of somebody else names is refused (`named_by`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from limen.errors import LimenError, UnknownNameError, UsageError, is_interrupt, reason
from limen.safety import MOST_TEXT, expanded, read_bytes, resolved

_loaded: dict[Path, tuple[str, ModuleType]] = {}
_namer: ContextVar[tuple[str, frozenset[Path]] | None] = ContextVar("namer", default=None)


@dataclass(frozen=True)
class UserThing:
    """Something that a user's file defines; equal where file, name and code are.

    Attributes:
        value: What it is; of a function, one that may import the file's neighbours when it is called, and
            whose errors name the file.
        file: The file.
        name: Its name there.
        code: The SHA-256 of the file.
    """

    value: Any = field(compare=False)
    file: Path
    name: str
    code: str


def find(reference: str) -> UserThing:
    """What `FILE.py:NAME` names. This runs the file's code, once a process as long as the file is the same.

    Raises:
        UsageError: If the reference is malformed.
        UnknownNameError: If the file has nothing of this name.
        LimenError: If the file is missing or raises, or it is not the user who names it; the message names
            it, in one line.

    Example:
        >>> find("nets.py")
        Traceback (most recent call last):
        limen.errors.UsageError: python:nets.py names nothing in a file; write python:FILE.py:NAME
    """
    path, colon, name = reference.rpartition(":")
    if not colon or not path.endswith(".py") or not name:
        raise UsageError(f"python:{reference} names nothing in a file; write python:FILE.py:NAME")
    file = Path(path)
    code, module = _run(file)
    if not hasattr(module, name):
        own = [
            key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
        ]
        raise UnknownNameError(f"function in {file}", name, [key for key in own if key[0] != "_"])
    value = getattr(module, name)
    return UserThing(_told(file, name, value) if inspect.isroutine(value) else value, file, name, code)


def loaded_modules() -> list[ModuleType]:
    """The modules of all files that this process has run; no other process can import them by their names."""
    return [module for _, module in _loaded.values() if sys.modules.get(module.__name__) is module]


def _told(file: Path, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        with beside(file), telling(f"{file}: {name}() raised"):
            return function(*arguments, **keywords)

    return call


def _run(file: Path) -> tuple[str, ModuleType]:
    try:
        content = read_bytes(expanded(file), most=MOST_TEXT)
        place = resolved(expanded(file))
    except FileNotFoundError:
        raise LimenError(f"{file}: no such file") from None
    except OSError as error:
        raise LimenError(f"{file}: cannot be read ({reason(error)})") from error
    code = hashlib.sha256(content).hexdigest()
    if place in _loaded and _loaded[place][0] == code:
        return _loaded[place]
    _check_named(file, place)
    # Under a name of its own, which the file cannot share with an installed package or another file.
    name = f"_limen_{file.stem}_{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(place)
    # Dataclasses and pickles look their module up while it runs.
    sys.modules[name] = module
    try:
        with beside(place), telling(f"{file}: raised", "when run"):
            exec(compile(content, place, "exec", dont_inherit=True), vars(module))  # noqa: S102 - what was asked for
    except BaseException:
        del sys.modules[name]
        raise
    _loaded[place] = code, module
    return _loaded[place]


@contextmanager
def named_by(source: str, trusted: Iterable[str | Path] = ()) -> Iterator[None]:
    """While a file that anyone may have written says what is made, run only files that the user has named.

    A hash would not tell: whoever wrote a run's manifest chose it, and may have chosen a file of an installed
    package, such as Python's own `os.py`, with any function of it. What this process has run before, the user
    has named.

    Args:
        source: What says it, for an error.
        trusted: The files that the user names.

    Raises:
        UsageError: If one of these leads nowhere.

    Example:
        >>> with named_by("runs/given"):
        ...     find(f"{os.__file__}:getcwd")
        Traceback (most recent call last):
        limen.errors.LimenError: runs/given names code in ...os.py, which would run with all your rights; ...
    """
    try:
        places = frozenset(resolved(expanded(file)) for file in trusted)
    except OSError as error:
        raise UsageError(f"a file to trust leads nowhere ({reason(error)})") from error
    token = _namer.set((source, places))
    try:
        yield
    finally:
        _namer.reset(token)


def _check_named(file: Path, place: Path) -> None:
    source, trusted = _namer.get() or ("", {place})
    if place not in trusted:
        raise LimenError(
            f"{source} names code in {file}, which would run with all your rights; read it first, and allow "
            f"it by --trust {file}, or trust= in Python"
        )


@contextmanager
def telling(before: str, after: str = "") -> Iterator[None]:
    """Turn whatever a user's code raises into one error of one line.

    Raises:
        LimenError: Its own pass; others become one that says what was raised.
    """
    try:
        yield
    except LimenError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        kind = " ".join(part for part in (before, type(error).__name__, after) if part)
        said = " ".join(str(error).split())
        raise LimenError(f"{kind}: {said}" if said else kind) from error


@contextmanager
def beside(file: Path) -> Iterator[None]:
    """While a file runs, let it import its neighbours, and hide Limen's arguments, which it would parse."""
    place = resolved(expanded(file))
    folder, arguments = str(place.parent), sys.argv
    sys.path.insert(0, folder)
    sys.argv = [str(place)]
    try:
        yield
    finally:
        sys.argv = arguments
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)

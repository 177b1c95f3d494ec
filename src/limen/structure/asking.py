"""Functions that a spec names, that are given what their signature asks for, and that say what they cost."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from limen.errors import UnknownNameError, UsageError
from limen.identity import Named

P = ParamSpec("P")
T = TypeVar("T")


def named(kind: str, thing: str | T, table: Mapping[str, T]) -> T:
    """A thing, or that of a table which has this name.

    Args:
        kind: What it is, for the error.
        thing: The thing, or its name.
        table: The things by their names.

    Raises:
        UnknownNameError: If none has the name.

    Example:
        >>> named("function", "abs", {"abs": abs}) is named("function", abs, {}) is abs
        True
    """
    if not isinstance(thing, str):
        return thing
    if thing not in table:
        raise UnknownNameError(kind, thing, table)
    return table[thing]


def asks_for(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of this name, which is not set already.

    Example:
        >>> asks_for(lambda images, classifier: images, "classifier"), asks_for(min, "classifier")
        (True, False)
    """
    if isinstance(function, Named):
        return asks_for(function.function, name)
    if isinstance(function, functools.partial) and name in function.keywords:
        return False
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function that is written in C
        return False


def asked(function: Callable[..., Any], what: str, **offered: Any) -> dict[str, Any]:
    """Those of the things offered that a function asks for.

    Args:
        function: What will be called with them.
        what: What it is, for the error.
        **offered: Things by name. None stands for what the caller does not have.

    Raises:
        UsageError: If it asks for something without a default that the caller does not have.

    Example:
        >>> asked(lambda images, classifier: images, "saliency model", classifier=abs, masks=3)
        {'classifier': <built-in function abs>}
    """
    given = {name: thing for name, thing in offered.items() if asks_for(function, name)}
    for name, thing in given.items():
        if thing is None and _default(function, name) is inspect.Parameter.empty:
            raise UsageError(f"this {what} needs {name}, and none is given")
    return given


def _default(function: Callable[..., Any], name: str) -> Any:
    inner = function.function if isinstance(function, Named) else function
    return inspect.signature(inner).parameters[name].default


Passes = tuple[int, int]
"""How many forward and backward passes of a classifier something takes for each image."""


def taking(passes: Passes | Callable[..., Passes]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator that sets a function's attribute `passes`, for `passes_taken`.

    Args:
        passes: The passes, or what tells them of the function's options.

    Example:
        >>> @taking((1, 0))
        ... def certain(classifier, images): ...
        >>> certain.passes
        (1, 0)
    """

    def mark(function: Callable[P, T]) -> Callable[P, T]:
        function.__dict__["passes"] = passes
        return function

    return mark


def passes_taken(function: Callable[..., Any], otherwise: Passes | None = None) -> Passes:
    """How many passes a function takes for each image, by its attribute `passes`.

    Args:
        function: The function, with options that are set if it is a `Named` or a partial one.
        otherwise: Those of a function without the attribute; None for one of each if it asks for a
            classifier, else for none.

    Example:
        >>> passes_taken(lambda images: images), passes_taken(lambda images, classifier: images)
        ((0, 0), (1, 1))
    """
    if otherwise is None:
        otherwise = (1, 1) if asks_for(function, "classifier") else (0, 0)
    options: dict[str, Any] = {}
    while isinstance(function, Named | functools.partial) and not hasattr(function, "passes"):
        if isinstance(function, functools.partial):
            options = {**function.keywords, **options}
        function = function.function if isinstance(function, Named) else function.func
    passes: Any = getattr(function, "passes", otherwise)
    return passes if isinstance(passes, tuple) else passes(**options)

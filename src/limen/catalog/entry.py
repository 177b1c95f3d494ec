"""What a table knows of one thing, and what a spec asks for of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from limen.catalog.parameters import REQUIRED, Parameter
from limen.errors import UnknownNameError, UsageError
from limen.identity import Identity
from limen.spec import value_text

COMMAS = "; a comma inside a path is written twice"
"""What is said where a comma may have been meant as part of a path."""


@dataclass(frozen=True)
class Entry:
    """What a table knows of one thing.

    Attributes:
        name: What a spec of it begins with, such as `pgd_l2` or `python:my.py:blur`.
        thing: The thing itself, mostly a function.
        argument: What follows the colon without a keyword, if anything does.
        parameters: The keyword parameters, typed, with their defaults.
        summary: The first line of its docstring.
        function: What has its parameters: the thing itself, or what it calls.
        origin: Where it comes from: `limen`, an installed package, or a file.
        code: The SHA-256 of the user's file; None for what is installed.
    """

    name: str
    thing: Any
    argument: Parameter | None
    parameters: tuple[Parameter, ...]
    summary: str
    function: Callable[..., Any]
    origin: str = "limen"
    code: str | None = None

    @property
    def usual(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """Says of the values that are given which others then have other defaults than the signature's."""
        return getattr(self.thing, "usual", lambda given: {})

    @property
    def accepts(self) -> str:
        """Everything that a spec of this name may say, in one line."""
        given = [str(parameter) for parameter in self.parameters]
        if self.argument is not None:
            given.insert(0, self.argument.name.upper())
        return f"{self.name} accepts {', '.join(given) or 'no parameters'}"


@dataclass(frozen=True)
class Request:
    """A spec that was read: the thing that it names, and the values that it gives.

    Attributes:
        entry: What is known of the thing.
        argument: The argument; None where there is none.
        keywords: The values of the parameters that the spec gives, by name.
        hidden: Parameters that are no part of what the thing is.
    """

    entry: Entry
    argument: Any
    keywords: Mapping[str, Any]
    hidden: frozenset[str] = frozenset()

    @property
    def identity(self) -> Identity:
        """What the spec names, as data: equal for all specs that mean the same."""
        entry, hidden = self.entry, self.hidden
        name = entry.name
        if entry.argument is not None:
            hidden |= {entry.argument.name}
            name += "" if self.argument is None else f":{value_text(self.argument)}"
        budget = getattr(entry.thing, "budget", None)
        return Identity.of(
            entry.function, self.keywords, name=name, budget=budget, code=entry.code, hidden=hidden
        )


def keywords(
    entry: Entry, values: Iterable[tuple[str, tuple[str, ...]]], given: frozenset[str]
) -> dict[str, Any]:
    """The values of the parameters that a spec gives, each by its parameter's type.

    Args:
        entry: What the spec names.
        values: What it says of each parameter, as texts.
        given: The parameters that the caller gives.

    Raises:
        UsageError: If a parameter is unknown or missing, or a value is none of its type.
    """
    known = {parameter.name: parameter for parameter in entry.parameters}
    read: dict[str, Any] = {}
    for key, texts in values:
        if not known:
            raise UsageError(entry.accepts)
        if key not in known:
            raise UnknownNameError("parameter", key, known)
        if len(texts) > 1 and not known[key].several:
            hint = "" if entry.argument is None else COMMAS
            raise UsageError(f"{texts[1]!r} is not key=value{hint}. {entry.accepts}")
        try:
            read[key] = known[key].parse_all(texts)
        except UsageError as error:
            raise UsageError(f"{error}. {entry.accepts}") from None
    for name, parameter in known.items():
        if parameter.default is REQUIRED and name not in read and name not in given:
            raise UsageError(f"{name} is missing. {entry.accepts}")
    return read

"""Spec strings: the one-line way to name a model, a data set or an attack.

A spec is `NAME[:ARGUMENT][,key=value…]` for models and data, and `NAME[:key=value,…]` for attacks.
A comma inside an argument or a value is written twice: `folder:photos,,old,size=224` is the folder
`photos,old`. Doubling, and not a backslash, because a backslash belongs to paths on Windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from limen.catalog.parameters import REQUIRED, Parameter, parameters
from limen.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Entry:
    """What a table of factories offers under one name.

    Attributes:
        name: The name that a spec begins with.
        factory: The function behind it.
        argument: What follows the colon without a keyword, if anything does.
        parameters: The keyword parameters, typed, with their defaults.
        summary: The first line of the factory's docstring.
    """

    name: str
    factory: Callable[..., Any]
    argument: Parameter | None
    parameters: tuple[Parameter, ...]
    summary: str

    @property
    def accepts(self) -> str:
        """Everything that a spec of this name may say, in one line."""
        given = [str(parameter) for parameter in self.parameters]
        if self.argument is not None:
            given.insert(0, self.argument.name.upper())
        return f"{self.name} accepts {', '.join(given) or 'no parameters'}"


@dataclass(frozen=True)
class Catalog:
    """A table of factories that specs can call.

    Attributes:
        kind: What the factories make, as errors call it.
        factories: From name to factory.
        argument: Whether a spec may have an argument before its keywords.
        hidden: Parameters that the caller of `make` gives, not the spec.
    """

    kind: str
    factories: Mapping[str, Callable[..., Any]]
    argument: bool = True
    hidden: frozenset[str] = frozenset()

    def entry(self, name: str) -> Entry:
        """What is known of one name.

        Raises:
            UnknownNameError: If the table does not have it.
        """
        if name not in self.factories:
            raise UnknownNameError(self.kind, name, self.factories)
        factory = self.factories[name]
        argument, keywords = parameters(factory, argument=self.argument, hidden=self.hidden)
        summary = (factory.__doc__ or "").strip().partition("\n")[0]
        return Entry(name, factory, argument, keywords, summary)

    def entries(self) -> list[Entry]:
        """Everything in the table, in its order."""
        return [self.entry(name) for name in self.factories]

    def make(self, spec: str, **given: Any) -> Any:
        """Call the factory that a spec names with the values that it gives.

        Args:
            spec: The spec string.
            **given: Further keyword arguments, passed on as they are.

        Returns:
            What the factory makes.

        Raises:
            UsageError: If the spec is malformed, names something unknown, leaves out what is needed, or
                gives a value that the factory refuses; the message begins with the spec.
        """
        try:
            entry, arguments, keywords = self._read(spec, frozenset(given))
            return entry.factory(*arguments, **keywords, **given)
        except UsageError as error:
            raise UsageError(f"{self.kind} spec {spec!r}: {error}") from error

    def _read(self, spec: str, given: frozenset[str]) -> tuple[Entry, list[Any], dict[str, Any]]:
        name, colon, rest = spec.partition(":")
        if self.argument and not colon:
            name, comma, rest = spec.partition(",")
            rest = comma + rest
        entry = self.entry(name.strip())
        parts = split(rest) if rest else []
        arguments = []
        if entry.argument is not None:
            text = parts.pop(0) if parts else ""
            if text:
                arguments.append(entry.argument.parse(text))
            elif entry.argument.default is REQUIRED:
                wanted = entry.argument.name.upper()
                raise UsageError(f"{entry.name} needs {wanted}: write {entry.name}:{wanted}")
        return entry, arguments, _keywords(entry, parts, given)


def split(text: str) -> list[str]:
    """Split at single commas; doubled ones become one.

    Example:
        >>> split("a=1,b=x,,y")
        ['a=1', 'b=x,y']
    """
    parts = [""]
    for piece in re.findall(r",,|,|[^,]+", text):
        if piece == ",":
            parts.append("")
        else:
            parts[-1] += "," if piece == ",," else piece
    return parts


def _keywords(entry: Entry, parts: list[str], given: frozenset[str]) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in entry.parameters}
    values: dict[str, Any] = {}
    for part in parts:
        key, equals, text = (piece.strip() for piece in part.partition("="))
        if not equals:
            hint = "; a comma inside a path is written twice" if entry.argument is not None else ""
            raise UsageError(f"{part!r} is not key=value{hint}. {entry.accepts}")
        if key not in known and not known:
            raise UsageError(entry.accepts)
        if key not in known:
            raise UnknownNameError("parameter", key, known)
        if key in values:
            raise UsageError(f"{key} is given twice")
        try:
            values[key] = known[key].parse(text)
        except UsageError as error:
            raise UsageError(f"{error}. {entry.accepts}") from None
    for name, parameter in known.items():
        if parameter.default is REQUIRED and name not in values and name not in given:
            raise UsageError(f"{name} is missing. {entry.accepts}")
    return values

"""Tables of things by name, one for each kind: Limen's own, installed packages', and the user's files'."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from limen.catalog.entry import COMMAS, Entry, Request, keywords
from limen.catalog.hints import Hint
from limen.catalog.parameters import REQUIRED, parameters
from limen.errors import LimenError, UnknownNameError, UsageError, reason, shown
from limen.identity import Identity, Named, Value
from limen.spec import Spec, spec_name, value_texts
from limen.user_code import find, telling

PYTHON = "python"
"""The name that stands for the user's files: `python:FILE.py:NAME`."""


class Library(Protocol):
    """What makes things of another library by their names there."""

    @property
    def about(self) -> str:
        """What they are, in a line."""
        ...

    def __call__(self, name: str) -> Callable[..., Any]:
        """The thing of this name."""
        ...


@dataclass(frozen=True)
class Catalog:
    """All things of one kind that a spec can name.

    A name is looked for among Limen's own, then among those of installed packages, which declare them as
    entry points. `python:FILE.py:NAME` is what NAME is in the user's own file.
    What a library has that is no part of Limen is named with a prefix, such as `foolbox:NAME`.

    Attributes:
        kind: What they are, as errors call it.
        factories: Limen's own by name.
        group: The group of entry points, such as `limen.attacks`; None for no others.
        argument: Whether Limen's own take an argument before their keywords.
        takes: How many leading parameters are given later, when the thing is used, such as the images that a
            defence takes. With 0 a factory is called, and what it returns is used.
        hidden: Parameters that the caller of `make` gives, not the spec.
        own: Makes of a user's or package's thing what `factories` would hold; None if it is that already.
        calls: The function that a thing calls, which has its parameters; None if that is the thing itself.
        finish: Called with what was made and the request; what it returns is used instead.
        hint: Says of a spec that is refused what may have been meant, which the error then says instead.
        libraries: What makes the thing of `PREFIX:NAME`, by the prefix: what another library has of the kind.

    Example:
        >>> def blur(images, size: int = 3): ...
        >>> Catalog("defense", {"blur": blur}, argument=False, takes=1).make("blur:size=5").identity.label
        'blur:size=5'
    """

    kind: str
    factories: Mapping[str, Callable[..., Any]]
    group: str | None = None
    argument: bool = True
    takes: int = 0
    hidden: frozenset[str] = frozenset()
    own: Callable[[Any], Any] | None = None
    calls: Callable[[Any], Callable[..., Any]] | None = None
    finish: Callable[[Any, Request], Any] | None = None
    hint: Hint | None = None
    libraries: Mapping[str, Library] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The names of Limen's own, then those of installed packages."""
        return list(dict.fromkeys([*self.factories, *self._installed()]))

    def entry(self, name: str) -> Entry:
        """What is known of one name.

        Args:
            name: A name of the table, or `python:FILE.py:NAME`.

        Raises:
            UnknownNameError: If there is no such thing.
            LimenError: If the user's file, or the installed package, cannot be used.
        """
        if name in self.factories:
            return self._entry(name, self.factories[name], "limen", argument=self.argument)
        prefix, colon, rest = name.partition(":")
        if colon and prefix in self.libraries:
            return self._entry(name, self.libraries[prefix](rest), "limen")
        if name.startswith(f"{PYTHON}:"):
            found = find(name.removeprefix(f"{PYTHON}:"))
            return self._entry(name, self._owned(found.value), str(found.file), found.code)
        installed = self._installed()
        if name not in installed:
            raise UnknownNameError(self.kind, name, self._known())
        return self._entry(name, self._owned(_load(installed[name])), _package(installed[name]))

    def parse(self, spec: str) -> Spec:
        """A spec string as data, read as its name demands.

        Raises:
            UsageError: If it is malformed; the message begins with it.
        """
        if not isinstance(spec, str):
            raise UsageError(f"a {self.kind} is named by a text, and not by {shown(spec)}")
        name = spec_name(spec).strip()
        open_ended = self._is_open_ended(name)
        argument = open_ended or (name in self.factories and self.argument)
        with self.telling(spec):
            # What is installed is looked up, which takes long, only for names that are not Limen's own.
            if not open_ended and name not in self.factories and name not in self._installed():
                raise UnknownNameError(self.kind, name, self._known())
            try:
                return Spec.parse(spec, argument=argument, several=self._several(name))
            except UsageError as error:
                known = "" if open_ended else f". {self.entry(name).accepts}"
                raise UsageError(f"{error}{COMMAS if argument else ''}{known}") from error

    def read(self, spec: str, given: Iterable[str] = ()) -> Request:
        """What a spec names, and the values that it gives, typed.

        Args:
            spec: The spec string.
            given: Parameters that the spec may leave out although they have no default.

        Raises:
            UsageError: If the spec is malformed, names something unknown, or leaves out what is needed; the
                message begins with the spec.
            LimenError: If the user's file, or the installed package, cannot be used.
        """
        parsed = self.parse(spec)
        name, argument = parsed.name, parsed.argument or ""
        if self._is_open_ended(name):
            name, argument = f"{name}:{argument}", ""
        with self.telling(spec):
            return self._request(self.entry(name), argument, parsed.values, given)

    def make(self, spec: str, **given: Any) -> Any:
        """What a spec names.

        Args:
            spec: The spec string.
            **given: Further keyword arguments, passed on as they are; hidden ones only to what takes them.

        Raises:
            UsageError: As `read`, or if a value is refused.
            LimenError: As `read`.
        """
        request = self.read(spec, given)
        with self.telling(spec):
            return self.made(request, given)

    def restore(self, identity: Identity) -> Any:
        """What an identity names, as a run keeps it; not for things that take an argument.

        Raises:
            UsageError: If there is no such thing any more, or another one of this name.
            LimenError: As `read`.
        """
        request = self._requested(identity)
        if request.identity != identity:
            made = request.identity
            change = "its file has changed" if made.code != identity.code else "its defaults have changed"
            raise UsageError(f"{self.kind} {identity.label} is not what it was: {change}")
        return self.made(request, {})

    def varied(self, identity: Identity, **changes: Value) -> Any:
        """What an identity names, with other values of some of its parameters.

        Raises:
            UsageError: If there is no such thing or parameter, or a value is refused.
            LimenError: As `read`.
        """
        return self.made(self._requested(identity, changes), {})

    def _requested(self, identity: Identity, changes: Mapping[str, Value] | None = None) -> Request:
        stated = {key: identity.parameters.get(key) for key in identity.stated} | dict(changes or {})
        values = [(key, value_texts(value)) for key, value in stated.items()]
        return self._request(self.entry(identity.name), "", values, ())

    def made(self, request: Request, given: Mapping[str, Any]) -> Any:
        """What a request asks for; `given` are further keyword arguments, as in `make`."""
        entry = request.entry
        # Not every thing of a kind knows what all may be told.
        unknown = self.hidden - {*inspect.signature(entry.function).parameters}
        told = {key: value for key, value in given.items() if key not in unknown}
        keywords = {**request.keywords, **told}
        if self.takes:
            made = Named(request.identity, functools.partial(entry.function, **keywords))
        else:
            arguments = [] if request.argument is None else [request.argument]
            with nullcontext() if entry.origin == "limen" else telling(f"{entry.name} raised"):
                made = entry.thing(*arguments, **keywords)
        return made if self.finish is None else self.finish(made, request)

    def _request(
        self, entry: Entry, argument: str, values: Iterable[tuple[str, tuple[str, ...]]], given: Iterable[str]
    ) -> Request:
        first = None
        if entry.argument is not None:
            if argument:
                first = entry.argument.parse(argument)
            elif entry.argument.default is REQUIRED:
                wanted = entry.argument.name.upper()
                raise UsageError(f"{entry.name} needs {wanted}: write {entry.name}:{wanted}")
        elif argument:
            raise UsageError(f"{entry.name} takes no argument. {entry.accepts}")
        read = keywords(entry, values, frozenset(given))
        for name, value in entry.usual(read).items():
            if name not in given:
                read.setdefault(name, value)
        return Request(entry, first, read, self.hidden)

    def _entry(
        self, name: str, thing: Any, origin: str, code: str | None = None, *, argument: bool = False
    ) -> Entry:
        if not callable(thing):
            raise UsageError(f"{name} is {type(thing).__name__}, which cannot be called")
        function = thing if self.calls is None else self.calls(thing)
        found = parameters(function, hidden=self.hidden)[self.takes :]
        first = found.pop(0) if argument and found else None
        known = tuple(each for each in found if each.types)
        summary = (function.__doc__ or "").strip().partition("\n")[0]
        return Entry(name, thing, first, known, summary, function, origin, code)

    def _several(self, name: str) -> frozenset[str]:
        if name not in self.factories:
            return frozenset()
        return frozenset(each.name for each in self.entry(name).parameters if each.several)

    def _known(self) -> list[str]:
        return [*self.names(), *(f"{prefix}:NAME" for prefix in self.libraries), PYTHON]

    def _is_open_ended(self, name: str) -> bool:
        """Whether what follows is the name of a thing that this table does not hold."""
        return name == PYTHON or name in self.libraries

    def _owned(self, thing: Any) -> Any:
        return thing if self.own is None else self.own(thing)

    def _installed(self) -> dict[str, importlib.metadata.EntryPoint]:
        points = _installed(self.group, importlib.metadata.entry_points, _searched()) if self.group else ()
        return {point.name: point for point in points}

    @contextmanager
    def telling(self, spec: str) -> Iterator[None]:
        """Begin the message of any `UsageError` with the spec that it is about."""
        try:
            yield
        except UsageError as error:
            meant = "" if self.hint is None else self.hint(spec, self.names())
            raise UsageError(f"{self.kind} spec {spec!r}: {meant or error}") from error


def _searched() -> tuple[tuple[str, int], ...]:
    """Where packages are installed, and when one last was or went."""
    return tuple((path, os.stat(path).st_mtime_ns) for path in sys.path if os.path.isdir(path))


@functools.lru_cache(maxsize=64)
def _installed(
    group: str,
    read: Callable[..., Iterable[importlib.metadata.EntryPoint]],
    searched: tuple[tuple[str, int], ...],
) -> tuple[importlib.metadata.EntryPoint, ...]:
    # Each reading opens a file of every package that is installed, which no spec should wait for.
    return tuple(read(group=group))


def _load(point: importlib.metadata.EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise LimenError(
            f"{point.name}: {_package(point)}, an installed package, cannot be used ({reason(error)}); "
            "mend or remove it"
        ) from error


def _package(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module

"""What a thing is, as data: its name and all its parameters, from which labels for people are made."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from limen.errors import UsageError
from limen.spec import write_spec

Value = str | int | float | bool | None | tuple[float, ...] | tuple[str, ...]
"""What a parameter may be: anything that JSON keeps; of a budget per sample, one number per sample."""


@dataclass(frozen=True)
class Identity:
    """A name with all its parameters, defaults too: equal identities are one thing, however it was written.

    Attributes:
        name: What a spec of it begins with, such as `pgd_l2` or `python:my.py:blur`.
        parameters: The value of every parameter, in the order of the signature.
        budget: Which parameter bounds the perturbation, so that an attack may run under several values of
            it and count at the best; None where there is no such bound.
        stated: The parameters whose value is not their default; labels show these.
        code: The SHA-256 of the user's file that it, or an argument of it, comes from, or of the hashes of
            several files; None for what is installed.

    Example:
        >>> pgd = Identity("pgd_l2", {"eps": 3.0, "steps": 40}, budget="eps")
        >>> pgd == Identity("pgd_l2", {"steps": 40, "eps": 3.0}, budget="eps", stated=("steps",))
        True
        >>> pgd.label, pgd.family().label
        ('pgd_l2:eps=3', 'pgd_l2')
    """

    name: str
    parameters: Mapping[str, Value]
    budget: str | None = None
    stated: tuple[str, ...] = field(default=(), compare=False)
    code: str | None = None

    @classmethod
    def of(
        cls,
        factory: Callable[..., Any],
        arguments: Mapping[str, Any],
        *,
        name: str | None = None,
        budget: str | None = None,
        code: str | None = None,
        hidden: Collection[str] = (),
    ) -> Identity:
        """The identity of what a factory makes of these arguments.

        Args:
            factory: A function whose signature has the defaults.
            arguments: What it is called with, by name.
            name: What a spec begins with; the factory's own name if not given.
            budget: Which parameter is the budget.
            code: The SHA-256 of the user's file that the factory is from.
            hidden: Parameters that are no part of what is made, such as the device.

        Raises:
            UsageError: If an argument is nothing that can be kept as data.

        Example:
            >>> def fgsm(eps: float = 0.1, loss: str = "margin"): ...
            >>> Identity.of(fgsm, {"eps": 0.2}, budget="eps").parameters
            {'eps': 0.2, 'loss': 'margin'}
        """
        parameters: dict[str, Value] = {}
        stated = []
        for key, parameter in inspect.signature(factory).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or key in hidden:
                continue
            if key in arguments or parameter.default is not parameter.empty:
                parameters[key] = as_value(arguments.get(key, parameter.default))
                default = parameter.default
                if default is parameter.empty or parameters[key] != as_value(default):
                    stated.append(key)
        code = _joined([code, *(_code_inside(arguments.get(key)) for key in parameters)])
        return cls(name or factory.__name__, parameters, budget, tuple(stated), code)

    @property
    def label(self) -> str:
        """The identity for people: the name, the budget, and the parameters that are not at their default."""
        shown = [
            (key, value)
            for key, value in self.parameters.items()
            if key in self.stated or (key == self.budget and value is not None)
        ]
        name, colon, argument = self.name.partition(":")
        return write_spec(name, shown, argument if colon else None)

    def family(self) -> Identity:
        """The identity without the value of its budget: attacks that differ in the budget alone share it.

        What has no budget is a family of its own.
        """
        return self if self.budget is None else self.without(self.budget)

    def without(self, parameter: str) -> Identity:
        """The identity without the value of a parameter: what differs in it alone has it in common.

        Example:
            >>> Identity("pgd_l2", {"eps": 3.0, "steps": 40}, stated=("eps", "steps")).without("eps").label
            'pgd_l2:steps=40'
        """
        parameters = {key: value for key, value in self.parameters.items() if key != parameter}
        return replace(self, parameters=parameters)

    def __hash__(self) -> int:
        return hash((self.name, self.budget, self.code, frozenset(self.parameters.items())))


@dataclass(frozen=True)
class Named:
    """Anything that can be called, with the identity that it has.

    Example:
        >>> halved = Named(Identity("halved", {}), lambda images: images / 2)
        >>> halved(3.0), halved.identity.label
        (1.5, 'halved')
    """

    identity: Identity
    function: Callable[..., Any]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function."""
        return self.function(*arguments, **keywords)


def identify(thing: Any, hidden: Collection[str] = ()) -> Identity:
    """What something made in Python is: the `identity` that it has, or else what can be told from its code.

    That is a function of a module, such a function in a `functools.partial` with keywords, or an object of a
    dataclass. The file that its code is in counts as part of it, except for Limen's own.

    Args:
        thing: Anything that can be called.
        hidden: Parameters that are no part of what it is.

    Raises:
        UsageError: If it cannot be told, as of a lambda; the message says how to help.

    Example:
        >>> identify(functools.partial(write_spec, argument="x")).label
        'write_spec:argument=x'
    """
    if isinstance(found := getattr(thing, "identity", None), Identity):
        return found
    function, given = thing, {}
    if isinstance(thing, functools.partial) and not thing.args:
        function, given = thing.func, thing.keywords
    elif is_dataclass(thing) and not isinstance(thing, type):
        function = type(thing)
        given = {each.name: getattr(thing, each.name) for each in fields(thing) if each.init}
        hidden = {*hidden, *(each.name for each in fields(thing) if not each.compare)}
    name, module = getattr(function, "__qualname__", "<"), getattr(function, "__module__", None)
    if "<" in name or not module:
        raise UsageError(
            f"{thing!r} cannot be told apart from others, as it has no name; write it as a function of a "
            "module, or give it an attribute identity, such as limen.identity.Identity('mine', {'size': 3})"
        )
    if module.partition(".")[0] == "limen":
        return Identity.of(function, given, name=name, hidden=hidden)
    return Identity.of(function, given, name=f"{module}:{name}", code=_code(function), hidden=hidden)


def _code_inside(value: Any) -> str | None:
    """The hash of the user's files that an argument comes from, as a metric or a network may."""
    if isinstance(value, list | tuple):
        return _joined(map(_code_inside, value))
    found = getattr(value, "identity", None)
    return found.code if isinstance(found, Identity) else None


def _joined(codes: Iterable[str | None]) -> str | None:
    """One hash for those of several files."""
    found = list(dict.fromkeys(code for code in codes if code is not None))
    if len(found) < 2:
        return found[0] if found else None
    return hashlib.sha256(" ".join(found).encode()).hexdigest()


def _code(function: Callable[..., Any]) -> str | None:
    """The SHA-256 of the file that a function is from, or of its own text where there is no file."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
        if file is not None and os.path.isfile(file):
            return hashlib.sha256(Path(file).read_bytes()).hexdigest()
        return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
    except (OSError, TypeError):
        return None


def as_value(value: Any) -> Value:
    """A parameter as JSON keeps it: tensors as numbers, functions by their names, paths and infinity as text.

    Raises:
        UsageError: If there is no text or number that it could be told by.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> as_value(0.1), as_value(np.array([0.1, 0.2])), as_value(Path("a.png"))
        (0.1, (0.1, 0.2), 'a.png')
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, str) or _is_number(value):
        return value
    if isinstance(value, list | tuple) and (
        all(map(_is_number, value)) or all(isinstance(each, str) for each in value)
    ):
        return tuple(value)
    if isinstance(value, os.PathLike):
        return str(value)
    named = isinstance(getattr(value, "identity", None), Identity)
    if callable(value) and (named or not is_dataclass(value)):
        return identify(value).label
    text = str(value)
    if " at 0x" in text:  # where it lies in memory, which says nothing of what it is
        raise UsageError(f"{text} cannot be kept as a parameter; use numbers, text, or a dataclass of these")
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))

"""What a thing is, as data: its name and all its parameters, from which labels for people are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from limen.spec import write_spec

Value = str | int | float | bool | None | tuple[float, ...]
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
        code: The SHA-256 of the user's file that it comes from; None for what is installed.

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
    ) -> Identity:
        """The identity of what a factory makes of these arguments.

        Args:
            factory: A function whose signature has the defaults.
            arguments: What it is called with, by name.
            name: What a spec begins with; the factory's own name if not given.
            budget: Which parameter is the budget.
            code: The SHA-256 of the user's file that the factory is from.

        Example:
            >>> def fgsm(eps: float = 0.1, loss: str = "margin"): ...
            >>> Identity.of(fgsm, {"eps": 0.2}, budget="eps").parameters
            {'eps': 0.2, 'loss': 'margin'}
        """
        parameters: dict[str, Value] = {}
        stated = []
        for key, parameter in inspect.signature(factory).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if key in arguments or parameter.default is not parameter.empty:
                parameters[key] = as_value(arguments.get(key, parameter.default))
                default = parameter.default
                if default is parameter.empty or parameters[key] != as_value(default):
                    stated.append(key)
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
        if self.budget is None:
            return self
        parameters = {key: value for key, value in self.parameters.items() if key != self.budget}
        stated = tuple(key for key in self.stated if key != self.budget)
        return replace(self, parameters=parameters, stated=stated)

    def __hash__(self) -> int:
        return hash((self.name, self.budget, self.code, frozenset(self.parameters.items())))


def as_value(value: Any) -> Value:
    """A parameter as JSON keeps it: tensors as numbers, and what JSON does not know as its text.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> as_value(0.1), as_value(np.array([0.1, 0.2])), as_value(Path("a.png"))
        (0.1, (0.1, 0.2), 'a.png')
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return tuple(value)
    if callable(value):
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', type(value).__name__)}"
    return str(value)

"""The parameters of a factory, read from its signature, and their values, read from text."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import Tensor

from limen.errors import UsageError, reason
from limen.safety import expanded, is_tame
from limen.spec import value_text

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """One keyword argument of a factory that a spec can set.

    Attributes:
        name: The keyword.
        types: The types that its value may have, most specific first; `None`, `True`, `False` and the members
            of a `Literal` stand for themselves.
        default: The value when the spec is silent, or `REQUIRED`.
        per_sample: Whether, beside a number, it takes a tensor with one number per sample.
        several: Whether it takes any number of values, as a tuple.
    """

    name: str
    types: tuple[Any, ...]
    default: Any
    per_sample: bool = False
    several: bool = False

    @property
    def type_name(self) -> str:
        """The accepted types as a reader of specs would call them."""
        names = " | ".join(_type_name(kind) for kind in sorted(self.types, key=lambda kind: kind is None))
        return f"{names}, …" if self.several else names

    def __str__(self) -> str:
        unset = self.default is REQUIRED or self.default == ()
        default = "" if unset else f" = {value_text(self.default)}"
        return f"{self.name}: {self.type_name}{default}"

    def parse(self, text: str) -> Any:
        """The value of the first of `types` that can read what follows the equals sign in a spec.

        Raises:
            UsageError: If none of them can.

        Example:
            >>> Parameter("eps", (float,), 0.1).parse("8/255") == 8 / 255
            True
            >>> Parameter("steps", (int,), 10).parse("ten")
            Traceback (most recent call last):
            limen.errors.UsageError: steps must be int, not 'ten'
        """
        for kind in self.types:
            try:
                return _read(kind, text)
            except UsageError:
                raise  # of another thing's spec, which says more
            except ValueError:
                continue
        raise UsageError(f"{self.name} must be {self.type_name}, not {text!r}")

    def parse_all(self, texts: Sequence[str]) -> Any:
        """The value that several texts give together, if it takes several."""
        values = tuple(map(self.parse, texts))
        return values if self.several else values[0]


def parameters(function: Callable[..., Any], *, hidden: frozenset[str] = frozenset()) -> list[Parameter]:
    """Read what a spec may give to a function.

    Args:
        function: Anything with a signature. A parameter without a type has that of its default, or is text.
        hidden: Parameters that the program sets, not the spec.

    Returns:
        Its parameters. One whose type cannot be written as text, such as a tensor, has no `types`.

    Raises:
        UsageError: If there is no signature, or a type in it cannot be found.
    """
    try:
        found, hints = inspect.signature(function).parameters.values(), _hints(function)
    except (TypeError, ValueError, NameError, AttributeError) as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise UsageError(
            f"the parameters of {name} cannot be read ({reason(error)}); write a function around it"
        ) from error
    read = []
    for parameter in found:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in hidden:
            continue
        hint = _hint(parameter, hints)
        several = get_origin(hint) is tuple and get_args(hint)[1:] == (...,)
        kinds = _flatten(get_args(hint)[0] if several else hint)
        if all(kind is None for kind in kinds):
            kinds = ()
        # A count decides how long a climb is, so all samples of a call must share it.
        per_sample = Tensor in get_args(hint) and float in kinds
        read.append(Parameter(parameter.name, kinds, parameter.default, per_sample, several))
    return read


def _hint(parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    """The type of a parameter, `object` if its annotation names one that cannot be found."""
    annotated = parameter.annotation is not REQUIRED
    if annotated and not isinstance(parameter.annotation, str):
        return parameter.annotation
    if annotated or parameter.name in hints:
        return hints.get(parameter.name, object)
    untold = parameter.default is REQUIRED or parameter.default is None
    return str if untold else type(parameter.default)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inner.func
    if isinstance(inner, type):
        inner = inner.__init__
    elif not inspect.isroutine(inner):
        inner = type(inner).__call__
    return _evaluated(inner)


@functools.lru_cache(maxsize=1024)
def _evaluated(inner: Callable[..., Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for name, hint in getattr(inner, "__annotations__", {}).items():
        # One by one, as a type that only a type checker imports must not cost the others.
        with contextlib.suppress(NameError, TypeError):
            alone = types.SimpleNamespace(__annotations__={name: hint})
            hints |= get_type_hints(alone, getattr(inner, "__globals__", None))
    return hints


def _flatten(hint: Any) -> tuple[Any, ...]:
    """The kinds of value in a type hint that text can express, in the order in which they are tried."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for member in get_args(hint) for kind in _flatten(member)]
    elif get_origin(hint) is Literal:
        kinds = list(get_args(hint))
    elif hint is type(None):
        kinds = [None]
    elif hint is bool:
        kinds = [True, False]
    else:
        kinds = [hint] if hint in READERS else []
    # Single words first, and what takes any text last: the others would never be reached.
    order = [int, float, Path, str]
    words = [kind for kind in kinds if not isinstance(kind, type)]
    named = [kind for kind in kinds if isinstance(kind, type) and kind not in order]
    plain = [kind for kind in order if kind in kinds and not (named and kind is str)]
    return (*words, *named, *plain)


def _type_name(kind: Any) -> str:
    if not isinstance(kind, type):
        return value_text(kind)
    return {float: "number", str: "text"}.get(kind, kind.__name__.lower())


def _read(kind: Any, text: str) -> Any:
    if isinstance(kind, type):
        return READERS[kind](text)
    if text.lower() == value_text(kind).lower():
        return kind
    raise ValueError(text)


def _read_float(text: str) -> float:
    numerator, slash, denominator = text.partition("/")
    try:
        value = float(numerator) / float(denominator) if slash else float(text)
    except ZeroDivisionError:
        raise ValueError(text) from None
    if math.isnan(value):
        raise ValueError(text)
    return _tame(value, text)


def _read_int(text: str) -> int:
    return _tame(int(text), text)


def _tame(value: Any, text: str) -> Any:
    if not is_tame(value):
        raise UsageError(f"{text:.40} is too large a number")
    return value


def _read_text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _read_path(text: str) -> Path:
    try:
        return expanded(_read_text(text))
    except OSError as error:
        raise UsageError(f"{text}: {reason(error)}") from None


READERS: dict[Any, Callable[[str], Any]] = {
    int: _read_int,
    float: _read_float,
    str: _read_text,
    Path: _read_path,
}
"""What reads the text of each type. The catalog adds the kinds of things that a spec names in another's."""

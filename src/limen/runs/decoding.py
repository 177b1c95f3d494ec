"""Read dataclasses from JSON that may be broken or hostile."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any

from limen.runs.files import RunError


def decode(kind: Any, value: Any, where: str) -> Any:
    """A value of this type, from what `json.loads` gave; the type's annotations are all of the format.

    Args:
        kind: A dataclass, `tuple[X, ...]`, `dict[str, X]`, `X | None`, or a plain type.
        value: What was read.
        where: What to call the value in an error, with a leading dot.

    Raises:
        RunError: If a value is missing or of another type; the message names it.

    Example:
        >>> decode(tuple[int, ...], [1, 2], ".sizes")
        (1, 2)
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        return _decode_entry(kind, _expect(value, dict, where), where)
    if origin is types.UnionType:
        return None if value is None else decode(arguments[0], value, where)
    if origin is tuple:
        values = enumerate(_expect(value, list, where))
        return tuple(decode(arguments[0], each, f"{where}[{i}]") for i, each in values)
    if origin is dict:
        values = _expect(value, dict, where).items()
        return {key: decode(arguments[1], each, f"{where}.{key}") for key, each in values}
    return _expect(value, kind, where)


def _decode_entry(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    names = [each.name for each in fields(kind)]
    missing = [name for name in names if name not in value]
    if missing:
        raise RunError(f"{where.lstrip('.') or 'the manifest'} lacks {', '.join(missing)}")
    return kind(**{name: decode(hints[name], value[name], f"{where}.{name}") for name in names})


def _expect(value: Any, kind: type, where: str) -> Any:
    if type(value) is not kind:
        raise RunError(
            f"{where.lstrip('.') or 'the manifest'} is {type(value).__name__}, expected {kind.__name__}"
        )
    return value

"""Read dataclasses from JSON that may be broken or hostile."""

from __future__ import annotations

import collections.abc
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from limen.errors import RunError

Gap = Annotated[float, "null in JSON is NaN here"]
"""A number that may be missing."""


_LATER = "missing in files of an earlier Limen"


def later(default: Any) -> Any:
    """A field of a dataclass that files of an earlier Limen lack, with the value that stands for it there.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Entry:
        ...     name: str
        ...     note: str = later("none yet")
        >>> decode(Entry, {"name": "a"}, "").note
        'none yet'
    """
    return field(default=default, metadata={_LATER: True})


def load_json(text: str | bytes, known: int, what: str, outdated: Mapping[int, str] | None = None) -> Any:
    """What `json.loads` gives, for JSON in the strict sense whose `"format"` is one that Limen reads.

    Args:
        text: The JSON.
        known: The format that this Limen reads.
        what: What the JSON should be, for an error.
        outdated: What to say of formats that Limen once read.

    Raises:
        RunError: If the text is no JSON, is nested too deeply, has numbers that JSON does not know, or is of
            another format.
    """
    try:
        content = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RunError(f"not valid JSON ({error})") from None
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is int and found in (outdated or {}):
        raise RunError((outdated or {})[found])
    check_format(found, known, what)
    return content


def check_format(found: object, known: int, what: str) -> None:
    """Refuse a file of another format than this Limen reads.

    Raises:
        RunError: Says whether a newer Limen is needed, or that the file is not what it should be.
    """
    if type(found) is int and found > known:
        raise RunError(f"has format {found}, this Limen reads up to {known}; upgrade Limen")
    if type(found) is not int or found != known:
        raise RunError(f"has format {found!r:.40}, expected {known}: not {what}")


def decode(kind: Any, value: Any, where: str) -> Any:
    """A value of this type, from what `json.loads` gave; the type's annotations are all of the format.

    Args:
        kind: A dataclass, `tuple[X, ...]`, `tuple[X, Y]`, `Sequence[X]`, `dict[str, X]`, `X | None`, a
            union of plain types, or of dataclasses of which `"kind"` names one, `Literal`, `Gap`, `Path`,
            or a plain type.
        value: What was read.
        where: What to call the value in an error, with a leading dot.

    Raises:
        RunError: If a value is missing or of another type; the message names it.
        UsageError: If a dataclass refuses its values.

    Example:
        >>> decode(tuple[int, ...], [1, 2], ".sizes")
        (1, 2)
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        return _decode_entry(kind, _expect(value, dict, where), where)
    if origin is Annotated:
        return math.nan if value is None else decode(arguments[0], value, where)
    if origin is Literal:
        if value not in arguments:
            raise RunError(
                f"{_name(where)} is {value!r:.40}, expected one of {', '.join(map(str, arguments))}"
            )
        return value
    if origin is types.UnionType:
        return _decode_union(arguments, value, where)
    if origin in (tuple, collections.abc.Sequence):
        values = _expect(value, list, where)
        pair = origin is tuple and Ellipsis not in arguments
        if pair and len(values) != len(arguments):
            raise RunError(f"{_name(where)} has {len(values)} values, expected {len(arguments)}")
        kinds = arguments if pair else [arguments[0]] * len(values)
        return tuple(
            decode(each, one, f"{where}[{i}]")
            for i, (each, one) in enumerate(zip(kinds, values, strict=True))
        )
    if origin in (dict, collections.abc.Mapping):
        values = _expect(value, dict, where).items()
        return {key: decode(arguments[1], each, f"{where}.{key}") for key, each in values}
    if kind is float:
        return _decode_float(value, where)
    if kind is Path:
        return Path(_expect(value, str, where))
    return _expect(value, kind, where)


def _decode_entry(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    missing = [each.name for each in fields(kind) if each.name not in value and _LATER not in each.metadata]
    if missing:
        raise RunError(f"{_name(where)} lacks {', '.join(missing)}")
    names = [each.name for each in fields(kind) if each.name in value]
    return kind(**{name: decode(hints[name], value[name], f"{where}.{name}") for name in names})


def _decode_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind not in (types.NoneType, bytes))  # bytes are never in JSON
    if len(kinds) == 1:
        return decode(kinds[0], value, where)
    if all(map(is_dataclass, kinds)):
        name = _expect(value, dict, where).get("kind")
        by_name = {kind.__name__: kind for kind in kinds}
        if name not in by_name:
            raise RunError(f"{_name(where)} is of kind {name!r:.40}, expected one of {', '.join(by_name)}")
        return decode(by_name[name], value, where)
    for kind in kinds:
        if _may_be(kind, value):
            return decode(kind, value, where)
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise RunError(f"{_name(where)} is {type(value).__name__}, expected {expected}")


def _may_be(kind: Any, value: Any) -> bool:
    """Whether JSON of this type can be of this kind; a list of texts is no list of anything else."""
    if typing.get_origin(kind) is not tuple:
        return type(value) is kind
    texts = type(value) is list and bool(value) and all(type(each) is str for each in value)
    return type(value) is list and texts == (typing.get_args(kind)[0] is str)


def _decode_float(value: Any, where: str) -> float:
    if type(value) is not float and type(value) is not int:
        raise RunError(f"{_name(where)} is {type(value).__name__}, expected float")
    try:
        return float(value)
    except OverflowError:
        raise RunError(f"{_name(where)} is too large a number") from None


def _expect(value: Any, kind: type, where: str) -> Any:
    if type(value) is not kind:
        raise RunError(f"{_name(where)} is {type(value).__name__}, expected {kind.__name__}")
    # JSON can hold lone surrogates, which nothing can write out again.
    if kind is str and re.search(r"[\ud800-\udfff]", value):
        raise RunError(f"{_name(where)} is no text: it holds half of a character")
    return value


def _name(where: str) -> str:
    return where.lstrip(".") or "the file"


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")

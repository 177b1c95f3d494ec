"""Read dataclasses from JSON that may be broken or hostile."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, get_args

from limen.errors import LimenError, RunError, reason, shown

if TYPE_CHECKING:  # the command line starts without pydantic
    from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
    from pydantic_core import CoreSchema


class NullIsNan:
    """Marks a number that may be missing: null in JSON, which has no NaN."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core.core_schema import no_info_before_validator_function as before

        return before(lambda value: math.nan if value is None else value, handler(source))


class ByKind:
    """Marks a union of dataclasses of which `"kind"` in the JSON names one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core.core_schema import tagged_union_schema

        choices = {kind.__name__: handler.generate_schema(kind) for kind in get_args(source)}
        return tagged_union_schema(choices, "kind")


class NeverInJson:
    """Marks a type that a value has in memory alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core.core_schema import is_instance_schema

        return is_instance_schema(source)


Gap = Annotated[float, NullIsNan()]
"""A number that may be missing."""


def read_json(
    kind: Any,
    text: str | bytes,
    known: int,
    what: str,
    outdated: Mapping[int, str] | None = None,
) -> Any:
    """A value of this type, from JSON whose `"format"` is one that Limen reads.

    Args:
        kind: A dataclass, whose annotations are all of the format. Further down, a field with a default may
            be missing, as in files of an earlier Limen.
        text: The JSON.
        known: The format that this Limen reads.
        what: What the JSON should be, for an error.
        outdated: What to say of formats that Limen once read.

    Raises:
        RunError: If the text is no JSON in the strict sense, is nested too deeply, is of another format, or
            a value in it is missing or of another type; the message names it.
        UsageError: If a dataclass refuses its values.
    """
    from pydantic_core import from_json

    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise RunError(f"not valid JSON ({reason(error)})") from None
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is int and found in (outdated or {}):
        raise RunError((outdated or {})[found])
    check_format(found, known, what)
    if missing := [each.name for each in fields(kind) if each.name not in content]:
        raise RunError(f"the file lacks {', '.join(missing)}")
    return decode(kind, text, content)


def check_format(found: object, known: int, what: str) -> None:
    """Refuse a file of another format than this Limen reads.

    Raises:
        RunError: Says whether a newer Limen is needed, or that the file is not what it should be.
    """
    if type(found) is int and found > known:
        raise RunError(f"has format {found}, this Limen reads up to {known}; upgrade Limen")
    if type(found) is not int or found != known:
        raise RunError(f"has format {found!r:.40}, expected {known}: not {what}")


def decode(kind: Any, text: str | bytes, content: Any = None) -> Any:
    """A value of this type, from JSON of any format.

    Args:
        kind: The type.
        text: The JSON.
        content: What is in it, if that is known, by which an error tells where it went wrong.

    Raises:
        RunError: If the text is no JSON, or a value is missing or of another type; the message names it.
        UsageError: If a dataclass refuses its values.

    Example:
        >>> decode(tuple[int, ...], "[1, 2]")
        (1, 2)
        >>> decode(tuple[int, ...], '[1, "2"]')
        Traceback (most recent call last):
        limen.errors.RunError: [1] is '2': expected a valid integer
    """
    from pydantic import ValidationError
    from pydantic_core import from_json

    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        for each in error.errors():
            if isinstance(refusal := each.get("ctx", {}).get("error"), LimenError):
                raise refusal from None
        try:
            content = from_json(text) if content is None else content
        except ValueError as broken:
            raise RunError(f"not valid JSON ({reason(broken)})") from None
        raise RunError(_told(error, content)) from None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _told(error: ValidationError, content: Any) -> str:
    """What the first error says, and what else is wrong in the same place."""
    found = [(_place(each["loc"], content), each) for each in error.errors(include_url=False)]
    # Of the types of a union, what one of them says of a part tells more than what others say of the whole.
    place = max((at for at, _ in found if at.startswith(found[0][0])), key=len)
    here = [each for at, each in found if at == place]
    first = here[0]
    if first["type"] == "missing":
        lacking = dict.fromkeys(each["loc"][-1] for each in here if each["type"] == "missing")
        names = [each if isinstance(each, str) else f"value {each}" for each in lacking]
        return f"{place or 'the file'} lacks {', '.join(names)}"
    expected = dict.fromkeys(each["msg"].removeprefix("Input should be ") for each in here)
    said = "expected " if first["msg"].startswith("Input should be ") else ""
    return f"{place or 'the file'} is {shown(first['input'], 40)}: {said}{' or '.join(expected)}"


def _place(location: tuple[int | str, ...], content: Any) -> str:
    """Where in the JSON that is; a part that names a type of a union is none of its keys."""
    place = ""
    for part in location:
        if isinstance(content, list) and isinstance(part, int) and part < len(content):
            content, place = content[part], f"{place}[{part}]"
        elif isinstance(content, dict) and part in content:
            content, place = content[part], f"{place}.{part}"
    return place.lstrip(".")

"""Spec strings, read and written in one place: the one-line way to name anything in the catalog.

A spec is `NAME[:ARGUMENT][,key=value…]` where the name takes an argument, such as a model, a data set or
`python:FILE.py:NAME`, and `NAME[:key=value,…]` where it does not, such as an attack. The name ends at the
first colon or comma: a comma says that the argument is left out. Further values of a key follow it without
a key of their own: `pgd_l2:eps=1,2,steps=40`. A comma inside an argument or a value is written twice:
`folder:photos,,old,size=224` is the folder `photos,old`. Doubling, and not a backslash, because a backslash
belongs to paths on Windows.

Where things may follow one another, as defences do, a plus joins their specs to a chain:
`jpeg:quality=75+resize:factor=2`. A plus inside one of them is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from limen.errors import UsageError, shown


@dataclass(frozen=True)
class Spec:
    """A spec string as data, its values still text.

    Attributes:
        name: What it begins with.
        argument: What follows the colon without a key; empty where it is left out, and None where the name
            takes none.
        values: Each key with its one or several values, in the order in which they were written.

    Example:
        >>> str(Spec("folder", "photos,old", (("size", ("224",)),)))
        'folder:photos,,old,size=224'
        >>> str(Spec("pgd_l2", None, (("eps", ("1", "2")), ("steps", ("40",)))))
        'pgd_l2:eps=1,2,steps=40'
    """

    name: str
    argument: str | None = None
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def parse(cls, text: str, *, argument: bool, several: Collection[str] = ()) -> Spec:
        """Read a spec string.

        Args:
            text: The spec string.
            argument: Whether what follows the colon begins with an argument.
            several: Keys that may be given more than once, each time with a further value.

        Raises:
            UsageError: If a part is no `key=value`, or a key is given twice.

        Example:
            >>> Spec.parse("pgd_l2:eps=1,2,steps=40", argument=False).values
            (('eps', ('1', '2')), ('steps', ('40',)))
            >>> Spec.parse("folder:photos,size=224", argument=True).argument
            'photos'
        """
        name = spec_name(text)
        separator, rest = text[len(name) : len(name) + 1], text[len(name) + 1 :]
        if not argument and separator == ",":
            raise UsageError(f"{name} takes its values after a colon: write {name}:{rest}")
        parts = _split(rest, ",") if rest else []
        first = None
        if argument:
            first = parts.pop(0) if parts and separator == ":" else ""
        return cls(name.strip(), first, tuple(_gather(parts, several).items()))

    def __str__(self) -> str:
        parts = []
        for key, texts in self.values:
            if any(not text or text[0] == "," for text in texts[1:]):
                raise UsageError(f"{key} has a further value that a spec cannot hold: {texts[1:]}")
            # What holds an equals sign would be taken for another key.
            named = [f"{key}={text}" if "=" in text else text for text in texts[1:]]
            parts += [f"{key}={texts[0]}", *named]
        if self.argument:
            parts.insert(0, self.argument)
        written = ",".join(part.replace(",", ",,") for part in parts)
        separator = "," if self.argument == "" else ":"
        return f"{self.name}{separator}{written}" if written else self.name


def spec_name(text: str) -> str:
    """What a spec string begins with, up to the first colon or comma.

    Example:
        >>> spec_name("pgd_l2:eps=3"), spec_name("lite0,weights=a.pth")
        ('pgd_l2', 'lite0')
    """
    return re.split("[:,]", text, maxsplit=1)[0]


def split_chain(text: str) -> list[str]:
    """The specs of a chain, in the order in which they are passed.

    Raises:
        UsageError: If it is no text, or one is left out, as beside a plus at the end.

    Example:
        >>> split_chain("jpeg:quality=75+python:a++b.py:blur")
        ['jpeg:quality=75', 'python:a+b.py:blur']
    """
    if not isinstance(text, str):
        raise UsageError(f"a spec is a text, and not {shown(text)}")
    specs = _split(text, "+")
    if len(specs) > 1 and not all(spec.strip() for spec in specs):
        raise UsageError(
            f"{text!r} has a plus with nothing on one side; a plus inside a spec is written twice"
        )
    return specs


def write_spec(name: str, values: Iterable[tuple[str, object]], argument: object = None) -> str:
    """The spec string of a name with these values.

    Example:
        >>> write_spec("fgsm", [("eps", 8 / 255)]), write_spec("folder", [("size", 224)], "photos")
        ('fgsm:eps=8/255', 'folder:photos,size=224')
    """
    first = None if argument is None else value_text(argument)
    return str(Spec(name, first, tuple((key, value_texts(value)) for key, value in values)))


def value_texts(value: object) -> tuple[str, ...]:
    """The texts by which a spec gives a value; several for a tuple of texts or whole numbers.

    Example:
        >>> value_texts(3.0), value_texts(("a.py:f", "b.py:g")), value_texts((3, 5))
        (('3',), ('a.py:f', 'b.py:g'), ('3', '5'))
    """
    if isinstance(value, tuple) and value and all(isinstance(each, str | int) for each in value):
        return tuple(map(value_text, value))
    return (value_text(value),)


def value_text(value: object) -> str:
    """A value as a spec writes it.

    Example:
        >>> value_text(None), value_text(True), value_text(8 / 255), value_text(0.25 / 255), value_text(3.0)
        ('none', 'true', '8/255', '0.25/255', '3')
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        # Budgets are thought of in steps of an 8-bit image; 0.03137254901960784 says nothing to anyone.
        short = f"{value:g}"
        if float(short) == value:
            return short
        levels = f"{value * 255:.4g}"
        return f"{levels}/255" if float(levels) / 255 == value else repr(value)
    return str(value)


def _split(text: str, at: str) -> list[str]:
    """Split at single separators; doubled ones become one."""
    parts = [""]
    one = re.escape(at)
    for piece in re.findall(f"{one}{one}|{one}|[^{one}]+", text):
        if piece == at:
            parts.append("")
        else:
            parts[-1] += at if piece == 2 * at else piece
    return parts


def _gather(parts: list[str], several: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Each key with its values: a part without an equals sign is a further value of the key before it."""
    values: dict[str, tuple[str, ...]] = {}
    last = None
    for part in parts:
        key, equals, text = (piece.strip() for piece in part.partition("="))
        if equals and key in values and key not in several:
            raise UsageError(f"{key} is given twice")
        if not equals and last is None:
            raise UsageError(f"{part!r} is not key=value")
        if equals:
            last = key
            values[key] = (*values.get(key, ()), text)
        elif last is not None:
            values[last] = (*values[last], key)
    return values

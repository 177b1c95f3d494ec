"""Text that others wrote, such as the names of files, made harmless to what shows it."""

from __future__ import annotations

import unicodedata

_ODD = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])
_NONE = "\ufffe\uffff"  # no characters, which no XML may have
_JOINERS = "\u200c\u200d"  # which scripts and emoji are written with


def harmless(text: str, lines: bool = False) -> str:
    r"""Text in which nothing steers the terminal, turns the order of reading or ends the line.

    Control characters, escape sequences and marks of direction are written out, and so is a byte of a file's
    name that is no character.

    Args:
        text: The text.
        lines: Whether it may have several lines.

    Example:
        >>> print(harmless("a\x1b[2K\nb\u202egnp.exe"))
        a\x1b[2K\nb\u202egnp.exe
        >>> harmless("a\nb", lines=True) == "a\nb"
        True
    """
    # isprintable is false of all that is odd, and quick; most text is not.
    if text.isprintable():
        return text
    return "".join(map(_lines if lines else _shown, text))


def _shown(character: str) -> str:
    odd = character in _NONE or unicodedata.category(character) in _ODD
    if character in _JOINERS or not odd:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _lines(character: str) -> str:
    return character if character == "\n" else _shown(character)

"""Fonts for whatever is written: matplotlib's own, and for other scripts one that is installed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from matplotlib import font_manager

from limen.errors import LimenWarning

OWN = "DejaVu Sans"
"""The font that matplotlib brings along."""


def families(text: str) -> list[str]:
    """The fonts that have all characters of a text, as far as any that is installed does; ours first.

    Example:
        >>> families("1 − SSIM, ×Δ∞")
        ['DejaVu Sans']
    """
    missing = _missing(text)
    return [OWN, *_others(missing)[0]] if missing else [OWN]


@contextmanager
def glyphs_told(text: str) -> Iterator[None]:
    """Say once, in Limen's words, that no font has a character, and not at each place where it is drawn."""
    missing = _missing(text)
    left = _others(missing)[1] if missing else missing
    if left:
        warnings.warn(
            f"no font that is installed has {''.join(sorted(left))}; install one, such as Noto Sans CJK",
            LimenWarning,
            stacklevel=2,
        )
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # that it makes a list of fonts is its own affair
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            yield
    finally:
        logger.setLevel(level)


def _missing(text: str) -> frozenset[str]:
    own = font_manager.findfont(font_manager.FontProperties(family=[OWN]))
    return frozenset(each for each in text if each.isprintable() and not each.isspace()) - _characters(own)


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters that a font has; none of a file that is broken."""
    with suppress(Exception):
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    return frozenset()


@cache
def _others(missing: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Installed fonts that have these characters together, few at best, and the characters that none has."""
    found: list[str] = []
    left = missing
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda each: (each.weight != 400, each.name)):
        # The font of last resort has a box with a number for each character.
        if left and "LastResort" not in entry.fname and left & _characters(entry.fname):
            found.append(entry.name)
            left -= _characters(entry.fname)
    return tuple(found), left

"""How numbers are written: for people, on pages and terminals alike, and in JSON."""

from __future__ import annotations

import math
from typing import Any, Literal

Form = Literal["number", "share", "near_one", "count"]
"""How to write a number: three digits, a percentage, enough digits near 1, or a whole number."""


def written(value: float | None, form: Form) -> str:
    """A value in this form, and a dash where there is none.

    Example:
        >>> written(0.25, "number"), written(0.25, "share"), written(1234.0, "count"), written(None, "share")
        ('0.25', '25.0\N{NO-BREAK SPACE}%', '1,234', '–')
    """
    if form == "count" and value is not None and math.isfinite(value):
        return f"{value:,.0f}"
    writers = {"number": number, "count": number, "share": percent, "near_one": near_one}
    return writers[form](value)


def finite(value: Any) -> Any:
    """Lists, dictionaries and numbers as JSON can hold them: None for each number that is not finite.

    Example:
        >>> finite({"share": 0.5, "ends": (float("nan"), float("inf"))})
        {'share': 0.5, 'ends': [None, None]}
    """
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(value: float | None, digits: int = 3) -> str:
    """A value for people: three significant digits, thousands in groups, a dash where there is none.

    Example:
        >>> number(0.98765), number(12345.6), number(2e-5), number(float("inf")), number(None)
        ('0.988', '12,346', '2e-5', '∞', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    sign, size = "−" if value < 0 else "", abs(value)
    if math.isinf(size):
        return f"{sign}∞"
    text = f"{size:.{digits}g}".replace("e-0", "e-")
    # Of the rounded number: 999.7 is a thousand, too.
    return sign + (f"{size:,.0f}" if float(text) >= 10**digits else text)


def near_one(value: float | None) -> str:
    """A value near 1 for people: enough digits that what sets it apart from 1 is seen.

    Example:
        >>> near_one(0.9), near_one(0.99876), near_one(0.999987)
        ('0.900', '0.9988', '0.999987')
    """
    if value is None or not 0 <= value < 1:
        return number(value)
    return f"{value:.{max(3, min(6, 1 - math.floor(math.log10(1 - value))))}f}"


def percent(rate: float | None) -> str:
    """A share in [0, 1] as a percentage; only all is 100 and only none is 0.

    Example:
        >>> percent(0.5), percent(0.9999), percent(1.0), percent(None)
        ('50.0\N{NO-BREAK SPACE}%', '99.9\N{NO-BREAK SPACE}%', '100\N{NO-BREAK SPACE}%', '–')
    """
    if rate is None or math.isnan(rate):
        return "–"
    text = f"{rate:.0%}" if rate in (0, 1) else f"{min(max(rate, 0.001), 0.999):.1%}"
    return text.replace("%", "\N{NO-BREAK SPACE}%")

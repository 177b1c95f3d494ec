"""Identities for runs that are written by hand, so that labels in a test are what the test says."""

from __future__ import annotations

from limen.errors import UsageError
from limen.identity import Identity
from limen.spec import Spec


def identity(label: str) -> Identity:
    """An identity with this label; `eps` is its budget."""
    try:
        spec = Spec.parse(label, argument=False)
    except UsageError:
        return Identity(label, {})
    values = {key: _value(texts[0]) for key, texts in spec.values}
    return Identity(spec.name, values, "eps" if "eps" in values else None, stated=tuple(values))


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text

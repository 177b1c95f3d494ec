"""Which attacks of a run are one attack under several budgets."""

from __future__ import annotations

import re
from collections.abc import Iterable

BUDGET = "eps"
"""What every attack calls its budget."""

# Two commas are one inside a value; only a single one ends it.
_PART = re.compile(r"(?:[^,]|,,)+")


def family(label: str) -> str:
    """A label without its budget: attacks that differ in the budget alone have it in common.

    Args:
        label: A spec such as `pgd_l2:eps=3,steps=40`, or any other text.

    Example:
        >>> family("pgd_l2:eps=3,steps=40"), family("fgsm:eps=8/255"), family("ddn")
        ('pgd_l2:steps=40', 'fgsm', 'ddn')
    """
    name, colon, rest = label.partition(":")
    parts = _PART.findall(rest)
    kept = [part for part in parts if _key(part) != BUDGET]
    if len(kept) == len(parts):
        return label
    return f"{name}{colon}{','.join(kept)}" if kept else name


def budget(label: str) -> str | None:
    """The budget that a label states, as it is written there; None where it states none.

    Example:
        >>> budget("fgsm:eps=8/255"), budget("ddn")
        ('8/255', None)
    """
    stated = [part for part in _PART.findall(label.partition(":")[2]) if _key(part) == BUDGET]
    return stated[0].partition("=")[2].strip() if stated else None


def families(labels: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Labels grouped by `family`, in the order in which the groups first appear.

    A label that no other differs from in the budget alone keeps its full name. One that states no budget,
    and so has the default, belongs to those that do.

    Example:
        >>> families(["pgd_l2:eps=1", "ddn", "pgd_l2:eps=2", "fgsm:eps=0.1"])
        {'pgd_l2': ('pgd_l2:eps=1', 'pgd_l2:eps=2'), 'ddn': ('ddn',), 'fgsm:eps=0.1': ('fgsm:eps=0.1',)}
    """
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(family(label), []).append(label)
    return {name if len(group) > 1 else group[0]: tuple(group) for name, group in groups.items()}


def _key(part: str) -> str:
    key, equals, _ = part.partition("=")
    return key.strip() if equals else ""

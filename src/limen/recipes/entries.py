"""What recipes run: attacks with what the paper calls them and printed of them, and grids of budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from limen.images import LATTICE
from limen.safety import check_count
from limen.spec import Spec, value_text

_FINER = 16
_MOST = 1000


@dataclass(frozen=True)
class Budgets:
    """Budgets in geometric progression.

    Attributes:
        weakest: The least, in steps of the 8-bit lattice if `levels`.
        strongest: The greatest.
        levels: Whether the budget bounds each value, so that on a lattice only whole steps differ. In floats
            the weakest is then a sixteenth of what it is on the lattice.
    """

    weakest: float
    strongest: float
    levels: bool = False

    def texts(self, count: int, lattice: int | None = LATTICE) -> tuple[str, ...]:
        """So many budgets as specs write them, weak to strong; fewer where they round to the same level.

        Args:
            count: How many, 1 or more.
            lattice: The steps between 0 and 1 that the attacks keep to; None for floats.

        Example:
            >>> Budgets(0.5, 8).texts(3), Budgets(1, 4, levels=True).texts(8)
            (('0.5', '2', '8'), ('1/255', '2/255', '3/255', '4/255'))
            >>> Budgets(1, 4, levels=True).texts(4, lattice=None)
            ('0.0625/255', '0.25/255', '1/255', '4/255')
        """
        check_count("budgets", count, _MOST)
        finer = _FINER if self.levels and lattice is None else 1
        values = np.geomspace(self.weakest / finer, self.strongest, count)
        if self.levels and lattice is not None:
            values = np.unique(values.round())
        return tuple(value_text(float(f"{each:.3g}")) + ("/255" if self.levels else "") for each in values)


@dataclass(frozen=True)
class Entry:
    """One attack of a table.

    Attributes:
        title: What the paper calls it.
        spec: The attack, without its budget where it has several.
        budgets: Its budgets; None where the spec states one, or the attack has none.
        printed: What the paper prints of it: by column of the records, such as `paper`, its figures by name.
            A figure is named by the classifier, statistic and metric of its row, such as `mean l2`.
    """

    title: str
    spec: str
    budgets: Budgets | None = None
    printed: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    def under(self, texts: Sequence[str]) -> str:
        """The spec with these budgets, a grid where there are several; as it is without any.

        Example:
            >>> Entry("PGD", "pgd_l2:steps=40").under(["1", "2"]), Entry("DDN", "ddn").under([])
            ('pgd_l2:eps=1,2,steps=40', 'ddn')
        """
        spec = Spec.parse(self.spec, argument=False)
        return str(replace(spec, values=(("eps", tuple(texts)), *spec.values))) if texts else self.spec


Groups = Mapping[str, Sequence[Entry]]
"""Attacks by the title that they stand under."""

Printed = Mapping[str, Mapping[str, Sequence[float | None]]]
"""A table as printed: by column of the records, its figures by name, with a value per attack in order."""


def beside(entries: Iterable[Entry], printed: Printed) -> tuple[Entry, ...]:
    """The attacks with what the paper prints of them.

    Example:
        >>> both = beside([Entry("FGSM", "fgsm"), Entry("DDN", "ddn")], {"paper": {"success": (0.5, None)}})
        >>> [each.printed["paper"]["success"] for each in both]
        [0.5, None]
    """
    return tuple(
        replace(
            entry,
            printed={
                column: {name: values[place] for name, values in figures.items()}
                for column, figures in printed.items()
            },
        )
        for place, entry in enumerate(entries)
    )

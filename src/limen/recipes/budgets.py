"""Grids of budgets: the values of eps between a weakest and a strongest, and the specs that hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.catalog.parameters import value_text
from limen.document import number


@dataclass(frozen=True)
class Budgets:
    """Budgets in geometric progression.

    Attributes:
        weakest: The least, in steps of the 8-bit lattice if `levels`.
        strongest: The greatest.
        levels: Whether the budget bounds each value, so that only whole steps of the lattice differ.
    """

    weakest: float
    strongest: float
    levels: bool = False

    def texts(self, count: int) -> list[str]:
        """So many budgets as specs write them, weak to strong; fewer where they round to the same level.

        Example:
            >>> Budgets(0.5, 8).texts(3), Budgets(1, 4, levels=True).texts(8)
            (['0.5', '2', '8'], ['1/255', '2/255', '3/255', '4/255'])
        """
        values = np.geomspace(self.weakest, self.strongest, count)
        if self.levels:
            return [f"{level:g}/255" for level in np.unique(values.round())]
        return [value_text(float(f"{value:.3g}")) for value in values]

    def shown(self) -> str:
        """The ends, for people.

        Example:
            >>> Budgets(1, 16, levels=True).shown()
            'eps 1/255 to 16/255'
        """
        unit = "/255" if self.levels else ""
        return f"eps {number(self.weakest)}{unit} to {number(self.strongest)}{unit}"


def with_budget(attack: str, eps: str, rest: str) -> str:
    """The spec of an attack with this budget, or with several between commas, and further parameters.

    Example:
        >>> with_budget("pgd_l2", "1,2", "steps=40"), with_budget("fgsm", "8/255", "")
        ('pgd_l2:eps=1,2,steps=40', 'fgsm:eps=8/255')
    """
    return ",".join(part for part in (f"{attack}:eps={eps}", rest) if part)

"""Grids of budgets: the values of eps between a weakest and a strongest, and the specs that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from limen import catalog
from limen.document import number
from limen.evaluation import labels_of
from limen.spec import Spec, value_text


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


def labels(spec: str) -> tuple[str, ...]:
    """The labels of the records of an attack, or of a grid under each of its values.

    Example:
        >>> labels("pgd_l2:steps=20,eps=1,2")
        ('pgd_l2:eps=1,steps=20', 'pgd_l2:eps=2,steps=20')
    """
    return labels_of([catalog.attack_or_grid(spec)])


def grid_spec(attack: str, texts: Sequence[str], rest: str) -> str:
    """The spec of an attack under these budgets, with further parameters.

    Example:
        >>> grid_spec("pgd_l2", ["1", "2"], "steps=40"), grid_spec("fgsm", ["8/255"], "")
        ('pgd_l2:eps=1,2,steps=40', 'fgsm:eps=8/255')
    """
    others = Spec.parse(f"{attack}:{rest}", argument=False)
    return str(replace(others, values=(("eps", tuple(texts)), *others.values)))

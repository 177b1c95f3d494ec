"""How D_rob grows: which samples are drawn, what is attacked of them, and how likely each is drawn later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from limen.data.robust import RobustRow
from limen.training.sampling import draw_positions


class Growth:
    """The rows of D_rob, so far.

    The i-th sample that the k-th outer step makes has the weight (k − 1)·N + i, where N is the number of
    clean samples, so that later ones are drawn more often. Literally, each clean sample has the weight 1,
    which all but rules them out: with N = 1000 and 10 steps the weight of each is 2e-8 of the total, and of
    all 2e-5. By default they have equal weights that give them a share of all draws.

    Args:
        rows: The clean samples, then those that were made so far.
        literal: Whether what is drawn is attacked itself, so that attacks nest, and weights are the text's;
            else its clean source is attacked.
        clean_share: How often a clean sample is drawn, unless it is literal: from 0 to below 1.

    Source:
        Algorithm 4.1 of the paper on imperceptible attacks, distributionally robust optimization and fairness
        (Hua et al.). That the clean source is attacked follows its Equation 3.3, which perturbs x0 of P0.

    Example:
        >>> clean = [RobustRow(name, name, None, 0, 0, i, 1.0, 0) for i, name in enumerate("ab", start=1)]
        >>> growth = Growth(clean)
        >>> growth.add(growth.new_rows(1, [1, 1], first=1))
        >>> growth.weights().tolist(), growth.rows[3].id
        ([1.5, 1.5, 1.0, 2.0], 'b 1.2')
    """

    def __init__(self, rows: Sequence[RobustRow], literal: bool = False, clean_share: float = 0.5) -> None:
        self.rows = list(rows)
        self.literal, self.clean_share = literal, clean_share
        self.clean = sum(row.k == 0 for row in rows)
        self._places = {row.id: place for place, row in enumerate(rows[: self.clean])}

    def __len__(self) -> int:
        return len(self.rows)

    def weights(self, count: int | None = None) -> Tensor:
        """How often each of the first `count` samples, or of all, is drawn: float64 (M,)."""
        weights = torch.tensor([row.weight for row in self.rows[:count]], dtype=torch.float64)
        made = float(weights[self.clean :].sum())
        if not self.literal:
            share = self.clean_share
            weights[: self.clean] = share / (1 - share) * made / self.clean if made else 1.0
        return weights

    def weighted(self) -> list[RobustRow]:
        """The rows, with the weights that they have now."""
        told = zip(self.rows, self.weights().tolist(), strict=True)
        return [replace(row, weight=weight) for row, weight in told]

    def draw(self, count: int, seed: int) -> list[int]:
        """The positions (N,) of an outer step's samples, drawn from the first `count` by their weights."""
        return draw_positions(self.weights(count), self.clean, torch.Generator().manual_seed(seed))

    def source(self, position: int) -> int:
        """The position of the clean sample that a sample was made of."""
        return self._places[self.rows[position].source]

    def attacked(self, position: int) -> int:
        """The position of what is attacked where the sample at a position is drawn."""
        return position if self.literal else self.source(position)

    def new_rows(self, step: int, drawn: Sequence[int], first: int) -> list[RobustRow]:
        """The rows that an outer step makes of some of its draws, whose successes are not known yet.

        Args:
            step: The outer step, k.
            drawn: The positions that were drawn.
            first: The number of the first of them within the step, from 1.
        """
        made = []
        for number, position in enumerate(drawn, start=first):
            parent = self.rows[position]
            attacked = self.rows[self.attacked(position)]
            made.append(
                replace(
                    parent,
                    id=f"{parent.source} {step}.{number}",
                    drawn=parent.id,
                    depth=attacked.depth + 1,
                    k=step,
                    i=number,
                    weight=float((step - 1) * self.clean + number),
                )
            )
        return made

    def add(self, rows: Sequence[RobustRow]) -> None:
        """Take rows that were made."""
        self.rows.extend(rows)

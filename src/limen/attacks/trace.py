"""What an attack saw on its way, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor


@dataclass(frozen=True)
class Trace:
    """Every look of an attack at the model, a row for each look and sample: sample by sample, in order.

    A sample's rows depend on nothing else in its batch, as its result does. Numbers that were not asked for
    are NaN: a climb needs no objective at its last look, nor a gradient where it ends, or where its rule
    takes none.

    Attributes:
        sample: The sample's row (R,) in the call.
        climb: Which of its climbs (R,) it is, from 0; −1 for a look of none, as at the original before a
            random start, or at what another library made.
        step: How many moves (R,) the climb had made.
        objective: What is climbed (R,); of an objective of several functions, the first.
        margin: The logit margin (R,): positive where the model's answer is what the attack is after.
        success: Whether (R,) the look was a success: beyond the confidence, and within what is allowed.
        l2: The stored image's L2 distance (R,) from the original.
        linf: Its L∞ distance (R,).
        distance: The distance (R,) that the composition makes least, where it makes one least.
        gradient: The L2 norm (R,) of the objective's gradient over the free variables; infinite where it held
            NaN or infinity.
    """

    sample: Tensor
    climb: Tensor
    step: Tensor
    objective: Tensor
    margin: Tensor
    success: Tensor
    l2: Tensor
    linf: Tensor
    distance: Tensor
    gradient: Tensor

    def __len__(self) -> int:
        return len(self.sample)

    def __repr__(self) -> str:
        return f"<trace of {len(self.sample.unique())} samples: {len(self)} looks>"

    @classmethod
    def of(cls, looks: Sequence[dict[str, Tensor]]) -> Self:
        """The looks of one call, each at some of its samples, in the order in which they were made.

        Args:
            looks: The columns of each look; there is one at least, which may be of no sample.
        """
        columns = {each.name: torch.cat([look[each.name] for look in looks]) for each in fields(cls)}
        order = columns["sample"].argsort(stable=True)
        return cls(**{name: values[order] for name, values in columns.items()})

    @classmethod
    def joined(cls, traces: Sequence[Trace], counts: Sequence[int]) -> Trace:
        """The traces of the parts of a batch.

        Args:
            traces: Of each part.
            counts: How many samples each has.
        """
        begins = np.cumsum([0, *counts])[:-1].tolist()
        moved = [
            replace(each, sample=each.sample + begin) for each, begin in zip(traces, begins, strict=True)
        ]
        return cls.of([vars(each) for each in moved])

    def followed(self, rows: Tensor, again: Trace) -> Trace:
        """With that of a second call for the samples at `rows`, whose climbs are numbered on."""
        begun = torch.zeros_like(rows)
        for place, row in enumerate(rows.tolist()):
            climbs = self.climb[self.sample == row]
            begun[place] = climbs.amax() + 1 if len(climbs) else 0
        climb = again.climb + begun[again.sample]
        return self.of([vars(self), vars(replace(again, sample=rows[again.sample], climb=climb))])

    def table(self, ids: Sequence[object] | None = None) -> pa.Table:
        """A tidy table: a column for each attribute, with nulls for what was not asked for.

        Args:
            ids: The samples' names, for a column `id` in place of `sample`; None for their rows.

        Example:
            >>> import torch
            >>> from limen.attacks import pgd_l2
            >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5))
            >>> images, labels = torch.full((2, 3, 2, 2), 0.5), torch.tensor([0, 1])
            >>> trace = pgd_l2(steps=2)(net, images, labels, trace=True).trace
            >>> trace.table(["a", "b"]).column_names[:4]
            ['id', 'climb', 'step', 'objective']
        """
        columns = {each.name: getattr(self, each.name).cpu().numpy() for each in fields(self)}
        rows = columns.pop("sample")
        first = {"sample": rows} if ids is None else {"id": [str(ids[row]) for row in rows.tolist()]}
        return pa.table(
            {**first, **{name: pa.array(each, from_pandas=True) for name, each in columns.items()}}
        )

"""Grids: one attack under several values of one parameter, which run side by side in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from limen.catalog.entry import Entry
from limen.catalog.kinds import NamedAttack
from limen.catalog.table import Catalog
from limen.errors import UsageError
from limen.identity import Identity


@dataclass(frozen=True)
class Grid:
    """One attack under several values of one parameter.

    In a spec, parts without a key are further values of the key before them.

    Attributes:
        identities: What the attack is under each value.
        values: The values, in the order of `identities`.
        make: The attack for a tensor (N,) with one value per sample.

    Raises:
        UsageError: If identities and values are not equally many, or there are none.
    """

    identities: tuple[Identity, ...]
    values: tuple[float, ...]
    make: Callable[[Tensor], NamedAttack]

    def __post_init__(self) -> None:
        if not self.identities or len(self.identities) != len(self.values):
            raise UsageError(f"a grid needs a value for each identity, not {self.values} for {self.labels}")

    @property
    def labels(self) -> tuple[str, ...]:
        """What the results under each value stand under in a run."""
        return tuple(each.label for each in self.identities)

    def attack(self, positions: Sequence[int]) -> NamedAttack:
        """The attack whose i-th sample has the value at `positions[i]` of the grid.

        Example:
            >>> from limen.attacks import fgsm
            >>> identities = tuple(fgsm(eps=eps).identity for eps in (0.1, 0.2))
            >>> Grid(identities, (0.1, 0.2), lambda eps: fgsm(eps=eps)).attack([0, 0, 1]).name
            'fgsm'
        """
        # Double precision, as Python's own numbers are, so that what a factory makes of the value
        # is rounded as often as with the number itself.
        return self.make(torch.tensor([self.values[each] for each in positions], dtype=torch.float64))


def read_grid(table: Catalog, spec: str) -> Grid | None:
    """The grid that a spec writes; None where every key has one value.

    Raises:
        UsageError: If what the spec writes cannot be a grid, or one of its values is refused; the
            message begins with the spec.
    """
    parsed = table.parse(spec)
    swept = [key for key, texts in parsed.values if len(texts) > 1]
    if not swept:
        return None
    if len(swept) > 1:
        with table.telling(spec):
            raise UsageError(f"{' and '.join(swept)} have several values; a grid goes over one parameter")
    key, keys = swept[0], dict(parsed.values)
    alone = [str(replace(parsed, values=tuple({**keys, key: (text,)}.items()))) for text in keys[key]]
    request = table.read(alone[0])  # its errors know the nearest names
    with table.telling(spec):
        values = _values(request.entry, key, keys[key])
    for each in alone:
        table.make(each)
    others = {name: value for name, value in request.keywords.items() if name != key}
    thing = request.entry.thing
    identities = tuple(table.read(each).identity for each in alone)
    return Grid(identities, values, lambda tensor: thing(**others, **{key: tensor}))


def _values(entry: Entry, key: str, texts: Sequence[str]) -> tuple[float, ...]:
    known = {parameter.name: parameter for parameter in entry.parameters}
    parameter = replace(known[key], types=(float,)) if known[key].per_sample else known[key]
    values = []
    for text in texts:
        try:
            values.append(parameter.parse(text))
        except UsageError as error:
            raise UsageError(
                f"{text!r} is not key=value, nor a further value of {key}: {error}. {entry.accepts}"
            ) from None
        if values[-1] in values[:-1]:
            raise UsageError(f"{key} has the value {text} twice")
    if not parameter.per_sample:
        able = ", ".join(name for name, each in known.items() if each.per_sample)
        advice = f"; a grid can go over {able}" if able else ""
        raise UsageError(f"{key} takes one value for all images, so give the attack several times{advice}")
    return tuple(values)

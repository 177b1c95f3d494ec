"""Grids: one attack under several values of one parameter, which run side by side in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from limen.attacks import Attack
from limen.catalog.spec import Catalog, Entry, split
from limen.errors import UsageError


@dataclass(frozen=True)
class Grid:
    """One attack under several values of one parameter.

    Attributes:
        labels: The spec of each value, as if the attack had it alone.
        values: The values, in the order of `labels`.
        make: The attack for a tensor (N,) with one value a sample.

    Raises:
        UsageError: If labels and values are not equally many, or there are none.
    """

    labels: tuple[str, ...]
    values: tuple[float, ...]
    make: Callable[[Tensor], Attack]

    def __post_init__(self) -> None:
        if not self.labels or len(self.labels) != len(self.values):
            raise UsageError(f"a grid needs a value for each label, not {self.values} for {self.labels}")

    def attack(self, positions: Sequence[int]) -> Attack:
        """The attack whose i-th sample has the value at `positions[i]` of the grid.

        Example:
            >>> from limen.attacks import fgsm
            >>> Grid(("a", "b"), (0.1, 0.2), lambda eps: fgsm(eps=eps)).attack([0, 0, 1]).name
            'fgsm'
        """
        # Double precision, as Python's own numbers are, so that what a factory makes of the value
        # is rounded as often as with the number itself.
        return self.make(torch.tensor([self.values[each] for each in positions], dtype=torch.float64))


def read_grid(table: Catalog, spec: str) -> Grid | None:
    """The grid that a spec writes: after a `key=value`, parts without a key are further values of it.

    Args:
        table: The factories that the spec may name.
        spec: The spec string.

    Returns:
        The grid; None where every key has one value.

    Raises:
        UsageError: If what the spec writes cannot be a grid, or one of its values is refused; the
            message begins with the spec.
    """
    name, _, rest = spec.partition(":")
    keys = _gather(split(rest))
    swept = [place for place, (_, texts) in enumerate(keys) if len(texts) > 1]
    if not swept:
        return None
    before, (key, texts), after = keys[: swept[0]], keys[swept[0]], keys[swept[0] + 1 :]
    labels = tuple(_write(name, [*before, (key, [text]), *after]) for text in texts)
    table.make(labels[0])  # its errors know the nearest names
    try:
        if len(swept) > 1:
            both = " and ".join(keys[place][0] for place in swept)
            raise UsageError(f"{both} have several values; a grid goes over one parameter")
        values = _values(table.entry(name.strip()), key, texts)
    except UsageError as error:
        raise UsageError(f"{table.kind} spec {spec!r}: {error}") from error
    for label in labels[1:]:
        table.make(label)
    base = _write(name, [*before, *after])
    return Grid(labels, values, lambda tensor: table.make(base, **{key: tensor}))


def _gather(parts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each key with its values; nothing if the first part has no key, which is no grid but an error."""
    keys: list[tuple[str, list[str]]] = []
    for part in parts:
        key, equals, text = (piece.strip() for piece in part.partition("="))
        if equals:
            keys.append((key, [text]))
        elif keys:
            keys[-1][1].append(key)
        else:
            return []
    return keys


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


def _write(name: str, keys: Sequence[tuple[str, Sequence[str]]]) -> str:
    given = ",".join(f"{key}={texts[0]}".replace(",", ",,") for key, texts in keys)
    return f"{name}:{given}" if given else name

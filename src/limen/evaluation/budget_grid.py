"""Attacks and grids alike, cut into calls that fit a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from limen.attacks import Attack
from limen.catalog import Grid
from limen.evaluation.cleans import Cleans


@dataclass(frozen=True)
class Piece:
    """One call of an attack.

    Attributes:
        attack: The attack, made for these rows.
        cleans: The images, one a row; an image stands in as many rows as it is attacked with values.
        labels: The label of each row.
    """

    attack: Attack
    cleans: Cleans
    labels: tuple[str, ...]

    def places(self) -> dict[str, list[int]]:
        """The rows of each label."""
        found: dict[str, list[int]] = {}
        for place, label in enumerate(self.labels):
            found.setdefault(label, []).append(place)
        return found


def labels_of(attacks: Mapping[str, Attack | Grid]) -> tuple[str, ...]:
    """The labels under which the results of these attacks stand: a grid has one a value.

    Example:
        >>> from limen import catalog
        >>> specs = ["ddn", "fgsm:eps=0.1,0.2"]
        >>> labels_of({spec: catalog.attack_or_grid(spec) for spec in specs})
        ('ddn', 'fgsm:eps=0.1', 'fgsm:eps=0.2')
    """
    named = (attack.labels if isinstance(attack, Grid) else (name,) for name, attack in attacks.items())
    return tuple(dict.fromkeys(label for labels in named for label in labels))


def pieces(
    name: str, attack: Attack | Grid, cleans: Cleans, finished: Mapping[str, Collection[str]], most: int
) -> Iterator[Piece]:
    """The calls that are left of an attack or grid on these images.

    Args:
        name: The label of an attack; of no meaning to a grid.
        attack: What to run.
        cleans: The images.
        finished: The ids of the images that each label is done with.
        most: Rows of a call at most.
    """
    labels = attack.labels if isinstance(attack, Grid) else (name,)
    # Value by value, so that those side by side are alike and leave the batch at about the same step.
    left = [
        (position, place)
        for position, label in enumerate(labels)
        for place, image_id in enumerate(cleans.ids)
        if image_id not in finished[label]
    ]
    for start in range(0, len(left), most):
        positions, places = zip(*left[start : start + most], strict=True)
        made = attack.attack(positions) if isinstance(attack, Grid) else attack
        yield Piece(made, cleans.at(places), tuple(labels[position] for position in positions))

"""Attacks and grids alike, cut into calls that fit a batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from limen.attacks import Outcome
from limen.catalog import Grid
from limen.evaluation.cleans import Cleans
from limen.identity import Identity, identify

AnyAttack = Grid | Callable[..., Outcome]
"""A grid, or whatever is called as an attack is and returns an outcome."""

_CALL = ("classifier", "images", "labels", "targeted", "ids", "seed", "lattice", "masks", "trace")


def identities_of(attacks: Iterable[AnyAttack]) -> tuple[Identity, ...]:
    """What these attacks are: a grid is one attack under each of its values.

    Raises:
        UsageError: If it cannot be told of one, as of a lambda; the message says how to help.
    """
    found: list[Identity] = []
    for attack in attacks:
        found += attack.identities if isinstance(attack, Grid) else [identify(attack, hidden=_CALL)]
    return tuple(dict.fromkeys(found))


def labels_of(attacks: Iterable[AnyAttack]) -> tuple[str, ...]:
    """The labels under which the results of these attacks stand in a run that they begin.

    Example:
        >>> from limen import catalog
        >>> labels_of(catalog.attack_or_grid(spec) for spec in ["ddn", "fgsm:eps=0.1,0.2"])
        ('ddn', 'fgsm:eps=0.1', 'fgsm:eps=0.2')
    """
    return tuple(identity.label for identity in identities_of(attacks))


def pieces(
    attack: AnyAttack,
    labels: tuple[str, ...],
    cleans: Cleans,
    finished: Mapping[str, Collection[str]],
    most: int,
) -> Iterator[tuple[Callable[..., Outcome], Cleans, list[str]]]:
    """The calls that are left of an attack or grid on these images.

    An image stands in as many rows of a call as it is attacked with values.

    Args:
        attack: What to run.
        labels: The label of the attack, or of each value of the grid.
        cleans: The images.
        finished: The ids of the images that each label is done with.
        most: Rows of a call at most.

    Yields:
        The attack, made for the rows of a call; the image of each row; and the label of each row.
    """
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
        yield made, cleans.at(places), [labels[position] for position in positions]

"""The ranking of attacks as tables: who leads, the ranking by each distance, all side by side, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import Measured, Ranking
from limen.document import Cell, Group, Table, number
from limen.evaluation.cells import measured_cell, share_cell

LEADERS = "Who leads"
"""The title of the table that answers which attack to take."""

_NAMED = 3
_OPEN, _FOLDS_FROM = 8, 12


@dataclass(frozen=True)
class Cost:
    """What an attack took on the images that count, and how many it fooled.

    Attributes:
        success: The share of the images that it fooled.
        passes: Forward and backward passes per image, as a mean.
        most: The most that an image took.
        seconds: Seconds per image, as a mean.
    """

    success: Measured
    passes: float
    most: int
    seconds: float


def leaders(ranked: Sequence[Ranking]) -> Table:
    """Who leads by each metric, who cannot be told from it, and who can."""
    rows = [_led(each) if each.is_told else _untold(each) for each in ranked]
    columns = ("Distance", "Leads", "Optimality", "Cannot be told from it", "Next")
    return Table(LEADERS, _LEADERS.format(images=ranked[0].images), columns, [Group("", rows)])


def by_metric(
    found: Ranking, costs: Mapping[str, Cost], allowed: int | None, *, explained: bool = True
) -> Table:
    """The ranking by one metric, from the best to the worst.

    Args:
        found: The ranking.
        costs: What each attack took.
        allowed: How many passes an image may take; None for any number.
        explained: Whether the caption says what the columns mean.
    """
    metric, tied = found.metric, found.tied()

    def row(place: int) -> list[Cell]:
        name = found.names[place]
        cost = costs[name]
        return [
            _attack(name, cost, allowed),
            measured_cell(found.optimality[place], note=_standing(place, tied)),
            Cell(value=found.median(place) * metric.scale),
            Cell(value=found.nearest(place), form="count"),
            share_cell(cost.success),
            Cell(value=cost.passes, form="count"),
            Cell(value=cost.seconds),
        ]

    columns = (
        "Attack",
        "Optimality",
        f"Median {metric.axis}",
        "Nearest on",
        "Fooled",
        "Passes",
        "Seconds per image",
    )
    caption = _BY_METRIC.format(images=found.images, fooled=found.fooled)
    caption += _EXPLAINED if explained else ""
    return Table(f"By {metric.title}", caption, columns, _folded([row(place) for place in found.order]))


def matrix(ranked: Sequence[Ranking], costs: Mapping[str, Cost], allowed: int | None) -> Table:
    """The optimality of each attack by every metric; those that lead or tie most often first."""
    told = [each for each in ranked if each.is_told]
    ties = {each.metric.key: each.tied() for each in told}
    names = ranked[0].names

    def merit(place: int) -> tuple[float, ...]:
        stands = [_standing(place, tied) for tied in ties.values()]
        values = [each.optimality[place].value for each in told]
        return stands.count("leads"), float(np.mean(values)) if values else 0.0

    rows = [
        [
            _attack(names[place], costs[names[place]], allowed),
            *(
                Cell(value=each.optimality[place].value, note=_standing(place, ties.get(each.metric.key, ())))
                for each in ranked
            ),
        ]
        for place in sorted(range(len(names)), key=merit, reverse=True)
    ]
    columns = ("Attack", *(each.metric.title for each in ranked))
    return Table(f"Optimality over {ranked[0].images} images", _OPTIMALITY, columns, _folded(rows))


def costs_table(costs: Mapping[str, Cost], allowed: int | None) -> Table:
    """What each attack took, from the quickest on."""
    rows = [
        [
            _attack(name, cost, allowed),
            share_cell(cost.success),
            Cell(value=cost.passes, form="count"),
            Cell(value=cost.most, form="count"),
            Cell(value=cost.seconds),
        ]
        for name, cost in sorted(costs.items(), key=lambda pair: pair[1].seconds)
    ]
    columns = ("Attack", "Fooled", "Passes, mean", "Passes, most", "Seconds per image")
    return Table("What it took", _COSTS, columns, _folded(rows))


_LEADERS = (
    "The attack of the highest optimality by each distance, with its 95 % interval over {images} images; "
    "those that cannot be told from it, as the interval of the difference holds 0; and the best of the rest."
)

_BY_METRIC = "From the best to the worst over {images} images, of which {fooled} are fooled by any attack."
_EXPLAINED = (
    " The median is over these, and infinite where an attack fools fewer than half of them; nearest: on how "
    "many images no other attack needs less."
)

_OPTIMALITY = (
    "The area between no attack and an attack's curve, as a share of the area between no attack and the "
    "envelope: 1 for an attack that finds on every image the least distance of all (AttackBench's local "
    "optimality, Cinà et al. 2025). One ties with the one that leads where the 95 % interval of their "
    "difference over the images holds 0. Those that lead by the most distances stand first."
)

_COSTS = "Forward and backward passes of the model, over all budgets, per image that it had right."


def _led(found: Ranking) -> list[Cell]:
    best, *others = found.tied()
    rest = [place for place in found.order if place != best and place not in others]
    told = [_with_value(found, place) for place in others[:_NAMED]]
    further = [f"and {len(others) - _NAMED} more"] if len(others) > _NAMED else []
    return [
        Cell(found.metric.title),
        _named(found.names[best]),
        measured_cell(found.optimality[best]),
        Cell(f"{len(others)} of {len(found.names) - 1}" if others else "none", "\n".join([*told, *further])),
        _named(found.names[rest[0]], number(found.optimality[rest[0]].value)) if rest else Cell("none"),
    ]


def _untold(found: Ranking) -> list[Cell]:
    why = (
        "all that are fooled are so at one least distance"
        if found.fooled
        else f"none of {found.images} images is fooled"
    )
    return [Cell(found.metric.title), Cell("no one", why), *[Cell("–")] * 3]


def _with_value(found: Ranking, place: int) -> str:
    return f"{found.names[place]} ({number(found.optimality[place].value)})"


def _standing(place: int, tied: Sequence[int]) -> str:
    """Whether an attack leads, ties, or neither."""
    return "" if place not in tied else "leads" if place == tied[0] else "ties"


def _attack(name: str, cost: Cost, allowed: int | None) -> Cell:
    over = f"took up to {cost.most:,} passes" if allowed is not None and cost.most > allowed else ""
    return _named(name, over)


def _named(name: str, note: str = "") -> Cell:
    return Cell(name, note=note, series=name)


def _folded(rows: Sequence[Sequence[Cell]]) -> list[Group]:
    """The rows; of many, the first stay open."""
    if len(rows) <= _FOLDS_FROM:
        return [Group("", rows)]
    further = f"{len(rows) - _OPEN} further attacks"
    return [Group("", rows[:_OPEN]), Group(further, rows[_OPEN:], folded=True)]

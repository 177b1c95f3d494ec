"""The ranking of attacks over every distance as a document: sentences, curves, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import Measured, Ranking, caveats, distance_of, ranking, share
from limen.analysis.outcomes import align
from limen.document import Block, Cell, Chart, Charts, Group, Line, Notes, Table, number
from limen.evaluation.cells import measured_cell, share_cell
from limen.runs import Stored, metrics_of

_POINTS = 240
_DRAWN = 6
_NAMED = 3


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


def describe(stored: Stored) -> list[Block]:
    """Who leads by each metric in sentences, curves of robust accuracy, the optimality, and what it cost."""
    ranked, costs = ranked_of(stored), costs_of(stored)
    allowed = stored.identity.parameters["passes"]
    over = {
        name: cost.most for name, cost in costs.items() if isinstance(allowed, int) and cost.most > allowed
    }
    blocks: list[Block] = [Notes("Who leads", [sentence(each) for each in ranked])]
    drawn = [_chart(each) for each in ranked if np.isfinite(each.end) and each.end > 0]
    if drawn:
        blocks.append(Charts("Robust accuracy within a distance", _CURVES, drawn))
    blocks += [_optimality(ranked, over), _costs(costs, over)]
    told = [*_left_out(stored, ranked), *caveats(each.metric for each in ranked)]
    return [*blocks, Notes("What to know", told)] if told else blocks


_CURVES = (
    "The share of the images classified correctly that an attack does not fool within a distance. Dashed: "
    "the envelope, which has the least distance of any attack on each image. An axis ends where the envelope "
    f"has fooled all that any attack fools. The {_DRAWN} attacks of the highest optimality on it are drawn."
)

_OPTIMALITY = (
    "The area between no attack and an attack's curve, as a share of the area between no attack and the "
    "envelope: 1 for an attack that finds on every image the least distance of all (AttackBench's local "
    "optimality, Cinà et al. 2025). With 95 % intervals over the images. One ties with the one that leads "
    "where the interval of their difference holds 0."
)


def ranked_of(stored: Stored) -> list[Ranking]:
    """The ranking by each metric that any image has a distance by, over images that all attacks finished."""
    records, families = stored.records(), _families(stored)
    metrics = metrics_of(records)
    labels = [label for of_family in families.values() for label in of_family]
    _, found, _ = align(records, labels, ("fooled", *metrics))
    lattice = None if stored.identity.parameters["floats"] else 255
    rankings = []
    for key, metric in metrics.items():
        distances = distance_of(metric, found[key].astype(float))
        reached = np.where(found["fooled"].astype(bool) & np.isfinite(distances), distances, np.inf)
        rankings.append(ranking(_by_family(reached, families), metric, lattice=lattice))
    # A metric that takes no image this small has no value of any; of all of them one is kept, which says so.
    return [each for each in rankings if each.fooled] or rankings[:1]


def costs_of(stored: Stored) -> dict[str, Cost]:
    """What each attack took, over all its budgets."""
    records, costs = stored.records(), {}
    for name, labels in _families(stored).items():
        _, found, _ = align(records, labels, ("fooled", "passes", "seconds"))
        passes, fooled = found["passes"].sum(0), np.asarray(found["fooled"].astype(bool).any(0))
        if len(passes):
            seconds = float(found["seconds"].sum(0).mean())
            costs[name] = Cost(share(fooled), float(passes.mean()), int(passes.max()), seconds)
    return costs


def sentence(found: Ranking) -> str:
    """Who leads by a metric, and who cannot be told from it.

    Example:
        >>> from limen.analysis import ranking
        >>> from limen.runs import MetricColumn
        >>> made = {"near": np.array([1.0, 2.0, 4.0]), "far": np.array([4.0, 4.0, 4.0])}
        >>> sentence(ranking(made, MetricColumn("l2", "L₂"), draws=0))
        'L₂: near leads, with an optimality of 1; next is far (0).'
    """
    title = found.metric.title
    if not found.fooled:
        return f"{title}: no attack fools any of the {found.images} images."
    best, *others = found.tied()
    first = found.optimality[best]
    if np.isnan(first.value):
        return (
            f"{title}: all images that are fooled are so at one least distance, so that no area is to share."
        )
    ends = "" if np.isnan(first.low) else f" ({number(first.low)} to {number(first.high)})"
    said = f"{title}: {found.names[best]} leads, with an optimality of {number(first.value)}{ends}"
    if others:
        told = [f"{found.names[each]} ({number(found.optimality[each].value)})" for each in others[:_NAMED]]
        more = [f"{len(others) - _NAMED} more"] if len(others) > _NAMED else []
        said += f"; {_listed([*told, *more])} cannot be told from it over {found.images} images"
    elif len(found.names) > 1:
        second = found.order[1]
        said += f"; next is {found.names[second]} ({number(found.optimality[second].value)})"
    return f"{said}."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _families(stored: Stored) -> dict[str, list[str]]:
    """The labels that have records, under what they have in common but for their budget."""
    known = set(stored.records()["attack"].to_pylist())
    kept = {
        name: [label for label in labels if label in known]
        for name, labels in stored.run.manifest.families().items()
    }
    return {name: labels for name, labels in kept.items() if labels}


def _by_family(reached: np.ndarray, families: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """The least distance of each family, (N,), of distances (B, N) under each label in turn."""
    found, start = {}, 0
    for name, labels in families.items():
        found[name] = reached[start : start + len(labels)].min(0)
        start += len(labels)
    return found


def _chart(found: Ranking) -> Chart:
    metric = found.metric
    grid = np.linspace(0.0, found.end, _POINTS)
    shown = 1 - grid if metric.complement else grid
    axis = metric.plotted(shown).tolist()

    def line(name: str, distances: np.ndarray, series: str = "") -> Line:
        x, height = found.robust(distances)
        heights = height[np.searchsorted(x, grid, side="right") - 1]
        return Line(name, axis, heights.tolist(), steps=True, dashed=not series, series=series)

    lines = [line(name, found.distances[place], name) for name, place in _best(found)]
    envelope = line("envelope of all", found.least)
    ends = (float(axis[0]), float(axis[-1]))
    return Chart(metric.title, metric.axis, "robust accuracy", [*lines, envelope], ends, (0, 1), percent=True)


def _best(found: Ranking) -> Iterator[tuple[str, int]]:
    for place in found.order[:_DRAWN]:
        yield found.names[place], place


def _optimality(ranked: Sequence[Ranking], over: Mapping[str, int]) -> Table:
    tied = {each.metric.key: each.tied() for each in ranked}
    rows = []
    for place, name in enumerate(ranked[0].names):
        cells = []
        for each in ranked:
            first, *others = tied[each.metric.key]
            note = "leads" if place == first else "ties" if place in others else ""
            value = each.optimality[place]
            cells.append(measured_cell(value, note=note if np.isfinite(value.value) else ""))
        rows.append([_named(name, over), *cells])
    columns = ("Attack", *(each.metric.title for each in ranked))
    title = f"Optimality over {ranked[0].images} images"
    return Table(title, _OPTIMALITY, columns, [Group("", rows)])


def _named(name: str, over: Mapping[str, int]) -> Cell:
    return Cell(name, series=name, note=f"took up to {over[name]:,} passes" if name in over else "")


def _costs(costs: Mapping[str, Cost], over: Mapping[str, int]) -> Table:
    rows = [
        [
            _named(name, over),
            share_cell(cost.success),
            Cell(value=cost.passes, form="count"),
            Cell(value=cost.most, form="count"),
            Cell(value=cost.seconds),
        ]
        for name, cost in costs.items()
    ]
    return Table(
        "What it took",
        "Forward and backward passes of the model, over all budgets, per image that it had right.",
        ("Attack", "Fooled", "Passes, mean", "Passes, most", "Seconds per image"),
        [Group("", rows)],
    )


def _left_out(stored: Stored, ranked: Sequence[Ranking]) -> Iterator[str]:
    records = stored.records()
    begun = set(records["attack"].to_pylist())
    if missing := [label for label in stored.attacks if label not in begun]:
        yield f"Not begun, and left out: {', '.join(missing)}."
    images = len(set(records["id"].to_pylist()))
    if images > ranked[0].images:
        few = images - ranked[0].images
        yield f"{few} images that not all attacks have finished are left out."
    unfooled = ranked[0].images - ranked[0].fooled
    if unfooled:
        yield f"{unfooled} images are fooled by no attack; they lie beyond every axis, and count in no area."
    if stored.identity.parameters["floats"]:
        yield "Images count as the attacks had them in memory; a file of 8 bits holds others."

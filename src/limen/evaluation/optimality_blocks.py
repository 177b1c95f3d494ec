"""The ranking of attacks over every distance as a document: who leads, curves, and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from limen.analysis import Ranking, caveats, distance_of, ranking, share
from limen.analysis.outcomes import align
from limen.document import Block, Chart, Charts, Line, Notes
from limen.evaluation.optimality_tables import Cost, by_metric, costs_table, leaders, matrix
from limen.runs import Stored, metrics_of

_POINTS = 240
_DRAWN, _COLOURED = 6, 8


def describe(stored: Stored) -> list[Block]:
    """Who leads by each metric, curves of robust accuracy, the optimality by each, and what it cost."""
    ranked, costs = ranked_of(stored), costs_of(stored)
    allowed = stored.identity.parameters["passes"]
    most = allowed if isinstance(allowed, int) else None
    told = [each for each in ranked if each.is_told]
    blocks: list[Block] = [leaders(ranked)]
    if charts := [_chart(each) for each in told if each.end > 0]:
        blocks.append(Charts("Robust accuracy within a distance", _CURVES, charts))
    blocks += [by_metric(each, costs, most, explained=each is told[0]) for each in told]
    blocks += [matrix(ranked, costs, most), costs_table(costs, most)]
    notes = [*_left_out(stored, ranked), *caveats(each.metric for each in ranked)]
    return [*blocks, Notes("What to know", notes)] if notes else blocks


_CURVES = (
    "The share of the images classified correctly that an attack does not fool within a distance. Dashed: "
    "the envelope, which has the least distance of any attack on each image. An axis ends where the envelope "
    f"has fooled all that any attack fools. The {_DRAWN} attacks of the highest optimality on it are drawn."
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

    # Of many attacks each chart has colours of its own: there are not enough for all.
    named = len(found.names) <= _COLOURED

    def line(name: str, distances: np.ndarray, *, dashed: bool = False) -> Line:
        x, height = found.robust(distances)
        heights = height[np.searchsorted(x, grid, side="right") - 1]
        series = name if named and not dashed else ""
        return Line(name, axis, heights.tolist(), steps=True, dashed=dashed, series=series)

    lines = [line(found.names[place], found.distances[place]) for place in found.order[:_DRAWN]]
    envelope = line("envelope of all", found.least, dashed=True)
    ends = (float(axis[0]), float(axis[-1]))
    return Chart(metric.title, metric.axis, "robust accuracy", [*lines, envelope], ends, (0, 1), percent=True)


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
    crowded = [
        each.metric.title for each in ranked if each.is_told and 2 * len(each.tied()) > len(each.names)
    ]
    if crowded:
        yield (
            f"By {', '.join(crowded)}, more than half of the attacks cannot be told from the one that leads: "
            f"{ranked[0].images} images are few to rank {len(ranked[0].names)} attacks."
        )
    if stored.identity.parameters["floats"]:
        yield "Images count as the attacks had them in memory; a file of 8 bits holds others."

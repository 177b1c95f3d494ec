"""What a benchmark says: its page, which opens with who leads by each metric, and the same for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from limen.analysis import clean_warning
from limen.bench.plan import LeftOut, Plan, Planned
from limen.document import Block, Cell, Document, Group, Notes, Table, finite
from limen.evaluation import labels_of
from limen.evaluation.optimality_blocks import costs_of, ranked_of
from limen.runs import Stored

KIND = "benchmark of attacks"
"""What the JSON calls itself."""

FORMAT = 2
"""Version of the JSON; raised when a name in it changes."""

_PLAN = (
    "Passes are forward and backward passes of the model for one image, over all budgets and tries. Counts "
    "that a spec leaves open were chosen so that an attack uses the passes that are allowed, as counted on "
    "an image for the model and two stand-ins, of which one cannot be fooled; counts that a spec states are "
    "kept. Where a spec leaves a budget open, each image's least budget was searched in so many tries."
)


def described(stored: Mapping[str, Stored], passes: int, plan: Plan, failed: Sequence[LeftOut]) -> Document:
    """The page of a benchmark.

    Args:
        stored: The rankings: of images as files hold them, and of floats.
        passes: How many passes an image was allowed.
        plan: The attacks, and those that do not fit.
        failed: Attacks that failed on some image.
    """
    first = next(iter(stored.values()))
    manifest, records = first.run.manifest, first.records()
    settings = [
        ("Model", manifest.model.spec),
        *([("Defences", manifest.model.chain)] if manifest.model.defenses else []),
        ("Data", manifest.data.spec),
        ("Images", f"{len(set(records['id'].to_pylist()))} classified correctly, of {_count(first)}"),
        ("Passes", f"{passes:,} forward and backward passes per image at most"),
        ("Measured", "as stored in 8 bits" + (", and in floats" if len(stored) > 1 else "")),
        ("Seed", str(manifest.settings.seed)),
        ("Computed on", manifest.device),
        ("Made", f"with Limen {manifest.limen}"),
    ]
    warning = clean_warning(first.run)
    settings += [("Beware", warning)] if warning else []
    blocks: list[Block] = []
    for name, each in stored.items():
        blocks += _named(each.document().blocks, name if len(stored) > 1 else "")
    title = f"{len(costs_of(first))} attacks at {passes:,} passes"
    return Document(
        title, settings=settings, blocks=[*blocks, _plan(plan.planned), *_absent([*plan.left, *failed])]
    )


def summary(
    stored: Mapping[str, Stored], passes: int, plan: Plan, failed: Sequence[LeftOut]
) -> dict[str, Any]:
    """The same in numbers, for programs; arguments are those of `described`."""
    first = next(iter(stored.values()))
    manifest = first.run.manifest
    told = {
        **heading(passes, manifest.limen),
        "model": manifest.model.spec,
        "weights": manifest.model.weights,
        "defenses": manifest.model.chain,
        "data": manifest.data.spec,
        "seed": manifest.settings.seed,
        "axes": [axis for name, each in stored.items() for axis in _axes(name, each)],
        "attacks": [
            {"pixels": name, "name": attack, **asdict(cost)}
            for name, each in stored.items()
            for attack, cost in costs_of(each).items()
        ],
        "plan": [
            {**asdict(each.chosen), "asked": each.asked, "labels": labels_of([each.attack])}
            for each in plan.planned
        ],
        "left_out": [asdict(each) for each in plan.left],
        "failed": [asdict(each) for each in failed],
    }
    return finite(told)


def heading(passes: int, version: str) -> dict[str, Any]:
    """What the JSON begins with: what it is, and of which passes."""
    return {"kind": KIND, "format": FORMAT, "limen": version, "passes": passes}


def _axes(pixels: str, stored: Stored) -> Iterator[dict[str, Any]]:
    for found in ranked_of(stored):
        tied = found.tied() if found.is_told else ()
        yield {
            "pixels": pixels,
            "metric": found.metric.key,
            "title": found.metric.title,
            "images": found.images,
            "fooled": found.fooled,
            "end": found.end,
            "leads": found.names[tied[0]] if tied else None,
            "ties": [found.names[place] for place in tied[1:]],
            "attacks": [
                {
                    "name": found.names[place],
                    "optimality": asdict(found.optimality[place]),
                    "median": found.median(place),
                    "nearest": found.nearest(place),
                }
                for place in found.order
            ],
        }


def _count(stored: Stored) -> int:
    return len(stored.run.table()["id"].unique())


def _named(blocks: Sequence[Block], name: str) -> list[Block]:
    return [replace(block, title=f"{block.title}, {name}") if name else block for block in blocks]


def _plan(planned: Sequence[Planned]) -> Table:
    rows = [
        [
            Cell(each.asked),
            Cell(", ".join(f"{name} {count:,}" for name, count in each.chosen.counts.items()) or "as stated"),
            Cell(value=each.chosen.tries, form="count"),
            Cell(value=each.chosen.passes, form="count"),
        ]
        for each in planned
    ]
    columns = ("Asked", "Counts chosen", "Budgets tried", "Passes")
    return Table("How the passes are used", _PLAN, columns, [Group("", rows)])


def _absent(left: Sequence[LeftOut]) -> list[Block]:
    if not left:
        return []
    return [Notes("Attacks left out", [f"{each.asked}: {each.reason}" for each in left])]

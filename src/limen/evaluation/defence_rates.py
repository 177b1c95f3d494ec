"""Success behind defences, as a document: tables, curves, and what a reader must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import Measured, wilson
from limen.document import Block, Cell, Chart, Charts, Group, Line, Notes, Table
from limen.document.numbers import percent
from limen.runs import Stored

UNAWARE, ADAPTIVE = "unaware", "adaptive"
_MOST_COLUMNS = 7
_BROKEN, _HELD = 0.95, 0.5

Strengths = Mapping[float | None, Measured]
"""By a defence's strength, None where it has none, the share of images that an attack fools behind it."""


def describe(stored: Stored) -> list[Block]:
    """A table and a chart for each defence that is swept, a table for the others, and a verdict on each."""
    rates = _rates(stored.records())
    swept = {name: of for name, of in rates.items() if None not in next(iter(of.values()))}
    single = {name: of for name, of in rates.items() if name not in swept}
    parameters = dict(
        zip(*(stored.records()[name].to_pylist() for name in ("defense", "parameter")), strict=True)
    )
    tables = [_over_strengths(name, parameters[name], of) for name, of in swept.items()]
    blocks: list[Block] = [*tables]
    if single:
        blocks.append(_side_by_side(single))
    charts = [_chart(name, parameters[name], of) for name, of in swept.items()]
    if charts:
        caption = (
            "The share of images that fool the classifier behind the defence, of those that it has right "
            "there without an attack. Bands: 95 % Wilson intervals. Dashed: the attack knew of the defence."
        )
        blocks.append(Charts("Success over the strength of a defence", caption, charts))
    return [*blocks, Notes("What this says of the defences", [*_verdicts(rates, parameters)])]


def _rates(records: pa.Table) -> dict[str, dict[tuple[str, str], dict[float | None, Measured]]]:
    """By defence, then attack and mode, then strength: success on the images that are right behind it."""
    counted = records.filter(pc.field("clean_prediction") == pc.field("label"))
    keys = ["defense", "attack", "mode", "strength"]
    grouped = counted.group_by(keys, use_threads=False).aggregate([("success", "sum"), ("success", "count")])
    found: dict[tuple[object, ...], Measured] = {
        tuple(row[key] for key in keys): wilson(row["success_sum"], row["success_count"])
        for row in grouped.to_pylist()
    }
    rates: dict[str, dict[tuple[str, str], dict[float | None, Measured]]] = {}
    nothing = wilson(0, 0)
    for row in records.group_by(keys, use_threads=False).aggregate([]).to_pylist():
        of_attack = rates.setdefault(row["defense"], {}).setdefault((row["attack"], row["mode"]), {})
        of_attack[row["strength"]] = found.get(tuple(row[key] for key in keys), nothing)
    return rates


def _over_strengths(name: str, parameter: str, rates: Mapping[tuple[str, str], Strengths]) -> Table:
    strengths = _some([each for each in next(iter(rates.values())) if each is not None])
    rows = [
        [_attack(label, mode), *(_cell(of.get(strength)) for strength in strengths)]
        for (label, mode), of in rates.items()
    ]
    return Table(
        name,
        "Success behind the defence, on the images that the classifier has right there without an attack, "
        "with 95 % Wilson intervals.",
        ("Attack", *(f"{parameter} {strength:g}" for strength in strengths)),
        [Group("", rows)],
    )


def _side_by_side(rates: Mapping[str, Mapping[tuple[str, str], Strengths]]) -> Table:
    attacks = dict.fromkeys(each for of in rates.values() for each in of)
    rows = [
        [_attack(*attack), *(_cell(of.get(attack, {}).get(None)) for of in rates.values())]
        for attack in attacks
    ]
    return Table(
        "Defences of one strength",
        "Success behind each, on the images that the classifier has right there without an attack, with 95 % "
        "Wilson intervals.",
        ("Attack", *rates),
        [Group("", rows)],
    )


def _chart(name: str, parameter: str, rates: Mapping[tuple[str, str], Strengths]) -> Chart:
    lines = []
    for (label, mode), of in rates.items():
        known = sorted((x, each) for x, each in of.items() if x is not None)
        bands = ([getattr(each, end) for _, each in known] for end in ("value", "low", "high"))
        title = label if mode == UNAWARE else f"{label}, adaptive"
        lines.append(Line(title, [x for x, _ in known], *bands, series=label, dashed=mode == ADAPTIVE))
    return Chart(name, parameter, "fooled", lines, y_range=(0, 1), percent=True)


def _verdicts(
    rates: Mapping[str, Mapping[tuple[str, str], Strengths]], parameters: Mapping[str, str]
) -> Iterator[str]:
    """What an attack that knows of a defence makes of it where it holds one off that does not."""
    if not any(mode == ADAPTIVE for of in rates.values() for _, mode in of):
        yield (
            "The attacks did not know of the defences. What fails here says nothing of an attacker who does: "
            "adaptive=true attacks anew through each defence."
        )
    for name, of in rates.items():
        for (label, mode), aware in of.items():
            if mode == ADAPTIVE:
                yield from _verdict(name, parameters[name], label, of[label, UNAWARE], aware)


def _verdict(name: str, parameter: str, label: str, unaware: Strengths, aware: Strengths) -> Iterator[str]:
    held = [at for at, rate in unaware.items() if rate.value <= _HELD]
    if not held:
        return
    gained = {at: aware[at].value - unaware[at].value for at in held}
    worst = max(held, key=lambda at: gained[at])
    there = name if worst is None else f"{name} at {parameter} {worst:g}"
    verdict = "the defence is weakened" if gained[worst] > 0 else "to know of it did not help"
    if aware[worst].value >= _BROKEN:
        verdict = "the defence protects from nobody who knows of it"
    yield (
        f"{there}: {label} fools {percent(unaware[worst].value)} where it does not know of the defence, and "
        f"{percent(aware[worst].value)} where it does: {verdict}."
    )


def _some(strengths: Sequence[float]) -> list[float]:
    """So many as a table has room for, the first and the last among them."""
    if len(strengths) <= _MOST_COLUMNS:
        return list(strengths)
    step = (len(strengths) - 1) / (_MOST_COLUMNS - 1)
    return [strengths[round(place * step)] for place in range(_MOST_COLUMNS)]


def _attack(label: str, mode: str) -> Cell:
    return Cell(label, note="" if mode == UNAWARE else "knows of the defence", series=label)


def _cell(rate: Measured | None) -> Cell:
    if rate is None:
        return Cell()
    return Cell(value=rate.value, low=rate.low, high=rate.high, form="share")

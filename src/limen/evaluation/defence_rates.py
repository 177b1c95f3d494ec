"""Success behind defences, as a document: tables, curves, and what a reader must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from limen.analysis import sweeps
from limen.document import Block, Cell, Chart, Charts, Group, Line, Notes, Table
from limen.document.numbers import percent
from limen.evaluation.cells import bands, share_cell
from limen.evaluation.defence_success import ADAPTIVE, NO_ATTACK, UNAWARE, Rates, Strengths, rates_of
from limen.evaluation.defence_sweeps import over_attacks, some
from limen.runs import Stored

_BROKEN, _HELD = 0.95, 0.5


def describe(stored: Stored) -> list[Block]:
    """A table and a chart for each defence that is swept, a table for the others, and a verdict on each."""
    rates, counted = rates_of(stored), _counted(stored)
    swept = {name: of for name, of in rates.items() if None not in next(iter(of.values()))}
    single = {name: of for name, of in rates.items() if name not in swept}
    parameters = dict(
        zip(*(stored.records()[name].to_pylist() for name in ("defense", "parameter")), strict=True)
    )
    tables = [_over_strengths(name, parameters[name], of, counted) for name, of in swept.items()]
    blocks: list[Block] = [*tables]
    if single:
        blocks.append(_side_by_side(single, counted))
    charts = [_chart(name, parameters[name], of) for name, of in swept.items()]
    if charts:
        caption = (
            f"The share of images that fool the classifier behind the defence, {counted}. Bands: 95 % Wilson "
            "intervals."
        )
        if any(mode == ADAPTIVE for of in rates.values() for _, mode in of):
            caption += " Dashed: the attack knew of the defence."
        blocks.append(Charts("Success over the strength of a defence", caption, charts))
    blocks += over_attacks(sweeps(stored.run.manifest), rates, parameters)
    return [*blocks, Notes("What this says of the defences", [*_verdicts(rates, parameters)])]


def _counted(stored: Stored) -> str:
    """Of which images success is a share, in words."""
    if stored.identity.parameters["of"] != "right":
        return "of those that it has right there without an attack"
    alone = "" if stored.run.manifest.settings.targeted else f": see the line {NO_ATTACK}"
    return f"of those that it has right without defence and attack; some fall to the defence itself{alone}"


def _over_strengths(
    name: str, parameter: str, rates: Mapping[tuple[str, str], Strengths], counted: str
) -> Table:
    strengths = some([*next(iter(rates.values()))])
    rows = [
        [_attack(label, mode), *(share_cell(of.get(strength)) for strength in strengths)]
        for (label, mode), of in rates.items()
    ]
    return Table(
        name,
        f"The share of images that fool the classifier behind the defence, {counted}. With 95 % Wilson "
        "intervals.",
        ("Attack", *(f"{parameter} {strength:g}" for strength in strengths)),
        [Group("", rows)],
    )


def _side_by_side(rates: Rates, counted: str) -> Table:
    attacks = dict.fromkeys(each for of in rates.values() for each in of)
    rows = [
        [_attack(*attack), *(share_cell(of.get(attack, {}).get(None)) for of in rates.values())]
        for attack in attacks
    ]
    return Table(
        "Defences of one strength",
        f"The share of images that fool the classifier behind each, {counted}. With 95 % Wilson intervals.",
        ("Attack", *rates),
        [Group("", rows)],
    )


def _chart(name: str, parameter: str, rates: Mapping[tuple[str, str], Strengths]) -> Chart:
    lines = []
    for (label, mode), of in rates.items():
        strengths = sorted(strength for strength in of if strength is not None)
        heights = bands(of[strength] for strength in strengths)
        title = label if mode == UNAWARE else f"{label}, adaptive"
        lines.append(Line(title, strengths, *heights, series=_series(label), dashed=mode == ADAPTIVE))
    return Chart(name, parameter, "fooled", lines, y_range=(0, 1), percent=True)


def _verdicts(rates: Rates, parameters: Mapping[str, str]) -> Iterator[str]:
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


def _attack(label: str, mode: str) -> Cell:
    return Cell(label, note="" if mode == UNAWARE else "knows of the defence", series=_series(label))


def _series(label: str) -> str:
    """The attack whose colour a row or line has."""
    return "" if label == NO_ATTACK else label

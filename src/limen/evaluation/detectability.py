"""How detectable attacks are, as a document: tables, curves, and what a reader must know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from limen.analysis import Detection, Measured, Roc, mean_roc, over_repeats
from limen.analysis import detection as figures
from limen.analysis.detection import DETECTED, Scores
from limen.document import Block, Cell, Chart, Charts, Group, Line, Notes, Table
from limen.evaluation.cells import measured_cell, share_cell
from limen.runs import Stored

CLEAN: str | None = None
"""What stands for no attack: originals alone, half of which are called attacked."""

_NAME_OF_CLEAN = "clean against clean"
_FEW = 20
_GRID = np.linspace(0, 1, 101)

Shown = Mapping[tuple[str, str | None], Sequence[Scores]]
"""By the attack that a detector knows and the one that it is shown, the scores of each repeat."""


def describe(stored: Stored) -> list[Block]:
    """Each attack against its own detector in a table and as curves, and every detector on every attack."""
    shown, pairs = _scores(stored)
    own = {label: shown.get((label, label), []) for label in stored.attacks}
    clean = [each for (_, attack), scores in shown.items() if attack is CLEAN for each in scores]
    blocks: list[Block] = [_table(own, clean, pairs), _curves(own, clean)]
    if len(stored.attacks) > 1:
        blocks.append(_matrix(stored.attacks, shown))
    notes = _notes(own, pairs)
    return [*blocks, Notes("How sure this is", notes)] if notes else blocks


def _scores(stored: Stored) -> tuple[Shown, dict[str, int]]:
    """The scores, and how many pairs of each attack were tested."""
    columns = stored.records().select(["attack", "shown", "repeat", "original", "attacked", "id"])
    found: dict[tuple[str, str | None], dict[int, tuple[list[float], list[float]]]] = defaultdict(dict)
    tested: dict[str, set[str]] = {label: set() for label in stored.attacks}
    for row in columns.to_pylist():
        both = found[row["attack"], row["shown"]].setdefault(row["repeat"], ([], []))
        for scores, name in zip(both, ("original", "attacked"), strict=True):
            if row[name] is not None:
                scores.append(row[name])
        if row["shown"] == row["attack"]:
            tested[row["attack"]].add(row["id"])
    scores = {
        key: [(np.array(clean), np.array(attacked)) for _, (clean, attacked) in sorted(repeats.items())]
        for key, repeats in found.items()
    }
    return scores, {label: len(ids) for label, ids in tested.items()}


def _table(own: Mapping[str, Sequence[Scores]], clean: Sequence[Scores], pairs: Mapping[str, int]) -> Table:
    rows = [_figures(Cell(label, series=label), pairs[label], scores) for label, scores in own.items()]
    half = max((len(attacked) for _, attacked in clean), default=0)
    rows.append(_figures(Cell(_NAME_OF_CLEAN), 2 * half, clean))
    return Table(
        "Detection of each attack by a detector that knows it",
        "Means over repeated splits of the photographs into halves, one to train on and one to test on. The "
        "detection rate is the balanced accuracy, 50 % for a guess. The best threshold is the best for the "
        "tested images themselves, so that a guess, too, comes out above 50 %. "
        f"{_NAME_OF_CLEAN.capitalize()}: detectors of no attack, for which half of the originals are called "
        "attacked. With 95 % intervals over photographs and splits, widened as the splits share photographs "
        "(Nadeau and Bengio 2003); none where all repeats agree.",
        (
            "Attack",
            "Pairs",
            "Detection rate",
            "At the best threshold",
            "AUC",
            f"False alarms at {100 * DETECTED:.0f} % detected",
        ),
        [Group("", rows)],
    )


def _figures(name: Cell, pairs: int, scores: Sequence[Scores]) -> list[Cell]:
    found: Detection = figures(scores)
    return [
        name,
        Cell(value=pairs, form="count"),
        share_cell(found.accuracy),
        share_cell(found.best_accuracy),
        measured_cell(found.area),
        share_cell(found.false_alarms),
    ]


def _curves(own: Mapping[str, Sequence[Scores]], clean: Sequence[Scores]) -> Charts:
    lines = [_line(label, scores, label) for label, scores in own.items() if scores]
    if clean:
        lines.append(_line(_NAME_OF_CLEAN, clean, "", dashed=True))
    chart = Chart(
        "ROC",
        "false alarms: originals called attacked",
        "attacked images detected",
        lines,
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        percent=True,
    )
    return Charts(
        "Detections against false alarms",
        "Means over the splits at each rate of false alarms, with bands of 95 % intervals as in the table. A "
        "guess lies on the diagonal.",
        [chart],
    )


def _line(name: str, scores: Sequence[Scores], series: str, *, dashed: bool = False) -> Line:
    mean, low, high = (each.tolist() for each in mean_roc(scores, _GRID))
    return Line(name, _GRID.tolist(), mean, low, high, dashed=dashed, series=series)


def _matrix(labels: Sequence[str], shown: Shown) -> Table:
    rows = []
    for label in labels:
        rates = [_rate(shown.get((label, each), [])) for each in labels]
        rows.append([Cell(label, series=label), *map(share_cell, rates)])
    return Table(
        "Detectors shown other attacks",
        "A row per detector, by the attack that it was trained on, and a column per attack that it is shown. "
        "Detection rates at the detector's own threshold, on photographs that it was not trained on, with "
        "intervals as above.",
        ("Trained on", *labels),
        [Group("", rows)],
    )


def _rate(scores: Sequence[Scores]) -> Measured:
    return over_repeats([Roc(*each).accuracy() for each in scores])


def _notes(own: Mapping[str, Sequence[Scores]], pairs: Mapping[str, int]) -> list[str]:
    few = [f"{label} ({count})" for label, count in pairs.items() if own[label] and count < _FEW]
    none = [label for label, scores in own.items() if not scores]
    notes = []
    if few:
        notes.append(
            f"Under {_FEW} pairs, so that the figures mean little: {', '.join(few)}. Attack more images."
        )
    if none:
        notes.append(f"Too few pairs to train a detector and to test it: {', '.join(none)}.")
    return notes

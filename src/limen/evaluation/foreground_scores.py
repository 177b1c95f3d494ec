"""Foreground scores before and after attacks, from the records of the evaluation `foreground`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from limen.analysis import Sweep, estimate_means, share, sweeps
from limen.document import Block, Cell, Chart, Charts, Group, Line, Pictures, Table, number
from limen.evaluation.cells import bands, measured_cell, share_cell
from limen.evaluation.fooled import picture_rows
from limen.runs import Stored
from limen.spec import value_text


@dataclass(frozen=True, eq=False)
class Scores:
    """What an attack did to the foreground score of N images that the model classified correctly.

    Attributes:
        ids: The images, (N,).
        fooled: Which of them the attack fooled, (N,) bool.
        divided: Which of them have a foreground that is neither empty nor all of the image, (N,) bool.
        before: The score of the originals, in [0, 1], (N,).
        after: The score of what the attack stored, (N,).
        peaks: The greatest density of the originals, in multiples of an even one, (N,).
    """

    ids: tuple[str, ...]
    fooled: np.ndarray
    divided: np.ndarray
    before: np.ndarray
    after: np.ndarray
    peaks: np.ndarray


def scores_of(stored: Stored) -> dict[str, Scores]:
    """The records of this evaluation, attack by attack."""
    records, found = stored.records(), {}
    for label in stored.attacks:
        rows = records.filter(pc.field("attack") == label)
        columns = {
            name: rows[name].to_numpy() for name in ("fooled", "empty", "full", "before", "after", "peak")
        }
        divided = ~(columns["empty"] | columns["full"])
        scores = (columns["before"], columns["after"], columns["peak"])
        found[label] = Scores(tuple(rows["id"].to_pylist()), columns["fooled"], divided, *scores)
    return found


def describe(stored: Stored) -> list[Block]:
    """How large foregrounds are, their scores before and after, the trade over sweeps, and pictures."""
    scores = scores_of(stored)
    return [_foregrounds(stored), _table(scores), *_charts(stored, scores), *_pictures(stored, scores)]


def _foregrounds(stored: Stored) -> Table:
    rows = stored.records().select(["id", "share", "empty", "full"]).to_pylist()
    images = {row["id"]: row for row in rows}.values()
    (size,) = estimate_means(np.array([[row["share"]] for row in images]))
    cells = [
        Cell(value_text(stored.identity.parameters["mask"])),
        Cell(value=len(images), form="count"),
        share_cell(size),
        *(Cell(value=sum(row[name] for row in images), form="count") for name in ("empty", "full")),
    ]
    return Table(
        "The foregrounds",
        "How much of the image is foreground, on average over the originals that the model classified "
        "correctly, with a 95 % interval, and how many foregrounds are empty or all of the image.",
        ("Foreground", "Images", "Share of the image", "Empty", "Full"),
        [Group("", [cells])],
    )


def _table(scores: Mapping[str, Scores]) -> Table:
    return Table(
        "The foreground score",
        "The share of the predicted gaze that falls on the foreground of the original, before the attack and "
        "after it: means over the images that were fooled, and over all that were classified correctly, with "
        "95 % intervals. What an attack did not fool is stored as it was. Where the foreground is "
        "empty or all of the image, the score is 0 or 1 whatever is shown; such images are left out.",
        ("Attack", "Fooled", "Before", "After", "Change", "All", "Before, all", "After, all"),
        [Group("", [_row(label, each) for label, each in scores.items()])],
    )


def _row(label: str, scores: Scores) -> list[Cell]:
    of_fooled = _means(scores, scores.fooled)
    of_all = _means(scores, np.ones_like(scores.fooled))[:-1]
    return [Cell(label, series=label), *of_fooled, *of_all]


def _means(scores: Scores, counted: np.ndarray) -> list[Cell]:
    """How many of the images counted there are, and means of before, after and the change."""
    kept, undivided = counted & scores.divided, int((counted & ~scores.divided).sum())
    before, after = scores.before[kept], scores.after[kept]
    means = estimate_means(np.stack([before, after, after - before], 1))
    note = f"{undivided} left out" if undivided else ""
    return [
        Cell(value=int(kept.sum()), form="count", note=note),
        *map(measured_cell, means),
    ]


def _charts(stored: Stored, scores: Mapping[str, Scores]) -> Iterator[Charts]:
    about = (
        "The mean foreground score of the images that the attack fools under every value, dashed that of "
        "their originals; and the share of the correctly classified images that it fools. Bands: 95 % "
        "intervals."
    )
    for sweep in sweeps(stored.run.manifest):
        if set(sweep.labels) <= scores.keys():
            charts = [*_trade(sweep, [scores[label] for label in sweep.labels])]
            if charts:
                yield Charts(f"Over {sweep.parameter}: {sweep.name}", about, charts)
                about = ""  # said once


def _trade(sweep: Sweep, scores: Sequence[Scores]) -> Iterator[Chart]:
    """The score, where some image is fooled under every value, and the success."""
    before, after, fooled, divided = _aligned(scores)
    kept, series, log_x = fooled.all(0) & divided.all(0), sweep.labels[0], sweep.wide
    if kept.any():
        heights = bands(estimate_means(after[:, kept].T))
        known = before[:, kept].mean(1).tolist()
        lines = [
            Line(f"after the attack, {kept.sum()} images", sweep.values, *heights, series=series),
            Line("their originals", sweep.values, known, dashed=True, series=series),
        ]
        yield Chart("Foreground score", sweep.parameter, "foreground score", lines, log_x=log_x)
    count = fooled.shape[1]
    if count:
        line = Line(f"of {count} images", sweep.values, *bands(map(share, fooled)), series=series)
        yield Chart("Success", sweep.parameter, "fooled", [line], y_range=(0, 1), log_x=log_x, percent=True)


def _aligned(scores: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Before, after, fooled and divided (B, N) of the images that all of them have."""
    known = [{image_id: place for place, image_id in enumerate(each.ids)} for each in scores]
    shared = sorted(set.intersection(*map(set, known)))
    places = [[of[image_id] for image_id in shared] for of in known]

    def rows(name: str) -> np.ndarray:
        return np.stack([getattr(each, name)[at] for each, at in zip(scores, places, strict=True)])

    return rows("before"), rows("after"), rows("fooled"), rows("divided")


def _pictures(stored: Stored, scores: Mapping[str, Scores]) -> Iterator[Pictures]:
    places = {label: {each.ids[i]: i for i in each.fooled.nonzero()[0]} for label, each in scores.items()}

    def note(label: str, image_id: str) -> str:
        each, place = scores[label], places[label][image_id]
        return " → ".join(number(float(of[place])) for of in (each.before, each.after))

    def top(image_id: str) -> float:
        return next(scores[label].peaks[of[image_id]] for label, of in places.items() if image_id in of)

    scale = "predicted gaze, in multiples of an even one"
    rows = picture_rows(stored, places, "original", note=note, scale=scale, top=top)
    if rows:
        yield Pictures(
            "Where people look",
            "Left, from top to bottom: the original, its foreground with the background in the dark, and "
            "where people are predicted to look. Then for each attack: what it stored, its change around "
            "mid-grey, magnified equally for all attacks on an image, and where people are predicted to look "
            "then; below, the score before and after. The cyan line surrounds the foreground.",
            rows,
        )

"""The gallery: each image once, and what each attack made of it, in pictures and words."""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from markupsafe import Markup

from limen import pictures
from limen.report import choice
from limen.report.series import Series
from limen.report.shelf import Shelf
from limen.runs import MetricColumn
from limen.safety import read_bytes, resolved

PIXELS = 32_000_000
"""Most pixels inside a page, over all pictures: as base64 PNG even noise stays near 4 bytes each."""

_SAMPLED = 32
_THREADS = 4

T = TypeVar("T")


@dataclass(frozen=True)
class Tile:
    """One image under one attack.

    Attributes:
        series: Position of the attack among all attacks of the page.
        state: "fooled", "failed", or "wrong" where the model erred before any attack.
        target: Name of the class aimed at, empty if untargeted.
        before: Name of the class predicted on the original.
        before_confidence: Its confidence in [0, 1].
        after: Name of the class predicted on the stored adversarial image.
        after_confidence: Its confidence in [0, 1].
        distances: Value of each metric, None where there is none.
        order: The same, as numbers that grow with distortion.
        adversarial: Where the page finds the stored adversarial image, None if missing; see `Shelf.place`.
        difference: Likewise the magnified difference, None if either picture is missing.
        lost: Likewise the map of 1 - SSIM, None if missing or the image is under 11 pixels.
        photograph: The file of the photograph that fools the model in its own size, None if there is none.
    """

    series: int
    state: str
    target: str
    before: str
    before_confidence: float
    after: str
    after_confidence: float
    distances: dict[str, float | None]
    order: dict[str, float | None]
    adversarial: Markup | None
    difference: Markup | None
    lost: Markup | None
    photograph: Path | None


@dataclass(frozen=True)
class Row:
    """One image, and what the attacks made of it.

    Attributes:
        id: The image's id in the data set.
        state: The worst that became of it: "fooled", "failed" or "wrong".
        label: Name of its class.
        shape: Height and width in pixels, None if no picture of it can be read.
        original: Where the page finds the original, None if missing; see `Shelf.place`.
        tiles: A tile for each attack that is done with the image, in their order.
    """

    id: str
    state: str
    label: str
    shape: tuple[int, int] | None
    original: Markup | None
    tiles: tuple[Tile, ...]

    @property
    def fooled(self) -> int:
        """How many attacks fooled a model that was right before."""
        return sum(tile.state == "fooled" for tile in self.tiles)


@dataclass(frozen=True)
class Gallery:
    """The rows and what they have in common.

    Attributes:
        rows: One for each shown image, the worst first.
        total: How many images have records.
        limited: Whether the limit of pixels, not the number asked for, set how many are shown.
        factor: What every difference is multiplied by.
        top: The value of 1 - SSIM that every map draws brightest.
    """

    rows: tuple[Row, ...]
    total: int
    limited: bool
    factor: int
    top: float


@dataclass(frozen=True)
class _Record:
    """One record to show: an attack, its number, the place in its columns, and what became of the image."""

    series: Series
    number: int
    place: int
    state: str

    @property
    def id(self) -> str:
        """The image's id."""
        return str(self.series.columns["id"][self.place])

    def compared(self) -> _Compared:
        """The two images as they can be read, and how they differ."""
        run = self.series.run
        before, after = choice.read(run.original, self.id), choice.read(run.image, self.series.label, self.id)
        if before is None or after is None or before.shape != after.shape:
            return _Compared(before, after)
        return _Compared(
            before, after, pictures.difference(before, after), pictures.lost_structure(before, after)
        )


class _Compared(NamedTuple):
    """Of one record the original and the adversarial image, the difference and the map of 1 - SSIM.

    None is what cannot be read or made.
    """

    before: np.ndarray | None
    after: np.ndarray | None
    change: np.ndarray | None = None
    lost: np.ndarray | None = None


_Known = dict[tuple[int, str], _Compared]
"""What has been compared already, by the attack's number and the image's id; taken out by whoever uses it."""


def gallery(
    series: Sequence[Series],
    metrics: Sequence[MetricColumn],
    count: int,
    shelf: Shelf,
    limit: int | None = PIXELS,
) -> Gallery:
    """Choose images, and make a row for each of them.

    Args:
        series: All attacks of the page.
        metrics: The metrics that a tile states.
        count: How many images to show at most.
        shelf: Takes the pictures.
        limit: How many pixels all pictures may have together, None for any number; one image is shown
            whatever its size.
    """
    ranked = choice.ranked(series)
    fits = len(ranked) if limit is None else choice.affordable(series, limit)
    records: dict[choice.Key, list[_Record]] = {key: [] for key in ranked[: min(count, fits)]}
    for number, one in enumerate(series):
        for place, (key, state) in enumerate(zip(choice.keys(one), choice.states(one), strict=True)):
            if key in records:
                records[key].append(_Record(one, number, place, state))
    shown = [each for of_image in records.values() for each in of_image]
    known = _sample(shown)
    factor = pictures.common_factor([each.change for each in known.values() if each.change is not None])
    top = pictures.common_top([each.lost for each in known.values() if each.lost is not None])
    drawn = _in_threads(functools.partial(_drawn, known=known, factor=factor, top=top), shown)
    return Gallery(
        rows=tuple(_row(of_image, metrics, shelf, drawn) for of_image in records.values()),
        total=len(ranked),
        limited=fits < min(count, len(ranked)),
        factor=factor,
        top=top,
    )


def _sample(records: Sequence[_Record]) -> _Known:
    """An even choice of pictures, by which the others are magnified and coloured."""
    chosen = records[:: max(1, math.ceil(len(records) / _SAMPLED))]
    compared = _in_threads(_Record.compared, chosen)
    return {(record.number, record.id): each for record, each in zip(chosen, compared, strict=True)}


def _in_threads(work: Callable[[_Record], T], records: Sequence[_Record]) -> Iterator[T]:
    """What is made of each record, in their order, only a few at once: decoders and filters share cores."""
    with ThreadPoolExecutor(_THREADS) as threads:
        coming: deque[Future[T]] = deque()
        for record in records:
            coming.append(threads.submit(work, record))
            if len(coming) > 2 * _THREADS:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


class _Drawn(NamedTuple):
    """The pictures of a record as PNGs, None where one cannot be made, and the size of its image."""

    original: bytes | None
    adversarial: bytes | None
    difference: bytes | None
    lost: bytes | None
    shape: tuple[int, int] | None


def _drawn(record: _Record, known: _Known, factor: int, top: float) -> _Drawn:
    run = record.series.run
    inside = resolved(run.directory)
    before, after, change, lost = known.pop((record.number, record.id), None) or record.compared()
    seen = before if before is not None else after
    return _Drawn(
        None if before is None else read_bytes(run.original_path(record.id), inside),
        None if after is None else read_bytes(run.image_path(record.series.label, record.id), inside),
        None if change is None else pictures.to_png(pictures.magnified(change, factor)),
        None if lost is None else pictures.to_png(pictures.coloured(lost, top)),
        None if seen is None else (seen.shape[0], seen.shape[1]),
    )


def _row(
    records: Sequence[_Record], metrics: Sequence[MetricColumn], shelf: Shelf, drawn: Iterator[_Drawn]
) -> Row:
    """The row of an image, given the pictures of its records, which come next."""
    original, shape, tiles = None, None, []
    for record in records:
        pictured = next(drawn)
        # Runs over the same photographs share their originals; where one is missing, another's serves.
        if pictured.original is not None and original is None:
            original = shelf.place(pictured.original)
        shape = shape or pictured.shape
        placed = [None if each is None else shelf.place(each) for each in pictured[1:4]]
        tiles.append(_tile(record, metrics, placed))
    first = records[0]
    return Row(
        id=first.id,
        state=min((tile.state for tile in tiles), key=choice.STATES.index),
        label=first.series.class_name(first.series.columns["label"][first.place]),
        shape=shape,
        original=original,
        tiles=tuple(tiles),
    )


def _tile(record: _Record, metrics: Sequence[MetricColumn], placed: Sequence[Markup | None]) -> Tile:
    one = record.series
    values = {key: column[record.place] for key, column in one.columns.items()}
    measured = {m.key: float(values.get(m.key, np.nan)) for m in metrics}
    adversarial, difference, lost = placed
    photograph = one.run.photograph_path(one.label, record.id)
    return Tile(
        series=record.number,
        state=record.state,
        target=one.class_name(values["target"]),
        before=one.class_name(values["clean_prediction"]),
        before_confidence=float(values["clean_confidence"]),
        after=one.class_name(values["prediction"]),
        after_confidence=float(values["confidence"]),
        distances={key: None if np.isnan(value) else value for key, value in measured.items()},
        order={m.key: _order(m, measured[m.key]) for m in metrics},
        adversarial=adversarial,
        difference=difference,
        lost=lost,
        photograph=photograph if photograph.is_file() else None,
    )


def _order(metric: MetricColumn, value: float) -> float | None:
    # JSON and HTML have no infinity; a PSNR of equal images only has to sort before all others.
    return None if np.isnan(value) else float(np.clip(metric.distortion(np.array(value)), -1e12, 1e12))

"""The gallery: the pictures and words of each image under each attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limen import pictures
from limen.report import choice
from limen.report.series import Series
from limen.runs import MetricColumn

PIXELS = 32_000_000
"""Most pixels on a page, over all pictures: as base64 PNG even noise stays near 4 bytes each."""


@dataclass(frozen=True)
class Tile:
    """One image under one attack.

    Attributes:
        series: Position of the attack among all attacks of the page.
        image: Position of the image among the shown ones.
        id: The image's id in the data set.
        state: "fooled", "failed", or "wrong" where the model erred before any attack.
        label: Name of the true class.
        target: Name of the class aimed at, empty if untargeted.
        before: Name of the class predicted on the original.
        before_confidence: Its confidence in [0, 1].
        after: Name of the class predicted on the stored adversarial image.
        after_confidence: Its confidence in [0, 1].
        distances: Value of each metric, None where there is none.
        order: The same, as numbers that grow with distortion.
        shape: Height and width in pixels, None if both pictures are missing.
        original: Position of the original among the gallery's originals, None if missing.
        adversarial: The stored adversarial image as a data URL, None if missing.
        difference: The magnified difference as a data URL, None if either picture is missing.
        lost: The map of 1 - SSIM as a data URL, None if missing or the image is under 11 pixels.
    """

    series: int
    image: int
    id: str
    state: str
    label: str
    target: str
    before: str
    before_confidence: float
    after: str
    after_confidence: float
    distances: dict[str, float | None]
    order: dict[str, float | None]
    shape: tuple[int, int] | None
    original: int | None
    adversarial: str | None
    difference: str | None
    lost: str | None


@dataclass(frozen=True)
class Gallery:
    """The tiles and what they have in common.

    Attributes:
        tiles: One for each shown image and attack, by image and then by attack.
        originals: The originals as data URLs, each once however many attacks show it.
        shown: How many images are shown.
        total: How many images have records.
        limited: Whether the limit of pixels, not the number asked for, set how many are shown.
        factor: What every difference is multiplied by.
        top: The value of 1 - SSIM that every map draws brightest.
    """

    tiles: tuple[Tile, ...]
    originals: tuple[str, ...]
    shown: int
    total: int
    limited: bool
    factor: int
    top: float


@dataclass(frozen=True)
class _Picture:
    """A stored picture, and the very file as a data URL."""

    pixels: np.ndarray
    url: str


@dataclass(frozen=True)
class _Entry:
    """One record to show, with its pictures."""

    series: Series
    number: int
    row: int
    image: int
    original: _Picture | None
    adversarial: _Picture | None
    change: np.ndarray | None
    lost: np.ndarray | None


def gallery(
    series: Sequence[Series], metrics: Sequence[MetricColumn], count: int, limit: int = PIXELS
) -> Gallery:
    """Choose images, and make a tile for each of them under every attack.

    Args:
        series: All attacks of the page.
        metrics: The metrics that a tile states.
        count: How many images to show at most.
        limit: How many pixels all pictures may have together; one image is shown whatever its size.
    """
    distortions = choice.distortions(series)
    fits = choice.affordable(series, limit)
    chosen = choice.spread(distortions, min(count, fits))
    entries = _entries(series, chosen)
    factor = pictures.common_factor([entry.change for entry in entries if entry.change is not None])
    top = pictures.common_top([entry.lost for entry in entries if entry.lost is not None])
    # Runs over the same photographs share their originals: equal files are held once.
    originals: dict[str, int] = {}
    for entry in entries:
        if entry.original is not None:
            originals.setdefault(entry.original.url, len(originals))
    return Gallery(
        tiles=tuple(_tile(entry, metrics, originals, factor, top) for entry in entries),
        originals=tuple(originals),
        shown=len(chosen),
        total=len(distortions),
        limited=fits < min(count, len(distortions)),
        factor=factor,
        top=top,
    )


def _entries(series: Sequence[Series], chosen: Sequence[choice.Key]) -> list[_Entry]:
    places = {key: place for place, key in enumerate(chosen)}
    originals: dict[tuple[str, str], _Picture | None] = {}
    entries = []
    for number, one in enumerate(series):
        for row, key in enumerate(choice.keys(one)):
            if key not in places:
                continue
            if (one.name, key[1]) not in originals:
                originals[one.name, key[1]] = _picture(one.run.original_path, one.run.original, key[1])
            original = originals[one.name, key[1]]
            adversarial = _picture(one.run.image_path, one.run.image, one.label, key[1])
            change = lost = None
            if original and adversarial and original.pixels.shape == adversarial.pixels.shape:
                change = pictures.difference(original.pixels, adversarial.pixels)
                lost = pictures.lost_structure(original.pixels, adversarial.pixels)
            entries.append(_Entry(one, number, row, places[key], original, adversarial, change, lost))
    return sorted(entries, key=lambda entry: (entry.image, entry.number))


def _picture(path: Callable[..., Path], pixels: Callable[..., np.ndarray], *key: str) -> _Picture | None:
    found = choice.read(pixels, *key)
    return None if found is None else _Picture(found, pictures.data_url(path(*key).read_bytes()))


def _tile(
    entry: _Entry, metrics: Sequence[MetricColumn], originals: dict[str, int], factor: int, top: float
) -> Tile:
    one = entry.series
    values = {key: column[entry.row] for key, column in one.columns.items()}
    measured = {m.key: float(values.get(m.key, np.nan)) for m in metrics}
    picture = entry.original or entry.adversarial
    state = "fooled" if one.success[entry.row] else "failed"
    return Tile(
        series=entry.number,
        image=entry.image,
        id=str(values["id"]),
        state=state if one.correct[entry.row] else "wrong",
        label=one.class_name(values["label"]),
        target=one.class_name(values["target"]),
        before=one.class_name(values["clean_prediction"]),
        before_confidence=float(values["clean_confidence"]),
        after=one.class_name(values["prediction"]),
        after_confidence=float(values["confidence"]),
        distances={key: None if np.isnan(value) else value for key, value in measured.items()},
        order={m.key: _order(m, measured[m.key]) for m in metrics},
        shape=None if picture is None else (picture.pixels.shape[0], picture.pixels.shape[1]),
        original=None if entry.original is None else originals[entry.original.url],
        adversarial=None if entry.adversarial is None else entry.adversarial.url,
        difference=None
        if entry.change is None
        else pictures.data_url(pictures.magnified(entry.change, factor)),
        lost=None if entry.lost is None else pictures.data_url(pictures.coloured(entry.lost, top)),
    )


def _order(metric: MetricColumn, value: float) -> float | None:
    # JSON and HTML have no infinity; a PSNR of equal images only has to sort before all others.
    return None if np.isnan(value) else float(np.clip(metric.distortion(np.array(value)), -1e12, 1e12))

"""The section on magnification: original and adversarial images with what is faint in them made strong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from limen import pictures
from limen.report import choice
from limen.report.gallery import PIXELS
from limen.report.series import Series
from limen.runs import Magnification, Run, magnified_path, read_magnification
from limen.runs.files import decode_png

STATED = ("l2", "ssim", "mad")
"""The distances that stand under each picture, where there are any."""


@dataclass(frozen=True)
class Panel:
    """What an attack made of an image, magnified.

    Attributes:
        series: Position of the attack among all attacks of the page.
        fooled: Whether it fooled the model; a picture is made only then.
        url: The picture as a data URL, None if it is missing.
        distances: Title and value of each of `STATED` that the records hold.
    """

    series: int
    fooled: bool
    url: str | None
    distances: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """One image: its original and what each attack made of it, magnified on one scale.

    Attributes:
        id: The image's id in the data set.
        shape: Height and width in pixels.
        url: The original as a data URL, None if it is missing.
        panels: One an attack.
    """

    id: str
    shape: tuple[int, int]
    url: str | None
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Magnified:
    """A run's pictures: the run's name on the page, how they were made, and a row an image."""

    run: str
    settings: Magnification
    rows: tuple[Row, ...]


def magnified(runs: Mapping[str, Run], series: Sequence[Series], count: int) -> tuple[Magnified, ...]:
    """What the page shows magnified of each run that has such pictures.

    Args:
        runs: Each run under its name on the page.
        series: All attacks of the page.
        count: How many images to show at most, of each run.

    Raises:
        RunError: If the list of a run's pictures cannot be read.
    """
    found = {name: read_magnification(run) for name, run in runs.items()}
    return tuple(
        Magnified(name, settings, _rows(runs[name], settings, name, series, count))
        for name, settings in found.items()
        if settings is not None and settings.pictured
    )


def _rows(
    run: Run, settings: Magnification, name: str, series: Sequence[Series], count: int
) -> tuple[Row, ...]:
    places = [place for place, one in enumerate(series) if one.name == name and one.label in settings.attacks]
    fits = choice.affordable([series[place] for place in places], PIXELS)
    rows = []
    for image_id, fooled in list(settings.pictured.items())[: min(count, fits)]:
        shape, url = _picture(magnified_path(run, image_id, None))
        panels = []
        for place in places:
            one = series[place]
            picture = magnified_path(run, image_id, one.label)
            of_attack = _picture(picture)[1] if one.label in fooled else None
            panels.append(Panel(place, one.label in fooled, of_attack, _distances(one, image_id)))
        rows.append(Row(image_id, shape, url, tuple(panels)))
    return tuple(rows)


def _picture(path: Path) -> tuple[tuple[int, int], str | None]:
    pixels = choice.read(partial(decode_png, path))
    if pixels is None:
        return (1, 1), None
    return (pixels.shape[0], pixels.shape[1]), pictures.data_url(path.read_bytes())


def _distances(series: Series, image_id: str) -> tuple[tuple[str, str], ...]:
    (rows,) = np.nonzero(series.columns["id"] == image_id)
    return tuple(
        (metric.title, metric.shown(float(series.columns[metric.key][rows[0]])))
        for metric in series.run.manifest.metrics
        if metric.key in STATED and rows.size and not np.isnan(series.columns[metric.key][rows[0]])
    )

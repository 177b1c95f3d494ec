"""Magnified pictures inside a run directory, and the file that says how they were made.

    DIR/evaluation/magnification.json               settings, and which pictures belong together
    DIR/evaluation/magnified/original/ID.png        originals, magnified
    DIR/evaluation/magnified/ATTACK/ID.png          what the attack made of them, magnified

The pictures of an image share one scale, so they belong to one evaluation: the file of an older one goes
before its pictures are overwritten, and the new one comes last.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from limen.errors import UsageError
from limen.runs.evaluations import FOLDER, check_attacks, check_format, decode_settings, write_evaluation
from limen.runs.files import RunError, writing
from limen.runs.names import ORIGINAL, image_name
from limen.runs.reader import Run

FILE = "magnification.json"
FORMAT = 1
"""Version of the file; raised when an older Limen could no longer read it."""


@dataclass(frozen=True)
class Magnification:
    """How pictures of a run were magnified, and of which images.

    Attributes:
        beta: The share of the local standard deviation in what is divided by.
        domain: Standard deviation of the bilateral filter's domain kernel, in pixels.
        range: Standard deviation of its range kernel, a distance of colours in [0, 1].
        radius: Half its window, in pixels.
        attacks: Labels of the attacks that were looked at.
        pictured: By the image's id, in the order to show them, those of the attacks that fooled the model
            on it. Beside the magnified original, their magnified images are stored.
    """

    beta: float
    domain: float
    range: float
    radius: int
    attacks: tuple[str, ...]
    pictured: dict[str, tuple[str, ...]]


Pictures = Mapping[tuple[str, str | None], np.ndarray]
"""Pixels (H, W, C) uint8 by the image's id and the attack's label, None for the original."""


def write_magnification(run: Run, magnification: Magnification, pictures: Pictures) -> Path:
    """Store magnified pictures in their run, in place of older ones.

    Args:
        run: The run that the pictures are of.
        magnification: How they were made.
        pictures: Those of the images in `pictured`.

    Returns:
        The file that lists them.

    Raises:
        UsageError: If the pictures are not those that `magnification` lists.
        RunError: If the folder cannot be written; older pictures may then no longer be listed.
    """
    if set(pictures) != {
        (image_id, label) for image_id, fooled in magnification.pictured.items() for label in (None, *fooled)
    }:
        raise UsageError("a magnification needs the pictures that it lists, and no others")
    path = run.directory / FOLDER / FILE
    with writing(path.parent):
        path.unlink(missing_ok=True)
    content = json.dumps({"format": FORMAT} | asdict(magnification), indent=1, ensure_ascii=False)
    paths = {magnified_path(run, *key): pixels for key, pixels in pictures.items()}
    return write_evaluation(run, FILE, content.encode(), paths)


def read_magnification(run: Run) -> Magnification | None:
    """How the magnified pictures of a run were made, None where there are none.

    Raises:
        RunError: If the file is broken, of a newer Limen, or says what cannot be; the message names it.
    """
    path = run.directory / FOLDER / FILE
    if not path.is_file():
        return None
    try:
        content = path.read_bytes()
        version = decode_settings(_Version, content, ".magnification").format
        check_format(str(version), FORMAT, "magnification")
        magnification = decode_settings(Magnification, content, ".magnification")
        _check(magnification, run)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read as a magnification ({error}); remove it, then evaluate again"
        ) from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    return magnification


def magnified_path(run: Run, image_id: str, label: str | None) -> Path:
    """The file of a magnified picture: of the original, or, with an attack's label, of what it made.

    Raises:
        UsageError: If the run has no such attack.
    """
    folder = ORIGINAL if label is None else run.manifest.folder(label)
    return run.directory / FOLDER / "magnified" / folder / image_name(image_id)


@dataclass(frozen=True)
class _Version:
    format: int


def _check(magnification: Magnification, run: Run) -> None:
    check_attacks(magnification.attacks, run.manifest.labels)
    if not all(map(math.isfinite, (magnification.beta, magnification.domain, magnification.range))):
        raise RunError("has settings that are not finite")
    for image_id, fooled in magnification.pictured.items():
        if len(set(fooled)) < len(fooled) or not set(fooled) <= set(magnification.attacks):
            raise RunError(f"has pictures of {image_id!r} that are not one for each of its attacks")

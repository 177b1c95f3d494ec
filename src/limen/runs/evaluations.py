"""What the evaluations stored in a run have in common: a file that counts, and pictures that it lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from limen.decoding import decode
from limen.runs.files import RunError, encode_png, remove_unfinished, sync_folder, write_whole, writing
from limen.runs.manifest import FILE as MANIFEST
from limen.runs.reader import Run

FOLDER = "evaluation"
"""The folder of the evaluations in a run's directory."""


def write_evaluation(run: Run, name: str, content: bytes, pictures: Mapping[Path, np.ndarray]) -> Path:
    """Write the pictures of an evaluation, and then, whole, the file that lists them.

    Args:
        run: The run that was evaluated.
        name: The file's name.
        content: What stands in it.
        pictures: Pixels (H, W, C) uint8 by the file to write them to.

    Returns:
        The file.

    Raises:
        RunError: If a folder cannot be written; an older file of this name is then still whole.
    """
    path = run.directory / FOLDER / name
    for folder in {path.parent, *(picture.parent for picture in pictures)}:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
    for picture, pixels in pictures.items():
        write_whole(picture, encode_png(pixels))
    write_whole(path, content)
    sync_folder(path.parent)
    return path


def decode_settings(kind: Any, text: bytes, where: str) -> Any:
    """A dataclass from JSON that may be broken or hostile.

    Raises:
        RunError: If a value is missing or of another type, or values are nested too deeply.
        ValueError: If the text is no JSON.
    """
    try:
        return decode(kind, json.loads(text), where)
    except RecursionError:
        raise RunError("has settings that are nested too deeply") from None


def check_format(version: str, newest: int, what: str) -> None:
    """Refuse a file of a newer Limen, and one that is not what it should be.

    Raises:
        RunError: Says which of the two.
    """
    if version.isdecimal() and int(version) > newest:
        raise RunError(f"has format {version}, this Limen reads up to {newest}; upgrade Limen")
    if version != str(newest):
        raise RunError(f"has format {version}, expected {newest}: not the {what} of a run")


def check_attacks(attacks: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse attacks that are named twice or that the run does not have.

    Raises:
        RunError: Names the attack.
    """
    if len(set(attacks)) < len(attacks):
        raise RunError("names an attack twice")
    unknown = set(attacks).difference(labels)
    if unknown:
        raise RunError(f"is of attack {sorted(unknown)[0]!r}, which {MANIFEST} does not list")

"""Photographs that fool the model in their own size, made of what attacks found in the model's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen import pictures
from limen.classifier import Classifier
from limen.data import Dataset, Photographs
from limen.images import from_uint8, quantize, to_uint8
from limen.runs import Run
from limen.runs.files import encode_png, make_folders, write_whole

_TRIES = 20
_FURTHER = 0.1  # of the change that was found, by which each try asks for more than the one before


@dataclass(frozen=True)
class FullSize:
    """What became of a photograph under an attack.

    Attributes:
        id: The photograph's name.
        attack: The attack's label.
        before: What the model saw before, and its confidence.
        after: What the model sees in the stored file, and its confidence; of a photograph that did not fool
            it, what it saw in the attack's last image.
        path: The file, or None where the model was not fooled.
        size: Its width and height in pixels.
        levels: The greatest change of a value, in levels of 8 bits.
        rms: The root mean square of the change, in levels of 8 bits.
        exchanged: Whether the file holds another photograph than the run attacked.
    """

    id: str
    attack: str
    before: tuple[str, float]
    after: tuple[str, float]
    path: Path | None = None
    size: tuple[int, int] = (0, 0)
    levels: int = 0
    rms: float = 0.0
    exchanged: bool = False

    def __str__(self) -> str:
        seen, now = (f"{name} ({share:.0%})" for name, share in (self.before, self.after))
        if self.exchanged:
            return f"{self.id}: has changed since {self.attack} attacked it, so not made in its own size"
        if self.path is None:
            return f"{self.id}: {seen} before and {now} after {self.attack}, in its own size not fooled"
        change = f"changed by {self.levels} levels of 255 at most, {self.rms:.2g} on average (RMS)"
        width, height = self.size
        return f"{self.id}: {seen} before, {now} after {self.attack}; {change}, at {width}×{height}"


def write_full_size(run: Run, dataset: Dataset, classifier: Classifier) -> Iterator[FullSize]:
    """Write each photograph that an attack of a run fooled the model on in its own size, and its change.

    An attack has changed what the model is shown; of the changes of the photograph that are seen so, the one
    of least L2 is taken. Rounding to 8 bits, and the bounds of [0, 1], take a little of it away. So the
    stored pixels are shown to the model as any photograph is, what is missing there is added, and with each
    try a tenth of the change more is asked for, until the model is fooled.

    Args:
        run: A run on `dataset`.
        dataset: Photographs, as `limen.data.images` reads them.
        classifier: The model that the run attacked.

    Yields:
        One for each attack and photograph. The pixels lie in `photographs/ATTACK/ID.png` of the run's folder,
        and beside them the change, magnified, in `ID.difference.png`.

    Raises:
        RunError: If the run cannot be read, or the folder not be written.
    """
    photographs = dataset.photographs
    if photographs is None:
        return
    for row in run.table().to_pylist():
        yield _one(run, photographs, classifier, row)


def _one(run: Run, photographs: Photographs, classifier: Classifier, row: dict[str, Any]) -> FullSize:
    label, image_id = row["attack"], row["id"]
    before = _told(classifier, row["clean_prediction"], row["clean_confidence"])
    after = _told(classifier, row["prediction"], row["confidence"])
    if not row["success"] or row["clean_prediction"] == row["prediction"]:
        return FullSize(image_id, label, before, after)
    photo = photographs.read(row["index"])
    shown = from_uint8(run.original(image_id)[None])[0]
    wanted = from_uint8(run.image(label, image_id)[None])[0]
    if not torch.equal(quantize(photographs.shown(photo)), shown):
        return FullSize(image_id, label, before, after, exchanged=True)
    targeted = row["target"] is not None
    goal = row["target"] if targeted else row["label"]
    stored, prediction, confidence = _enlarged(photographs, classifier, photo, shown, wanted, goal, targeted)
    after = _told(classifier, prediction, confidence)
    if (prediction == goal) != targeted:
        return FullSize(image_id, label, before, after)
    pixels = to_uint8(stored[None])[0]
    change = pictures.difference(to_uint8(photo[None])[0], pixels)
    path = run.photograph_path(label, image_id)
    make_folders(run.directory, [path.parent])
    write_whole(path, encode_png(pixels))
    shown_change = np.asarray(pictures.magnified(change, pictures.common_factor([change])))
    write_whole(path.with_suffix(".difference.png"), encode_png(shown_change.reshape(pixels.shape)))
    height, width = pixels.shape[:2]
    levels, rms = int(np.abs(change).max()), float(np.sqrt(np.square(change.astype(float)).mean()))
    return FullSize(image_id, label, before, after, path, (width, height), levels, rms)


def _enlarged(
    photographs: Photographs,
    classifier: Classifier,
    photo: Tensor,
    shown: Tensor,
    wanted: Tensor,
    goal: int,
    targeted: bool,
) -> tuple[Tensor, int, float]:
    """The photograph as its file is to hold it, and what the model says of that, with its confidence."""
    framing = photographs.framing(photo)
    change, stored, prediction, confidence = torch.zeros_like(photo), photo, -1, 0.0
    seen = shown
    for attempt in range(_TRIES):
        asked = shown + (1 + _FURTHER * attempt) * (wanted - shown)
        change = change + framing.lift((asked - seen)[None])[0]
        stored = quantize((photo + change).clamp(0, 1))
        seen = photographs.shown(stored)
        with torch.no_grad():
            logits = classifier(seen[None].to(classifier.device, classifier.dtype)).double()
        best = logits.softmax(1).max(1)
        prediction, confidence = int(best.indices), float(best.values)
        if (prediction == goal) == targeted:
            break
    return stored, prediction, confidence


def _told(classifier: Classifier, prediction: int, confidence: float) -> tuple[str, float]:
    names = classifier.class_names
    return (names[prediction].partition(",")[0] if names else f"class {prediction}"), confidence

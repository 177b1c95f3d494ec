"""Steganalysis features of the images of a run, and a detector that is trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from limen.detection import Colour, Detector, Origin, fit_detector
from limen.detection import features as features_of
from limen.errors import UnknownNameError, UsageError
from limen.evaluation.fooled import load
from limen.runs import Run
from limen.safety import resolved


class RunFeatures:
    """The features of a run's images, each computed once, when first asked for."""

    def __init__(self, run: Run, name: str, colour: Colour, batch_size: int) -> None:
        self._run, self._name, self._size = run, name, batch_size
        self._colour: Colour = colour
        self._known: dict[tuple[str | None, str], np.ndarray] = {}

    def of(self, label: str | None, ids: Sequence[str]) -> np.ndarray:
        """Features (N, D) of what an attack made of images, or of the originals for None."""
        missing = [each for each in ids if (label, each) not in self._known]
        for start in range(0, len(missing), self._size):
            batch = missing[start : start + self._size]
            paths = [
                self._run.original_path(each) if label is None else self._run.image_path(label, each)
                for each in batch
            ]
            found = features_of(load(paths, resolved(self._run.directory)), self._name, self._colour)
            self._known |= {(label, each): row for each, row in zip(batch, found, strict=True)}
        return np.stack([self._known[label, each] for each in ids])


def detector_of(
    run: Run,
    label: str | None = None,
    *,
    features: str = "spam",
    colour: Colour = "luma",
    seed: int = 0,
    failures: bool = False,
    batch_size: int = 32,
) -> Detector:
    """Train a detector of one attack on all pairs of a run.

    Args:
        run: The run.
        label: The attack; may be left out where the run has one.
        features: As of `detection`, the evaluation.
        colour: Likewise.
        seed: Seed of all that is drawn.
        failures: As of `detection`, the evaluation.
        batch_size: Images read side by side.

    Raises:
        UsageError: If the run has no such attack, or fewer than two pairs of it.
        LimenError: If sealwatch is not installed.
        RunError: If an image cannot be read.
    """
    manifest, labels = run.manifest, run.manifest.labels
    if label is None and len(labels) != 1:
        raise UsageError(f"the run has {len(labels)} attacks; name one of {', '.join(labels)}")
    label = labels[0] if label is None else label
    if label not in labels:
        raise UnknownNameError("attack", label, labels)
    counted = (pc.field("attack") == label) & (pc.field("clean_prediction") == pc.field("label"))
    ids = run.table().filter(counted if failures else counted & pc.field("success"))["id"].to_pylist()
    if len(ids) < 2:
        raise UsageError(
            f"{run.directory}: {label} has {len(ids)} pairs to train on, images that the model had right "
            "before it and wrong after; attack more images"
        )
    known = RunFeatures(run, features, colour, batch_size)
    height, width = run.original(ids[0]).shape[:2]
    origin = Origin(
        features=features,
        colour=colour,
        attack=label,
        model=manifest.model.spec,
        weights=manifest.model.weights,
        data=manifest.data.spec,
        size=(height, width),
        seed=seed,
    )
    return fit_detector(known.of(None, ids), known.of(label, ids), origin)

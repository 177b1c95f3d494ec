"""Attack a data set and keep every result: batch by batch into a run that can be killed and resumed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from limen.attacks import Attack, Outcome
from limen.classifier import Classifier
from limen.data import Batch, Dataset, batches
from limen.errors import UsageError
from limen.images import LATTICE, from_uint8, to_uint8
from limen.metrics import LEAST_SIDE, METRICS
from limen.runs import DISTANCES, DataEntry, Manifest, ModelEntry, RunWriter, Settings


class Progress(Protocol):
    """What is told of a run's progress, once an attack at the start and after each of its batches."""

    def __call__(self, label: str, done: int, total: int) -> None:
        """Note that the attack with this label has finished `done` of `total` images."""


def describe_run(
    classifier: Classifier,
    dataset: Dataset,
    labels: Iterable[str],
    *,
    model_spec: str,
    seed: int = 0,
    lattice: int | None = LATTICE,
    targeted: bool = False,
) -> Manifest:
    """The manifest of a run that `run_attacks` is about to do.

    Args:
        classifier: The model under test.
        dataset: The images.
        labels: A label for each attack: its spec string.
        model_spec: The spec that `classifier` was made from.
        seed: Seed of everything random in the attacks.
        lattice: Steps between 0 and 1 that the attacks round to; None leaves rounding to the PNG.
        targeted: Whether the attacks aim at the data set's targets.
    """
    return Manifest(
        model=ModelEntry(model_spec, classifier.fingerprint(), classifier.class_names),
        data=DataEntry(dataset.spec, len(dataset), dataset.class_names),
        settings=Settings(seed, lattice, targeted),
        device=str(classifier.device),
    ).with_attacks(labels)


def run_attacks(
    classifier: Classifier,
    dataset: Dataset,
    attacks: Mapping[str, Attack],
    run: RunWriter,
    *,
    batch_size: int = 32,
    limit: int | None = None,
    seed: int = 0,
    lattice: int | None = LATTICE,
    targeted: bool = False,
    progress: Progress | None = None,
) -> None:
    """Attack the images that the run has not finished, and write each batch as soon as it is done.

    What counts is what a file holds: the model classifies, and the metrics compare, the pixels of
    the two PNGs. With `lattice=None` an attack may thus succeed in memory and fail on its PNG. A
    metric that does not take images this small is left empty.

    Args:
        classifier: The model under test.
        dataset: The images; one that cannot be read is recorded as skipped.
        attacks: The attacks by label, each of which the run's manifest lists.
        run: Where results go; nothing in it is repeated.
        batch_size: Images attacked side by side; memory is bounded by one batch.
        limit: Attack only the first so many images of the data set; None for all.
        seed: Seed of everything random in the attacks; as in the run's manifest, like the next two.
        lattice: Steps between 0 and 1 that the attacks round to; None leaves rounding to the PNG.
        targeted: Whether the attacks aim at the data set's targets.
        progress: Called with each attack's label, finished images and all images.

    Raises:
        UsageError: If the settings are not the run's, an attack is none of the run's, a label is
            none of the model's classes, or targets are missing.
        RunError: If the run cannot be written. All batches finished before are kept.

    Example:
        >>> import tempfile, limen
        >>> from limen.evaluation import describe_run
        >>> dataset = limen.data.demo("digits", count=4)
        >>> classifier = limen.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)))
        >>> attacks = {"fgsm:eps=0.1": limen.attacks.fgsm(eps=0.1)}
        >>> manifest = describe_run(classifier, dataset, attacks, model_spec="a linear model")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with limen.runs.create_or_resume(folder, manifest) as run:
        ...         run_attacks(classifier, dataset, attacks, run)
        ...     limen.runs.open_run(folder).table().num_rows
        4
    """
    settings = Settings(seed, lattice, targeted)
    if settings != run.manifest.settings:
        raise UsageError(f"asked to attack with {settings}, but the run was made for {run.manifest.settings}")
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be at least 0, not {limit}")
    ids = dataset.ids[:limit]
    finished = {label: run.finished(label) for label in attacks}
    unfinished = [i for i, each in enumerate(ids) if any(each not in done for done in finished.values())]
    counts = _Counts(
        progress, {label: len(done.intersection(ids)) for label, done in finished.items()}, len(ids)
    )

    def skip(image_id: str, reason: str) -> None:
        run.skip(image_id, reason)
        counts.skipped()

    for batch in batches(dataset, unfinished, batch_size, skip):
        cleans = _classify(classifier, dataset.spec, batch, targeted)
        run.write_originals(dict(zip(cleans.ids, cleans.pixels, strict=True)))
        for label, attack in attacks.items():
            left = cleans.without(finished[label])
            if left.ids:
                rows, images = _attack(classifier, attack, left, settings)
                run.write(label, rows, images)
                counts.finished(label, len(rows))


class _Counts:
    """Finished images an attack, told to whoever shows progress."""

    def __init__(self, progress: Progress | None, done: dict[str, int], total: int) -> None:
        self._progress, self._done, self._total = progress, done, total
        self._tell(done)

    def finished(self, label: str, images: int) -> None:
        self._done[label] += images
        self._tell([label])

    def skipped(self) -> None:
        self._total -= 1
        self._tell(self._done)

    def _tell(self, labels: Iterable[str]) -> None:
        if self._progress is not None:
            for label in labels:
                self._progress(label, self._done[label], self._total)


@dataclass(frozen=True)
class _Cleans:
    """A batch before any attack, as its PNGs hold it, and what the model says of it."""

    ids: tuple[str, ...]
    indices: tuple[int, ...]
    pixels: np.ndarray
    images: Tensor
    labels: Tensor
    targets: Tensor | None
    predictions: Tensor
    confidences: Tensor

    def without(self, ids: frozenset[str]) -> _Cleans:
        chosen = [i for i, each in enumerate(self.ids) if each not in ids]
        if len(chosen) == len(self.ids):
            return self
        return _Cleans(
            ids=tuple(self.ids[i] for i in chosen),
            indices=tuple(self.indices[i] for i in chosen),
            pixels=self.pixels[chosen],
            images=self.images[chosen],
            labels=self.labels[chosen],
            targets=None if self.targets is None else self.targets[chosen],
            predictions=self.predictions[chosen],
            confidences=self.confidences[chosen],
        )


def _classify(classifier: Classifier, spec: str, batch: Batch, targeted: bool) -> _Cleans:
    pixels = to_uint8(batch.images)
    images = _load(pixels, classifier)
    logits = _logits(classifier, images)
    _check_classes(spec, "label", batch.ids, batch.labels, logits.shape[1])
    if targeted:
        if batch.targets is None:
            raise UsageError(
                f"{spec}: names no target classes, which targeted attacks need; choose other data"
            )
        _check_classes(spec, "target", batch.ids, batch.targets, logits.shape[1])
    confidences, predictions = logits.softmax(1).max(1)
    labels = batch.labels.to(classifier.device)
    targets = batch.targets.to(classifier.device) if targeted and batch.targets is not None else None
    return _Cleans(batch.ids, batch.indices, pixels, images, labels, targets, predictions, confidences)


def _check_classes(spec: str, what: str, ids: Sequence[str], classes: Tensor, count: int) -> None:
    for image_id, value in zip(ids, classes.tolist(), strict=True):
        if not 0 <= value < count:
            raise UsageError(
                f"{spec}: image {image_id!r} has {what} {value}, but the model has {count} classes "
                f"(0 to {count - 1}); choose data whose classes are the model's"
            )


def _attack(
    classifier: Classifier, attack: Attack, cleans: _Cleans, settings: Settings
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    aims = cleans.labels if cleans.targets is None else cleans.targets
    begin = time.perf_counter()
    outcome = attack(
        classifier,
        cleans.images,
        aims,
        targeted=settings.targeted,
        ids=cleans.ids,
        seed=settings.seed,
        lattice=settings.lattice,
    )
    claimed = outcome.success.tolist()  # also waits for a GPU, so the time below is the attack's
    seconds = (time.perf_counter() - begin) / len(cleans.ids)
    pixels = to_uint8(outcome.images)
    stored = _load(pixels, classifier)
    confidences, predictions = _logits(classifier, stored).softmax(1).max(1)
    success = (predictions == aims) if settings.targeted else (predictions != aims)
    columns: dict[str, list[Any]] = {
        "index": list(cleans.indices),
        "id": list(cleans.ids),
        "label": cleans.labels.tolist(),
        "target": [None] * len(cleans.ids) if cleans.targets is None else cleans.targets.tolist(),
        "clean_prediction": cleans.predictions.tolist(),
        "clean_confidence": cleans.confidences.tolist(),
        "prediction": predictions.tolist(),
        "confidence": confidences.tolist(),
        "success": success.tolist(),
        "success_in_memory": claimed,
        **_passes(outcome),
        "seconds": [seconds] * len(cleans.ids),
        **_distances(cleans.images, stored, success),
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows, dict(zip(cleans.ids, pixels, strict=True))


def _passes(outcome: Outcome) -> dict[str, list[int]]:
    return {
        "steps": outcome.steps.tolist(),
        "forwards": outcome.forwards.tolist(),
        "backwards": outcome.backwards.tolist(),
    }


def _distances(originals: Tensor, stored: Tensor, success: Tensor) -> dict[str, list[float | None]]:
    reached = success.nonzero().flatten().tolist()
    columns: dict[str, list[float | None]] = {name: [None] * len(stored) for name in DISTANCES}
    if not reached:
        return columns
    pair, side = (originals[reached], stored[reached]), min(stored.shape[2:])
    for name in (each for each in DISTANCES if side >= LEAST_SIDE.get(each, 1)):
        with torch.no_grad():
            values = METRICS[name](*pair).tolist()
        for i, value in zip(reached, values, strict=True):
            columns[name][i] = value
    return columns


def _load(pixels: np.ndarray, classifier: Classifier) -> Tensor:
    return from_uint8(pixels).to(classifier.device, classifier.dtype)


def _logits(classifier: Classifier, images: Tensor) -> Tensor:
    # float64, so that a confidence near 1 is not rounded to it.
    with torch.no_grad():
        return classifier(images).double()

"""Whether the images that fool one classifier fool another (Zhang et al. 2020, Section 5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UnknownNameError, UsageError
from limen.evaluation.attack_run import Progress
from limen.evaluation.cleans import logits_of
from limen.evaluation.fooled import load
from limen.evaluation.measure import distances
from limen.metrics import METRICS, Metric
from limen.runs import Run

_SEEN = ("clean_prediction", "clean_confidence", "prediction", "confidence", "success")


def transfer(
    run: Run,
    classifier: Classifier,
    attacks: Sequence[str] | None = None,
    *,
    metrics: Sequence[str] = ("l2",),
    batch_size: int = 32,
    limit: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """The records that a run would have if another classifier had seen its stored images.

    Only images that the attacked model classifies correctly have a record: an attack leaves the others as
    they are, so they say nothing of it. Of these, those count in the paper that the other classifier has
    right without an attack, and `limen.runs.outcomes` counts so, too. An image on which the attack failed is
    stored as it was before, and so is no success here either.

    Args:
        run: The run.
        classifier: The classifier to show its images to, with the classes of the run's model.
        attacks: Labels of the attacks; None for all.
        metrics: Which of the run's metrics to measure where it is fooled; the others are null.
        batch_size: Images looked at side by side; memory is bounded by one batch.
        limit: Only the first so many images of the data set; None for all.
        progress: Called with each attack's label, finished images and all images.

    Returns:
        Records with the columns of a run's. Predictions, confidences, success and distances are those of
        the other classifier; passes, seconds and success in memory remain the attack's.

    Raises:
        UsageError: If the run lacks an attack, a metric is unknown, or the images do not fit.
        RunError: If a record or an image cannot be read.

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Section 5.5 and Table 3.

    Example:
        >>> import tempfile, limen
        >>> from limen.defenses import Defended, bilateral
        >>> from limen.evaluation import describe_run, run_attacks
        >>> classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=4)
        >>> attacks = [limen.attacks.fgsm(eps=0.1)]
        >>> manifest = describe_run(classifier, dataset, attacks, model_spec="demo:photos")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with limen.runs.create_or_resume(folder, manifest) as writer:
        ...         run_attacks(classifier, dataset, attacks, writer)
        ...     records = transfer(limen.runs.open_run(folder), Defended(classifier, bilateral))
        >>> columns = [metric.column for metric in limen.metrics.METRICS.values()]
        >>> limen.runs.figures(limen.runs.outcomes(records, ["fgsm:eps=0.1"], columns)).images
        4
    """
    measures, records = _known(run, metrics), _counted(run, attacks, limit)
    places: dict[str, dict[str, int]] = {label: {} for label in attacks or run.manifest.labels}
    for place, row in enumerate(records.select(["attack", "id"]).to_pylist()):
        places[row["attack"]][row["id"]] = place
    done = dict.fromkeys(places, 0)

    def finish(label: str, images: int) -> None:
        done[label] += images
        if progress is not None:
            progress(label, done[label], len(places[label]))

    seen = {name: np.full(len(records), np.nan) for name in (*_SEEN, *(m.key for m in run.manifest.metrics))}
    goals = records["target" if run.manifest.settings.targeted else "label"].to_numpy()
    ids = list(dict.fromkeys(records.sort_by("index")["id"].to_pylist()))
    for label in places:
        finish(label, 0)
    for start in range(0, len(ids), batch_size):
        batch = ids[start : start + batch_size]
        originals = _load([run.original_path(image_id) for image_id in batch], classifier)
        before = _answers(classifier, originals)
        for label, of_attack in places.items():
            rows = [row for row, image_id in enumerate(batch) if image_id in of_attack]
            if not rows:
                continue
            here = [of_attack[batch[row]] for row in rows]
            stored = _load([run.image_path(label, batch[row]) for row in rows], classifier)
            predictions, confidences = _answers(classifier, stored)
            success = (predictions == goals[here]) == run.manifest.settings.targeted
            columns = (before[0][rows], before[1][rows], predictions, confidences, success)
            for name, values in zip(_SEEN, columns, strict=True):
                seen[name][here] = values
            found = distances(measures, originals[rows], stored, torch.from_numpy(success))
            for name, values in found.items():
                seen[name][here] = np.array(values, float)
            finish(label, len(rows))
    return _with(records, seen)


def _known(run: Run, names: Sequence[str]) -> list[Metric]:
    known = {column.key for column in run.manifest.metrics} & METRICS.keys()
    for name in names:
        if name not in known:
            raise UnknownNameError("metric", name, known)
    return [METRICS[name] for name in names]


def _counted(run: Run, attacks: Sequence[str] | None, limit: int | None) -> pa.Table:
    """The records of these attacks on images that the attacked model classifies correctly."""
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be at least 0, not {limit}")
    counted = pc.field("clean_prediction") == pc.field("label")
    if limit is not None:
        counted &= pc.field("index") < limit
    if attacks is not None:
        for label in attacks:
            run.manifest.folder(label)  # refuses a label that the run does not have
        counted &= pc.field("attack").isin(list(attacks))
    return run.table().filter(counted)


def _load(paths: Sequence[Path], classifier: Classifier) -> Tensor:
    return load(paths).to(classifier.device, classifier.dtype)


def _answers(classifier: Classifier, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and confidences (N,)."""
    confidences, predictions = logits_of(classifier, images).softmax(1).max(1)
    return predictions.cpu().numpy(), confidences.cpu().numpy()


def _with(records: pa.Table, columns: dict[str, np.ndarray]) -> pa.Table:
    """The records with these columns in place of their own; NaN is null."""
    for name, values in columns.items():
        kind = records.schema.field(name)
        array = pa.array(values, pa.float64(), from_pandas=True).cast(kind.type)
        records = records.set_column(records.schema.get_field_index(name), kind, array)
    return records

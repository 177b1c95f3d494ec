"""Small runs on disk, written through the run store, for the pages made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from limen.metrics import METRICS
from limen.runs import (
    DataEntry,
    Manifest,
    MetricColumn,
    ModelEntry,
    Overlap,
    OverlapEvaluation,
    Run,
    create_or_resume,
    open_run,
    write_overlap,
)
from limen.runs.overlap import MEASURES

from ..named import identity


def row(index: int, key: str, success: bool = True, **changed: object) -> dict[str, object]:
    """A record of an image of class 0, whose distances grow with its index."""
    near = index + 1.0
    distances = {"l0": 30 * near, "l1": near, "l2": near / 10, "linf": near / 255, "psnr": 60 - near}
    distances |= {"ssim": 1 - near / 1000, "ciede2000": near / 50}
    return {
        "index": index,
        "id": key,
        "label": 0,
        "target": None,
        "clean_prediction": 0,
        "clean_confidence": 0.9,
        "prediction": 1 if success else 0,
        "confidence": 0.6,
        "success": success,
        "success_in_memory": success,
        "steps": 10,
        "forwards": 11,
        "backwards": 10,
        "seconds": 0.25,
        **{name: value if success else None for name, value in distances.items()},
    } | changed


def write_run(
    directory: Path,
    rows: dict[str, list[dict[str, object]]],
    class_names: Sequence[str] | None = ("cat", "dog"),
    size: int = 16,
    channels: int = 3,
    metrics: Sequence[MetricColumn] = tuple(metric.column for metric in METRICS.values()),
) -> Run:
    """Write a run whose adversarial images differ from the originals by index + 1 steps of one value."""
    manifest = Manifest(
        model=ModelEntry("demo:photos", "ab12" * 16, None if class_names is None else tuple(class_names)),
        data=DataEntry("folder:photos", max(map(len, rows.values()), default=0)),
    )
    manifest = manifest.with_attacks(map(identity, rows)).with_metrics(metrics)
    with create_or_resume(directory, manifest) as writer:
        for label, of_attack in rows.items():
            originals = {
                str(each["id"]): photograph(int(str(each["index"])), size, channels) for each in of_attack
            }
            adversarial = {key: pixels.copy() for key, pixels in originals.items()}
            for each in of_attack:
                adversarial[str(each["id"])][2, 3, 0] += int(str(each["index"])) + 1 if each["success"] else 0
            if of_attack:
                writer.write_originals(originals)
                writer.write(label, of_attack, adversarial)
    return open_run(directory)


def photograph(seed: int, size: int, channels: int) -> np.ndarray:
    """A smooth drawn picture with values well inside the 8-bit range."""
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(6 * x + seed) + np.cos(5 * y - channel) for channel in range(channels)]
    return np.uint8(128 + 40 * np.stack(waves, axis=-1))


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Writes a run of two attacks on six images, unless told otherwise; the fourth fails under the first."""

    def make(
        name: str = "run", rows: dict[str, list[dict[str, object]]] | None = None, **settings: object
    ) -> Run:
        if rows is None:
            rows = {
                "pgd_l2:eps=3,steps=40": [row(i, f"photo {i}", success=i != 3) for i in range(6)],
                "ddn": [row(i, f"photo {i}") for i in range(6)],
            }
        return write_run(tmp_path / name, rows, **settings)

    return make


@pytest.fixture
def record() -> Callable[..., dict[str, object]]:
    """Makes a record; see `row`."""
    return row


@pytest.fixture
def evaluate() -> Callable[..., OverlapEvaluation]:
    """Stores in a run an overlap over thresholds 0.01, 0.11 and 0.5, with maps of the first two images.

    Of each attack's successes, image i has the value (i + 1) / 10 of every measure, but no precision at 0.5;
    attention falls from the upper left corner.
    """

    def store(run: Run, size: int = 16, **changed: object) -> OverlapEvaluation:
        thresholds = np.array([0.01, 0.11, 0.5])
        overlaps = []
        for label in run.manifest.labels:
            rows = run.table().filter((pc.field("attack") == label) & pc.field("success"))
            values = np.repeat((rows["index"].to_numpy()[:, None] + 1) / 10, 3, axis=1)
            precision = np.where(thresholds < 0.5, values, np.nan)
            measures = [precision, *[values] * (len(MEASURES) - 1)]
            overlaps.append(Overlap(label, tuple(rows["id"].to_pylist()), thresholds, *measures))
        pictured = tuple(dict.fromkeys(each for overlap in overlaps for each in overlap.ids))[:2]
        evaluation = OverlapEvaluation("gradcam++", "net.features", 0.75, tuple(overlaps), pictured)
        evaluation = replace(evaluation, **changed)
        y, x = np.mgrid[:size, :size] / (size - 1)
        attention = np.uint8(255 * np.clip(1 - (x + y), 0, 1))[..., None]
        write_overlap(run, evaluation, dict.fromkeys(evaluation.pictured, attention))
        return evaluation

    return store

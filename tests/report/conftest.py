"""Small runs on disk, written through the run store, for the pages made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from limen.document import Cell, Chart, Charts, Document, Group, Line, Notes, Picture, Pictures, Row, Table
from limen.identity import Identity
from limen.metrics import METRICS
from limen.runs import (
    DataEntry,
    Manifest,
    MetricColumn,
    ModelEntry,
    Part,
    Run,
    Stored,
    create_or_resume,
    measuring,
    open_run,
)

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
        "source": "cd" * 32,
        "clean_prediction": 0,
        "clean_confidence": 0.9,
        "prediction": 1 if success else 0,
        "confidence": 0.6,
        "success": success,
        "success_in_memory": success,
        "steps": 10,
        "forwards": 11,
        "backwards": 10,
        "zero_gradients": 0,
        "nonfinite_gradients": 0,
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


IDS = ("photo 0", "photo 3")
SEEN = Identity("seen", {"size": 3})


def store(
    run: Run,
    identity: Identity = SEEN,
    layer: str = "features",
    text: str = "plain",
    ids: tuple[str, str] = IDS,
) -> Stored:
    """Store an evaluation with a table, charts and pictures of two images; the first attack lacks one."""
    (first, second), labels = ids, run.manifest.labels

    def describe(stored: Stored) -> Document:
        rows = [[Cell(label, series=label), Cell(value=0.5, low=0.4, high=0.6)] for label in labels]
        charts = [
            Chart(f"{text} {name}", "x", "y", [Line(label, [0, 1], [0, 1], series=label) for label in labels])
            for name in "ab"
        ]
        shown = [
            Row(
                image_id,
                [
                    Picture(stored.picture(None, image_id), "original"),
                    *(
                        Picture(stored.picture(label, image_id), label, series=label, absent="not fooled")
                        for label in labels
                    ),
                ],
                scale="depth",
            )
            for image_id in ids
        ]
        blocks = [
            Table("Means", text, ["Attack", "mean"], [Group("", rows)]),
            Charts("Sweep", text, charts),
            Pictures("Maps", text, shown),
            Notes("Notes", [text]),
        ]
        return Document(f"What is seen? {text}", settings=[("Layer", layer)], blocks=blocks)

    with measuring(run, identity) as measurement:
        pairs = [(first, labels[0]), (first, labels[-1]), (second, labels[-1])]
        table = pa.table({"attack": [label for _, label in pairs], "id": [image_id for image_id, _ in pairs]})
        keys = [*((label, image_id) for image_id, label in pairs), (None, first), (None, second)]
        pixels = {key: np.full((16, 16, 3), 9 * i, np.uint8) for i, key in enumerate(keys)}
        measurement.write(Part(table, pixels))
        return measurement.finish(measurement.finished, describe)


@pytest.fixture
def evaluate() -> Callable[..., Stored]:
    """Stores an evaluation in a run; see `store`."""
    return store

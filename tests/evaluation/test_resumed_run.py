"""A run that was stopped anywhere goes on with the batches that it would have had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import limen
from limen import catalog
from limen.data import Dataset, Sample
from limen.evaluation import describe_run, run_attacks
from limen.images import ImageFileError
from limen.metrics import METRICS
from limen.runs import Run, RunWriter, create_or_resume, open_run

SPECS = ("fgsm:eps=0.05", "fgm:eps=0.3,0.7,1.5", "pgd_linf:eps=0.05,steps=2")
BAD = 2


class Counting(torch.nn.Module):
    """Tells by its confidence how many images it was given, as the rounding of a network does."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.nn.Parameter(torch.randn(3, 3, 8, 8, generator=generator) / 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer = (images[:, None] * self.weights).sum((2, 3, 4)).tanh()
        return answer * (1 + len(images) / 100)


@pytest.fixture
def classifier() -> limen.Classifier:
    return limen.Classifier(Counting())


@pytest.fixture
def dataset() -> Dataset:
    """Eleven images, of which one cannot be read."""
    pixels = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3), np.uint8)
    ids = tuple(f"{place:02}" for place in range(len(pixels)))

    def read(place: int) -> Sample:
        if place == BAD:
            raise ImageFileError("truncated")
        return Sample(ids[place], limen.images.from_uint8(pixels[place, None])[0], place % 3)

    return Dataset("noise", ids, read)


def attacked(folder: Path, classifier, dataset, specs=SPECS, **options) -> Run:
    attacks = [catalog.attack_or_grid(spec) for spec in specs]
    how = {"metrics": [METRICS["l2"]]}
    manifest = describe_run(classifier, dataset, attacks, model_spec="counting", **how)
    with create_or_resume(folder, manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer, **{"batch_size": 4, **how, **options})
    return open_run(folder)


def content(run: Run) -> tuple[list[dict], dict[str, bytes]]:
    rows = run.table().drop_columns(["seconds"]).to_pylist()
    files = {path.name: path.read_bytes() for path in sorted((run.directory / "images").rglob("*.png"))}
    return rows, files


def test_a_run_stopped_before_or_after_any_write_ends_equal_bit_for_bit(
    tmp_path, classifier, dataset, monkeypatch
):
    whole = content(attacked(tmp_path / "whole", classifier, dataset))
    parts = len(list((tmp_path / "whole" / "records").iterdir()))
    assert parts > 8
    write = RunWriter.write_together
    for stop in range(parts):
        left = iter(range(stop))

        def interrupted(self, results, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(self, results)

        monkeypatch.setattr(RunWriter, "write_together", interrupted)
        with pytest.raises(KeyboardInterrupt):
            attacked(tmp_path / f"stopped-{stop}", classifier, dataset)
        monkeypatch.setattr(RunWriter, "write_together", write)
        assert content(attacked(tmp_path / f"stopped-{stop}", classifier, dataset)) == whole, stop


def test_what_a_batch_holds_shows_in_the_records_of_these_runs(tmp_path, classifier, dataset):
    # Otherwise the test above would prove nothing.
    four, five = (
        attacked(tmp_path / str(size), classifier, dataset, SPECS[:1], batch_size=size) for size in (4, 5)
    )
    assert four.table()["clean_confidence"] != five.table()["clean_confidence"]
    assert four.table()["confidence"] != five.table()["confidence"]


def test_no_image_that_is_done_is_attacked_again_beside_one_that_was_mended(tmp_path, classifier, dataset):
    before = attacked(tmp_path, classifier, dataset).table().drop_columns(["seconds"]).to_pylist()
    pixels = torch.zeros(3, 8, 8)

    def read(place: int) -> Sample:
        return Sample("02", pixels, 2) if place == BAD else dataset.read(place)

    run = attacked(tmp_path, classifier, Dataset("noise", dataset.ids, read))
    after = run.table().drop_columns(["seconds"]).to_pylist()
    assert [row for row in after if row["id"] != "02"] == before
    assert len([row for row in after if row["id"] == "02"]) == 5
    assert run.manifest.skipped == ()


def test_a_finished_image_that_can_no_longer_be_read_is_not_called_skipped(tmp_path, classifier, dataset):
    attacked(tmp_path, classifier, dataset, limit=2)

    def read(place: int) -> Sample:
        if place == 0:
            raise ImageFileError("gone")
        return dataset.read(place)

    run = attacked(tmp_path, classifier, Dataset("noise", dataset.ids, read))
    assert [image.id for image in run.manifest.skipped] == ["02"]


def test_a_finished_image_whose_file_is_gone_stays_finished(tmp_path, classifier):
    from PIL import Image

    for name in ("a", "b"):
        Image.new("RGB", (8, 8), (90, 90, 90)).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("image,label\na.png,0\nb.png,1\n")
    table = catalog.data(f"csv:{tmp_path}/t.csv")
    before = attacked(tmp_path / "run", classifier, table).table()
    (tmp_path / "b.png").unlink()
    assert attacked(tmp_path / "run", classifier, table).table().equals(before)

"""A grid run side by side is its values run one by one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import limen
from limen import catalog
from limen.attacks import Attack
from limen.catalog import Grid
from limen.evaluation import describe_run, run_attacks
from limen.runs import Run, create_or_resume, open_run

GRIDS = (
    "fgsm:eps=2/255,4/255,16/255",
    "fgm:eps=0.3,0.7,1.5",
    "ifgsm:eps=2/255,0.03,16/255,steps=4",
    "mifgsm:eps=2/255,0.03,16/255,steps=4,early_stop=true",
    "pgd_linf:eps=2/255,0.03,16/255,steps=4",
    "pgd_l2:eps=0.3,0.7,1.5,steps=4,random_start=true,restarts=2",
    "pgd_l2:eps=0.3,0.7,1.5,steps=4,early_stop=true",
    "pgd_l2:steps=4,eps=0.7,step_size=0.1,0.5",
    "ddn:eps=0.3,1.5,steps=4",
    "fpgap:eps=0.01,0.1,0.5,steps=4",
    "pgap:eps=0.01,0.1,0.5,steps=4",
    "ssim_pgd:eps=1e-3,0.01,0.1,steps=4,early_stop=true",
)


class Rows(torch.nn.Module):
    """A small network whose arithmetic on an image does not depend on the images beside it."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = torch.nn.Parameter(torch.randn(6, 3, 16, 16, generator=generator) / 10)
        self.second = torch.nn.Parameter(torch.randn(3, 6, generator=generator))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = (images[:, None] * self.first).sum((2, 3, 4)).tanh()
        return (hidden[:, None] * self.second).sum(2)


@pytest.fixture(scope="module")
def classifier() -> limen.Classifier:
    return limen.Classifier(Rows())


@pytest.fixture(scope="module")
def dataset(classifier) -> limen.data.Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)
    labels = classifier(limen.images.from_uint8(pixels)).argmax(1).numpy()
    labels[3] = (labels[3] + 1) % 3
    return limen.data.from_arrays("noise", pixels, labels)


def run_of(directory: Path, classifier, dataset, specs, batch_size: int = 4, limit: int | None = None) -> Run:
    attacks = [catalog.attack_or_grid(spec) for spec in specs]
    manifest = describe_run(classifier, dataset, attacks, model_spec="rows")
    with create_or_resume(directory, manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer, batch_size=batch_size, limit=limit)
    return open_run(directory)


def content(run: Run) -> dict[str, list[dict]]:
    rows = run.table().drop_columns(["seconds"]).to_pylist()
    return {label: [row for row in rows if row["attack"] == label] for label in run.manifest.labels}


def assert_same(run: Run, other: Run) -> None:
    assert content(run) == content(other)
    for label, rows in content(run).items():
        for row in rows:
            np.testing.assert_array_equal(run.image(label, row["id"]), other.image(label, row["id"]))


@pytest.mark.parametrize("spec", GRIDS)
def test_each_value_of_a_grid_has_the_records_and_images_that_it_has_alone(
    spec, tmp_path, classifier, dataset
):
    grid = catalog.attack_or_grid(spec)
    assert isinstance(grid, Grid)
    together = run_of(tmp_path / "grid", classifier, dataset, [spec], batch_size=5)
    alone = run_of(tmp_path / "alone", classifier, dataset, grid.labels, batch_size=3)
    assert together.manifest.labels == grid.labels
    assert_same(together, alone)
    # The budgets tell the results apart, so that an ignored one would be noticed.
    distances = [[row["l2"] for row in rows] for rows in content(together).values()]
    assert len({str(each) for each in distances}) == len(distances)


def test_a_grid_makes_one_call_for_all_its_values_as_far_as_a_batch_holds_them(tmp_path, classifier, dataset):
    sizes: list[int] = []

    def make(eps: torch.Tensor) -> Attack:
        sizes.append(len(eps))
        return limen.attacks.fgsm(eps=eps)

    values = (0.01, 0.02, 0.03)
    grid = Grid(tuple(limen.attacks.fgsm(eps=value).identity for value in values), values, make)
    manifest = describe_run(classifier, dataset, [grid], model_spec="rows")
    for directory, batch_size in (("wide", 64), ("narrow", 4)):
        with create_or_resume(tmp_path / directory, manifest) as writer:
            run_attacks(classifier, dataset, [grid], writer, batch_size=batch_size)
    # 7 images: 21 rows at once; then 12 rows of the first 4 images and 9 of the other 3.
    assert sizes == [21, 4, 4, 4, 4, 4, 1]


def test_a_grid_resumes_where_it_stopped_and_takes_further_values(tmp_path, classifier, dataset):
    run_of(tmp_path / "run", classifier, dataset, ["pgd_l2:eps=0.3,0.7,steps=4"], limit=3)
    calls: list[list[float]] = []

    def make(eps: torch.Tensor) -> Attack:
        calls.append(eps.tolist())
        return limen.attacks.pgd_l2(eps=eps, steps=4)

    values = (0.3, 0.7, 1.5)
    grid = Grid(tuple(limen.attacks.pgd_l2(eps=value, steps=4).identity for value in values), values, make)
    manifest = describe_run(classifier, dataset, [grid], model_spec="rows")
    with create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(classifier, dataset, [grid], writer, batch_size=7)
    assert sorted(itertools.chain(*calls)) == [0.3] * 4 + [0.7] * 4 + [1.5] * 7
    whole = run_of(tmp_path / "whole", classifier, dataset, ["pgd_l2:eps=0.3,0.7,1.5,steps=4"])
    assert_same(open_run(tmp_path / "run"), whole)


def test_a_value_that_stands_in_two_grids_is_attacked_once(tmp_path, classifier, dataset):
    specs = ["fgsm:eps=0.01,0.02", "fgsm:eps=0.02,0.03", "fgsm:eps=0.01"]
    run = run_of(tmp_path / "run", classifier, dataset, specs)
    assert run.manifest.labels == ("fgsm:eps=0.01", "fgsm:eps=0.02", "fgsm:eps=0.03")
    assert [len(rows) for rows in content(run).values()] == [7, 7, 7]


def test_progress_is_told_for_each_value(tmp_path, classifier, dataset):
    seen: list[tuple[str, int, int]] = []
    attacks = [catalog.attack_or_grid("fgsm:eps=0.01,0.02")]
    manifest = describe_run(classifier, dataset, attacks, model_spec="rows")
    with create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(
            classifier, dataset, attacks, writer, batch_size=7, progress=lambda *told: seen.append(told)
        )
    assert seen == [
        ("fgsm:eps=0.01", 0, 7),
        ("fgsm:eps=0.02", 0, 7),
        ("fgsm:eps=0.01", 7, 7),
        ("fgsm:eps=0.02", 7, 7),
    ]

"""Magnified pictures of a stored run, against the function that makes them, image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import limen
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.fooled import most_fooled
from limen.images import from_uint8
from limen.runs import Run, Stored, open_run
from limen.runs.files import decode_png
from limen.structure import magnify

FGSM, DDN = "fgsm:eps=0.02", "ddn:steps=10"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("magnification") / "run"
    classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=8)
    attacks = [limen.catalog.attack(spec) for spec in (FGSM, DDN)]
    with limen.runs.create_or_resume(folder, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return open_run(folder)


def measured(run: Run, options: str) -> tuple[Stored, dict[str, list[str]]]:
    """The evaluation, and by image the attacks that it has pictures of."""
    stored = evaluate(run, EVALUATIONS.make(f"magnify:{options}"))
    pictured: dict[str, list[str]] = {}
    for row in stored.records().to_pylist():
        pictured.setdefault(row["id"], []).append(row["attack"])
    return stored, pictured


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("images=2", {}),
        ("images=1,beta=0.3", {"beta": 0.3}),
        ("images=1,domain=2", {"domain": 2.0}),
        ("images=1,range=0.05", {"range": 0.05}),
        ("images=1,radius=4", {"radius": 4}),
    ],
)
def test_an_original_and_what_was_made_of_it_have_one_scale(run, options, settings):
    stored, pictured = measured(run, options)
    for image_id, labels in pictured.items():
        pixels = [run.original(image_id), *(run.image(label, image_id) for label in labels)]
        magnified = magnify(from_uint8(np.stack(pixels)), **settings).double()
        least, greatest = magnified.aminmax()
        row = next(row for row in stored.records().to_pylist() if row["id"] == image_id)
        assert (row["least"], row["greatest"]) == (
            pytest.approx(least.item()),
            pytest.approx(greatest.item()),
        )
        for label, expected in zip(
            (None, *labels), (magnified - least) / (greatest - least) * 255, strict=True
        ):
            found = torch.from_numpy(decode_png(stored.picture(label, image_id)).astype(float))
            assert (found.permute(2, 0, 1) - expected).abs().max() < 0.51


def test_shown_are_the_images_that_most_attacks_fooled_with_their_distances(run):
    rows = [
        row for row in run.table().to_pylist() if row["success"] and row["clean_prediction"] == row["label"]
    ]
    by_attack = [[row["id"] for row in rows if row["attack"] == label] for label in (FGSM, DDN)]
    assert 0 < len(by_attack[0]) < len(by_attack[1])
    stored, pictured = measured(run, "images=3")
    (block,) = stored.document().blocks
    assert [row.title for row in block.rows] == most_fooled(by_attack, 3)
    assert set(pictured) == {row.title for row in block.rows}
    l2 = {(row["attack"], row["id"]): row["l2"] for row in rows}
    for row in block.rows:
        for picture in row.pictures[1:]:
            if picture.image is None:
                assert (picture.series, row.title) not in l2
            else:
                assert picture.note.startswith(f"L₂ {l2[picture.series, row.title]:.3g} · SSIM ")


def test_of_equally_fooled_images_the_first_come_first():
    assert most_fooled([["a", "b", "c"], ["c"]], 2) == ["c", "a"]
    assert most_fooled([], 2) == []

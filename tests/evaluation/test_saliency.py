"""Distances between saliency maps: in closed form, and of a stored run image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

import limen
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.saliency import map_distances, scaled
from limen.images import from_uint8
from limen.runs import Run, create_or_resume, open_run
from limen.runs.files import decode_png
from limen.structure import saliency_maps

STRONG, WEAK = "fgsm:eps=0.06", "fgsm:eps=0.004"
OWN = """
def bright(images):
    return images.mean(1)


def loud(images):
    return 3 * images.mean(1)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("saliency")
    classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=6)
    attacks = [limen.catalog.attack(label) for label in (STRONG, WEAK)]
    manifest = describe_run(classifier, dataset, attacks, model_spec="demo:photos")
    with create_or_resume(folder / "run", manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(OWN)
    return path


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 143))
def test_of_two_flat_maps_and_a_spot_the_distances_are_in_closed_form(low, high, place):
    before, after = torch.full((2, 12, 12), low), torch.full((2, 12, 12), high)
    before[1], after[1] = low, low
    after[1].view(-1)[place] = high
    found = map_distances(before, after)
    change = abs(np.float32(high) - np.float32(low)).item()
    flat = 2 * np.float32(low).item() * np.float32(high).item() + 1e-4
    flat /= np.float32(low).item() ** 2 + np.float32(high).item() ** 2 + 1e-4
    assert found["l1"].tolist() == pytest.approx([144 * change, change], abs=1e-5)
    assert found["l2"].tolist() == pytest.approx([12 * change, change], abs=1e-5)
    assert found["linf"].tolist() == pytest.approx([change, change], abs=1e-6)
    assert found["dissimilarity"][0].item() == pytest.approx(1 - flat, abs=1e-6)


def test_the_dissimilarity_is_that_of_scikit_image_and_none_for_small_maps():
    before, after = torch.rand(2, 1, 30, 20, generator=torch.Generator().manual_seed(0)).double()
    whole = structural_similarity(
        before[0].numpy(),
        after[0].numpy(),
        data_range=1,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert map_distances(before, after)["dissimilarity"].item() == pytest.approx(1 - whole)
    small = map_distances(before[:, :10], after[:, :10])
    assert small["dissimilarity"].isnan().all()
    assert small["l1"] > 0
    assert map_distances(before[:0], after[:0])["l2"].shape == (0,)


def test_maps_are_brought_to_0_and_1_by_their_peaks_or_must_lie_there():
    maps = torch.tensor([[[0.0, 4.0]], [[0.0, 0.0]], [[0.25, 0.5]]])
    assert scaled(maps, "peak").tolist() == [[[0.0, 1.0]], [[0.0, 0.0]], [[0.5, 1.0]]]
    assert torch.equal(scaled(maps[1:], "none"), maps[1:])
    with pytest.raises(UsageError, match=r"must lie in \[0, 1\]; these reach 4"):
        scaled(maps, "none")


def test_every_record_is_of_the_maps_of_the_two_stored_images(run):
    stored = evaluate(run, EVALUATIONS.make("saliency:images=1"), batch_size=4)
    rows = stored.records().to_pylist()
    known = {(row["attack"], row["id"]): row for row in run.table().to_pylist()}
    fooled = {key for key, row in known.items() if row["success"] and row["clean_prediction"] == row["label"]}
    assert {(row["attack"], row["id"]) for row in rows} == fooled
    for row in rows:
        pixels = np.stack([run.original(row["id"]), run.image(row["attack"], row["id"])])
        maps = saliency_maps("spectral_residual", from_uint8(pixels))
        maps = maps / maps.amax((1, 2), keepdim=True)
        for name, value in map_distances(maps[:1], maps[1:]).items():
            assert row[name] == pytest.approx(value.item(), rel=1e-3, abs=1e-4)
    assert max(row["linf"] for row in rows) > 0.01


def test_the_table_has_means_over_successes_or_over_all(run):
    for spec, count in (("saliency:images=0", "fooled"), ("saliency:images=0,failures=true", "all")):
        stored = evaluate(run, EVALUATIONS.make(spec))
        rows = stored.records().to_pylist()
        table = stored.document().blocks[0]
        for line in table.groups[0].rows:
            of = [row for row in rows if row["attack"] == line[0].text]
            assert line[1].value == len(of)
            assert line[1].note == (f"{sum(row['fooled'] for row in of)} fooled" if count == "all" else "")
            if of:
                expected = [np.mean([row[name] for row in of]) for name in ("l1", "l2", "linf")]
                assert [cell.value for cell in line[2:5]] == pytest.approx(expected)
                assert all(cell.low <= cell.value <= cell.high for cell in line[2:])
        failed = [row for row in rows if not row["fooled"]]
        assert bool(failed) == (count == "all")
        assert all(row["l1"] == row["dissimilarity"] == 0 for row in failed)


def test_a_model_of_ones_own_may_give_maps_in_0_and_1_that_are_left_alone(run, own):
    stored = evaluate(run, EVALUATIONS.make(f"saliency:model=python:{own}:bright,scale=none,images=0"))
    row = stored.records().to_pylist()[0]
    pixels = (run.original(row["id"]) / 255.0, run.image(row["attack"], row["id"]) / 255.0)
    before, after = (each.mean(-1) for each in pixels)
    assert row["l1"] == pytest.approx(np.abs(after - before).sum(), rel=1e-4)
    assert "as the model gives them" in stored.document().blocks[0].caption
    with pytest.raises(UsageError, match="must lie in"):
        evaluate(run, EVALUATIONS.make(f"saliency:model=python:{own}:loud,scale=none"))


def test_pictures_stand_above_their_maps(run):
    stored = evaluate(run, EVALUATIONS.make("saliency:images=1"))
    (row,) = stored.document().blocks[1].rows
    original = run.original(row.title)
    height, gap = original.shape[0], original.shape[0] // 32
    for picture in (each for each in row.pictures if each.image is not None):
        pixels = run.image(picture.series, row.title) if picture.series else original
        shown = decode_png(picture.image)
        assert shown.shape[0] == 2 * height + gap
        assert np.array_equal(shown[:height], pixels)
        assert shown[height + gap :].std() > 0
    assert "L∞" in row.pictures[1].note

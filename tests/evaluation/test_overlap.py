"""The measures against counting by hand and scikit-learn, and the protocol over stored runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import jaccard_score, precision_score, recall_score

import limen
from limen.data import batches
from limen.errors import UsageError
from limen.evaluation import (
    attention_overlap,
    describe_run,
    evaluate_overlap,
    overlap_measures,
    run_attacks,
)
from limen.evaluation.overlap import THRESHOLDS
from limen.images import from_uint8, to_uint8
from limen.metrics import ssim_map
from limen.runs import Run, RunError, attention_path, open_run, read_overlap
from limen.runs.files import decode_png
from limen.runs.overlap import MEASURES, TABLE_THRESHOLD
from limen.structure import class_activation_map, feature_layer

FGSM, DDN = "fgsm:eps=0.06", "ddn:steps=10"


def test_the_measures_of_a_small_case_are_those_counted_by_hand():
    noise = torch.zeros(1, 1, 3, 4)
    noise[0, 0] = torch.tensor([[0.9, 0.9, 0.1, 0.0], [0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.2]])
    attention = torch.tensor([[[1.0, 0.5, 0.0, 0.0], [0.8, 0.8, 0.0, 0.0], [0.75, 0.0, 0.0, 0.0]]])
    # G: three pixels (0.75 is not above 0.75). Above 0.15, N: four, two of them in G.
    found = overlap_measures(noise, attention, (0.05, 0.15, 0.6, 0.95))
    expected = {
        "precision": [2 / 5, 2 / 4, 1 / 2, torch.nan],
        "pixels": [5 / 12, 4 / 12, 2 / 12, 0],
        "recall": [2 / 3, 2 / 3, 1 / 3, 0],
        "iou": [2 / 6, 2 / 5, 1 / 4, 0],
        "iou_outside": [3 / 11, 2 / 11, 1 / 10, 0],
    }
    assert tuple(found) == MEASURES
    for name, values in expected.items():
        torch.testing.assert_close(found[name], torch.tensor([values]).double(), equal_nan=True)


def test_a_value_at_the_threshold_is_not_above_it():
    noise = torch.full((1, 1, 2, 2), TABLE_THRESHOLD)
    assert overlap_measures(noise, torch.ones(1, 2, 2), [TABLE_THRESHOLD])["pixels"].item() == 0


def test_channels_are_averaged_and_an_empty_one_is_left_out_of_precision_alone():
    noise = torch.zeros(1, 3, 2, 2)
    noise[0, 0] = 1
    noise[0, 1, 0, 0] = 1
    attention = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    found = overlap_measures(noise, attention, [0.5])
    assert found["precision"].item() == pytest.approx((1 / 4 + 1) / 2)
    assert found["pixels"].item() == pytest.approx((1 + 1 / 4 + 0) / 3)
    assert found["recall"].item() == pytest.approx(2 / 3)
    assert found["iou"].item() == pytest.approx((1 / 4 + 1 + 0) / 3)
    assert found["iou_outside"].item() == pytest.approx((3 / 4 + 0 + 0) / 3)


def test_without_attention_recall_is_undefined_and_nothing_raises():
    found = overlap_measures(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3), [0.5])
    assert [bool(found[name].isnan()) for name in MEASURES] == [True, False, True, True, False]


def maps(seed: int, count: int = 3, channels: int = 3, size: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, channels, size, size, generator=source) ** 2
    return noise, torch.rand(count, size, size, generator=source)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.floats(0, 1), min_size=1, max_size=5, unique=True).map(sorted))
def test_the_measures_are_those_of_scikit_learn(seed, thresholds):
    noise, attention = maps(seed, count=2, channels=2, size=4)
    found = overlap_measures(noise, attention, thresholds, 0.6)
    for i in range(2):
        truth = (attention[i] > 0.6).flatten().numpy()
        for t, threshold in enumerate(torch.tensor(thresholds)):
            perturbed = [(channel > threshold).flatten().numpy() for channel in noise[i]]
            kept = [each for each in perturbed if each.any()]
            options = {"zero_division": np.nan}
            expected = {
                "precision": [precision_score(truth, each) for each in kept],
                "pixels": [each.mean() for each in perturbed],
                "recall": [recall_score(truth, each, **options) for each in perturbed],
                "iou": [jaccard_score(truth, each) for each in perturbed if (each | truth).any()],
                "iou_outside": [jaccard_score(~truth, each) for each in perturbed if (each | ~truth).any()],
            }
            for name, values in expected.items():
                mean = np.mean(values) if len(values) else np.nan
                assert found[name][i, t].item() == pytest.approx(mean, nan_ok=True), name


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_measures_obey_their_identities(seed):
    noise, attention = maps(seed, channels=1)
    found = overlap_measures(noise, attention, (0.1, 0.3, 0.5))
    precision, recall = found["precision"], found["recall"]
    region = (attention > 0.75).double().mean((1, 2))[:, None]
    hit = precision * found["pixels"]
    torch.testing.assert_close(hit.nan_to_num(), (recall * region).nan_to_num())
    # 1/IoU = 1/precision + 1/recall − 1, where anything is hit.
    some = hit > 0
    torch.testing.assert_close(1 / found["iou"][some], (1 / precision + 1 / recall - 1)[some])
    # IoU-outside is the IoU with the complement of G.
    turned = overlap_measures(noise, (attention <= 0.75).double(), (0.1, 0.3, 0.5))
    torch.testing.assert_close(found["iou_outside"], turned["iou"])
    assert bool((found["pixels"].diff(dim=1) <= 0).all())
    assert bool((recall.nan_to_num().diff(dim=1) <= 0).all())
    for values in found.values():
        assert bool(((values >= 0) & (values <= 1) | values.isnan()).all())


def test_an_images_measures_do_not_depend_on_its_batch_or_the_other_thresholds():
    noise, attention = maps(3, count=5)
    whole = overlap_measures(noise, attention, (0.1, 0.2, 0.6))
    alone = overlap_measures(noise[2:3], attention[2:3], [0.2])
    for name in MEASURES:
        torch.testing.assert_close(alone[name], whole[name][2:3, 1:2], equal_nan=True)


def test_what_does_not_fit_is_refused():
    noise, attention = maps(0)
    with pytest.raises(UsageError, match=r"do not fit; expected \(N, C, H, W\)"):
        overlap_measures(noise, attention[:2], [0.1])
    with pytest.raises(UsageError, match="thresholds must rise"):
        overlap_measures(noise, attention, [0.2, 0.1])


@pytest.fixture(scope="module")
def classifier() -> limen.Classifier:
    return limen.catalog.model("demo:photos")


@pytest.fixture(scope="module")
def directory(classifier, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("overlap") / "run"
    dataset = limen.data.demo("photos", count=12)
    attacks = [limen.catalog.attack(spec) for spec in (FGSM, DDN)]
    manifest = describe_run(classifier, dataset, attacks, model_spec="demo:photos")
    with limen.runs.create_or_resume(folder, manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return folder


@pytest.fixture
def run(directory) -> Run:
    return open_run(directory)


def test_a_run_is_measured_image_by_image(run, classifier):
    overlaps = attention_overlap(run, classifier, thresholds=(0.001, TABLE_THRESHOLD), batch_size=5)
    assert [each.label for each in overlaps] == [FGSM, DDN]
    rows = run.table().to_pylist()
    for overlap in overlaps:
        counted = [
            row["id"]
            for row in rows
            if row["attack"] == overlap.label and row["success"] and row["clean_prediction"] == row["label"]
        ]
        assert list(overlap.ids) == counted
        assert len(counted) > 2
        image_id = counted[-1]
        original, stored = (
            from_uint8(pixels[None])
            for pixels in (run.original(image_id), run.image(overlap.label, image_id))
        )
        expected = overlap_measures(
            1 - ssim_map(original, stored),
            class_activation_map(classifier, original),
            (0.001, TABLE_THRESHOLD),
        )
        for name in MEASURES:
            np.testing.assert_allclose(getattr(overlap, name)[-1:], expected[name], atol=1e-6)


def test_failures_and_images_that_were_wrong_before_do_not_count(classifier, tmp_path):
    (batch,) = batches(limen.data.demo("photos", count=8), range(8), 8, pytest.fail)
    labels = batch.labels.numpy() + (np.arange(8) < 3)
    wrong = limen.data.from_arrays("some labels wrong", to_uint8(batch.images), labels % 12)
    attacks = [limen.attacks.fgsm(eps=0.0), limen.attacks.fgsm(eps=0.06)]
    manifest = describe_run(classifier, wrong, attacks, model_spec="demo:photos")
    with limen.runs.create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(classifier, wrong, attacks, writer)
    none, some = attention_overlap(open_run(tmp_path / "run"), classifier)
    assert none.ids == ()
    assert none.precision.shape == (0, len(THRESHOLDS))
    assert 0 < len(some.ids) <= 5


def test_the_result_does_not_depend_on_the_batch_size_and_the_limit_is_the_data_sets(run, classifier):
    whole, parts = (attention_overlap(run, classifier, batch_size=size)[1] for size in (32, 1))
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    few = attention_overlap(run, classifier, attacks=[DDN], limit=4)
    assert [each.label for each in few] == [DDN]
    first = {row["id"] for row in run.table().to_pylist() if row["index"] < 4}
    assert few[0].ids == tuple(each for each in whole.ids if each in first)


def test_progress_is_told_of_each_attack(run, classifier):
    told = []
    overlaps = attention_overlap(run, classifier, batch_size=5, progress=lambda *each: told.append(each))
    for overlap in overlaps:
        own = [(done, total) for label, done, total in told if label == overlap.label]
        assert own[0] == (0, len(overlap.ids))
        assert own[-1] == (len(overlap.ids), len(overlap.ids))
        assert len(own) > 2


def test_attention_depends_on_the_method_and_the_layer(run, classifier):
    default, other, early = (
        attention_overlap(run, classifier, attacks=[DDN], **options)[0]
        for options in ({}, {"attention_threshold": 0.1}, {"method": "gradcam", "layer": "0"})
    )
    assert not np.array_equal(default.recall, other.recall, equal_nan=True)
    assert not np.array_equal(default.recall, early.recall, equal_nan=True)
    np.testing.assert_array_equal(default.pixels, other.pixels)


def test_an_evaluation_is_stored_in_its_run_with_maps_of_the_originals(run, classifier):
    evaluation = evaluate_overlap(run, classifier, method="gradcam", pictures=2)
    stored = read_overlap(run)
    assert stored is not None
    assert (stored.method, stored.attention_threshold) == ("gradcam", 0.75)
    assert stored.layer == feature_layer(classifier, from_uint8(run.original("astronaut-0000")[None]))
    expected = attention_overlap(run, classifier, method="gradcam")
    for mine, theirs, returned in zip(stored.overlaps, expected, evaluation.overlaps, strict=True):
        assert mine.ids == theirs.ids == returned.ids
        np.testing.assert_array_equal(mine.iou, theirs.iou)
    assert len(stored.pictured) == 2
    assert set(stored.pictured) <= set(expected[0].ids) & set(expected[1].ids)
    for image_id in stored.pictured:
        attention = class_activation_map(
            classifier, from_uint8(run.original(image_id)[None]), method="gradcam"
        )
        pixels = decode_png(attention_path(run, stored, image_id))
        np.testing.assert_allclose(pixels[:, :, 0] / 255, attention[0], atol=0.5 / 255 + 1e-5)


def test_a_run_without_records_is_refused(classifier, tmp_path):
    manifest = describe_run(
        classifier, limen.data.demo("photos", count=2), [limen.catalog.attack(DDN)], model_spec="demo:photos"
    )
    with limen.runs.create_or_resume(tmp_path, manifest):
        pass
    with pytest.raises(UsageError, match="no records yet"):
        evaluate_overlap(open_run(tmp_path), classifier)


def test_an_attack_that_the_run_lacks_and_a_negative_limit_are_refused(run, classifier):
    with pytest.raises(UsageError, match="the run has no attack 'pgd'"):
        attention_overlap(run, classifier, attacks=["pgd"])
    with pytest.raises(UsageError, match="limit must be at least 0"):
        attention_overlap(run, classifier, limit=-1)


def test_an_image_of_another_size_is_one_error_that_names_the_file(run, classifier):
    image_id = attention_overlap(run, classifier)[1].ids[1]
    path = run.image_path(DDN, image_id)
    whole = path.read_bytes()
    try:
        Image.new("RGB", (20, 20)).save(path)
        with pytest.raises(RunError, match=r"\.png: shape \(20, 20, 3\), unlike"):
            attention_overlap(run, classifier)
    finally:
        path.write_bytes(whole)

"""The measures against counting by hand and scikit-learn, and the protocol over stored runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.fooled import most_fooled, picture_rows
from limen.evaluation.overlap import (
    MEASURES,
    TABLE_THRESHOLD,
    THRESHOLDS,
    Overlap,
    overlap_measures,
    overlaps_of,
)
from limen.identity import Identity
from limen.images import from_uint8, to_uint8
from limen.metrics import ssim_map
from limen.pictures import common_top, lost_structure, outline
from limen.runs import Run, RunError, Stored, open_run
from limen.runs.files import decode_png
from limen.structure import feature_layer, gradcam, gradcam_plus_plus

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
    assert tuple(found) == tuple(MEASURES)
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


def overlap(values: np.ndarray, **changed: np.ndarray) -> Overlap:
    """An overlap of images with these values of every measure at T thresholds."""
    measures = dict.fromkeys(MEASURES, values) | changed
    count, thresholds = values.shape
    return Overlap(tuple(map(str, range(count))), np.arange(thresholds) / 10, np.ones(count), measures)


def test_means_are_over_the_images_that_have_a_value_and_each_measure_has_its_own():
    precision = np.array([[0.2, np.nan], [0.4, np.nan], [0.9, 0.5]])
    one = overlap(np.array([[0.0, 0.1], [0.1, 0.2], [0.5, 0.3]]), precision=precision)
    means = one.means()
    np.testing.assert_allclose(means["precision"].mean, [0.5, 0.5])
    np.testing.assert_allclose(means["iou"].mean, [0.2, 0.2])
    assert means["precision"].low[0] < 0.5 < means["precision"].high[0]
    assert one.empty.tolist() == [0, 2]


def test_no_image_has_no_mean():
    none = overlap(np.zeros((0, 3))).means()["recall"]
    assert np.isnan(none.mean).all()
    assert np.isnan(none.high).all()


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
def run(directory, tmp_path) -> Run:
    return open_run(shutil.copytree(directory, tmp_path / "run"))


def measured(run: Run, spec: str = "attention:images=0", **settings) -> tuple[Stored, dict[str, Overlap]]:
    stored = evaluate(run, EVALUATIONS.make(spec), **settings)
    return stored, overlaps_of(stored.records(), stored.attacks)


def test_a_run_is_measured_image_by_image(run, classifier):
    stored, overlaps = measured(run, batch_size=5)
    assert stored.header.notes == {
        "layer": feature_layer(classifier, from_uint8(run.original(ids(run)[0])[None]))
    }
    rows = run.table().to_pylist()
    for label, found in overlaps.items():
        counted = [
            row["id"]
            for row in rows
            if row["attack"] == label and row["success"] and row["clean_prediction"] == row["label"]
        ]
        assert list(found.ids) == counted
        assert len(counted) > 2
        original, adversarial = (
            from_uint8(pixels[None]) for pixels in (run.original(counted[-1]), run.image(label, counted[-1]))
        )
        noise = 1 - ssim_map(original, adversarial)
        expected = overlap_measures(noise, gradcam_plus_plus(classifier, original))
        for name in MEASURES:
            np.testing.assert_allclose(found.values[name][-1:], expected[name], atol=1e-6)
        assert found.peaks[-1] == pytest.approx(noise.mean(1).max().item())
        assert tuple(found.thresholds) == THRESHOLDS


def ids(run: Run) -> list[str]:
    return run.table()["id"].to_pylist()


def test_failures_and_images_that_were_wrong_before_do_not_count(classifier, tmp_path):
    (batch,) = batches(limen.data.demo("photos", count=8), range(8), 8, pytest.fail)
    labels = batch.labels.numpy() + (np.arange(8) < 3)
    wrong = limen.data.from_arrays("some labels wrong", to_uint8(batch.images), labels % 12)
    attacks = [limen.attacks.fgsm(eps=0.0), limen.attacks.fgsm(eps=0.06)]
    manifest = describe_run(classifier, wrong, attacks, model_spec="demo:photos")
    with limen.runs.create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(classifier, wrong, attacks, writer)
    stored, overlaps = measured(open_run(tmp_path / "run"))
    none, some = overlaps.values()
    assert none.ids == ()
    assert 0 < len(some.ids) <= 5
    (table,) = [block for block in stored.document().blocks if block.title.startswith("Where")]
    assert [cell.shown for cell in table.groups[0].rows[0]][1:] == ["0", *["–"] * 6]


def test_the_table_and_the_charts_say_what_the_records_say(run):
    stored, overlaps = measured(run)
    table, charts = stored.document().blocks
    at = THRESHOLDS.index(TABLE_THRESHOLD)
    for row, (label, found) in zip(table.groups[0].rows, overlaps.items(), strict=True):
        assert (row[0].text, row[0].series, row[1].value) == (label, label, len(found.ids))
        assert row[3].value == pytest.approx(found.values["pixels"][:, at].mean())
        assert row[3].low < row[3].value < row[3].high
        assert row[-1].value == found.empty[at]
    assert len(charts.charts) == len(MEASURES) + 1
    for chart in charts.charts:
        assert [line.name for line in chart.lines] == list(overlaps)
    precision, pixels = (chart.lines[0].y for chart in charts.charts[:2])
    assert np.isnan(precision[-1]) == (overlaps[FGSM].empty[-1] == len(overlaps[FGSM].ids))
    np.testing.assert_allclose(pixels, overlaps[FGSM].values["pixels"].mean(0))
    shares = charts.charts[-1].lines[1].y
    np.testing.assert_allclose(shares, 1 - overlaps[DDN].empty / len(overlaps[DDN].ids))


def test_attention_depends_on_the_method_the_threshold_and_the_layer(run, classifier):
    default, lower, early = (
        measured(run, spec)[1][DDN]
        for spec in ("attention:images=0", "attention:threshold=0.1", "attention:method=gradcam:layer=0")
    )
    for other in (lower, early):
        assert not np.array_equal(default.values["recall"], other.values["recall"], equal_nan=True)
        np.testing.assert_array_equal(default.values["pixels"], other.values["pixels"])
    image = from_uint8(run.original(early.ids[0])[None])
    noise = 1 - ssim_map(image, from_uint8(run.image(DDN, early.ids[0])[None]))
    expected = overlap_measures(noise, gradcam(classifier, image, layer="0"))["recall"]
    np.testing.assert_allclose(early.values["recall"][:1], expected, atol=1e-6)


def test_pictures_show_the_attention_of_the_original_and_where_each_attack_lost_structure(run, classifier):
    stored, overlaps = measured(run, "attention:images=2")
    (block,) = [block for block in stored.document().blocks if block.title == "Attention and lost structure"]
    assert len(block.rows) == 2
    for row in block.rows:
        original, *maps = row.pictures
        fooled = [label for label, found in overlaps.items() if row.title in found.ids]
        assert [picture.series for picture in maps] == [FGSM, DDN]
        assert [picture.series for picture in maps if picture.image is not None] == fooled
        region = gradcam_plus_plus(classifier, from_uint8(run.original(row.title)[None]))[0] > 0.75
        for picture in row.pictures:
            if picture.image is not None:
                pixels = decode_png(picture.image)
                cyan = (pixels == (0, 229, 255)).all(-1)
                assert np.array_equal(cyan, outline(region.numpy()))
        pixels = decode_png(original.image).astype(int)
        far = gradcam_plus_plus(classifier, from_uint8(run.original(row.title)[None]))[0].numpy() == 0
        far &= ~outline(~region.numpy())
        assert np.array_equal(pixels[far], run.original(row.title)[far])
        assert row.scale == "1 − SSIM"
        before = run.original(row.title)
        lost = [lost_structure(before, run.image(label, row.title)) for label in fooled]
        assert row.top == common_top(lost)


def test_other_weights_than_the_runs_are_refused(run):
    other = limen.catalog.model("demo:photos")
    with torch.no_grad():
        next(other.module.parameters()).add_(1)
    with pytest.raises(UsageError, match="other weights now than when the run was made"):
        measured(run, classifier=other)


def test_data_that_is_not_the_runs_is_refused(run, monkeypatch):
    monkeypatch.setattr(limen.catalog, "data", lambda spec: limen.data.demo("photos", count=3))
    with pytest.raises(UsageError, match=r"demo:photos,.* is not what it was when the run was made"):
        evaluate(run, EVALUATIONS.make("fairness"))


def test_options_that_mean_nothing_are_refused(run):
    with pytest.raises(UsageError, match=r"threshold is 1\.5; expected a number from 0 to 1"):
        evaluate(run, EVALUATIONS.make("attention:threshold=1.5"))
    with pytest.raises(UsageError, match="images is -1; expected how many to picture, 0 for none"):
        most_fooled([["a"]], -1)
    kept: Any = SimpleNamespace(identity=Identity("attention", {"images": "many"}))
    with pytest.raises(UsageError, match="images must be a number, not 'many'"):
        picture_rows(kept, {}, "original")


def test_an_image_of_another_size_is_one_error_that_names_the_file(run):
    Image.new("RGB", (20, 20)).save(run.image_path(DDN, measured(run)[1][DDN].ids[1]))
    with pytest.raises(RunError, match=r"\.png: shape \(20, 20, 3\), unlike"):
        measured(run, "attention:threshold=0.5")

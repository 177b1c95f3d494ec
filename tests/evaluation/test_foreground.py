"""Foreground scores of a stored run, against the functions that make them, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import limen
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.foreground_scores import scores_of
from limen.images import from_uint8, to_uint8
from limen.pictures import lit
from limen.runs import Run, Stored, open_run
from limen.runs.files import decode_png
from limen.structure import foreground_score, masks_of

DUAL = "dual_perturbation:eps_foreground=1,eps_background=8,steps=8,salience=0,1,10"
WEAK = "fgsm:eps=0.004"


def middle(count: int, height: int, width: int) -> np.ndarray:
    """Masks of the middle; the first is empty and the last full."""
    masks = np.zeros((count, height, width), bool)
    masks[1:-1, height // 4 : -height // 4, width // 4 : -width // 4] = True
    masks[-1] = True
    return masks


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("foreground")
    classifier = limen.catalog.model("demo:photos")
    photos = limen.data.numbered_as(limen.data.demo("photos", count=8), classifier.class_names)
    (batch,) = limen.data.batches(photos, range(8), 8, pytest.fail)
    pixels = to_uint8(batch.images)
    masks = middle(*pixels.shape[:3])
    np.savez(folder / "photos.npz", x=pixels, y=batch.labels.numpy(), mask=masks)
    dataset = limen.catalog.data(f"npz:{folder / 'photos.npz'}")
    attacks = [limen.catalog.attack_or_grid(spec) for spec in (DUAL, WEAK)]
    with limen.runs.create_or_resume(folder / "run", describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return folder / "run"


@pytest.fixture(scope="module")
def run(directory: Path) -> Run:
    return open_run(directory)


@pytest.fixture(scope="module")
def stored(run: Run) -> Stored:
    return evaluate(run, EVALUATIONS.make("foreground:mask=data,images=2"), batch_size=3)


def test_every_score_is_that_of_the_stored_pixels_on_the_foreground_of_the_original(run, stored):
    known = {(row["attack"], row["id"]): row for row in run.table().to_pylist()}
    rows = stored.records().to_pylist()
    right = {key for key, row in known.items() if row["clean_prediction"] == row["label"]}
    assert {(row["attack"], row["id"]) for row in rows} == right
    masks = middle(8, *run.original(rows[0]["id"]).shape[:2])
    for row in rows:
        mask = torch.from_numpy(masks[int(row["id"])])[None, None]
        pair = from_uint8(np.stack([run.original(row["id"]), run.image(row["attack"], row["id"])]))
        before, after = foreground_score(pair, mask.expand(2, -1, -1, -1)).tolist()
        assert (row["before"], row["after"]) == (
            pytest.approx(before, abs=1e-6),
            pytest.approx(after, abs=1e-6),
        )
        assert row["share"] == pytest.approx(mask.double().mean().item())
        assert (row["empty"], row["full"]) == (not mask.any(), bool(mask.all()))
        assert row["fooled"] == known[row["attack"], row["id"]]["success"]
    assert not all(row["fooled"] for row in rows)
    assert any(abs(row["after"] - row["before"]) > 1e-3 for row in rows)


def test_the_tables_say_how_many_foregrounds_divide_nothing_and_leave_them_out(stored):
    sizes, table = stored.document().blocks[:2]
    (row,) = sizes.groups[0].rows
    images = {each["id"]: each for each in stored.records().to_pylist()}.values()
    assert [cell.value for cell in row[1:]] == [
        len(images),
        pytest.approx(np.mean([each["share"] for each in images])),
        sum(each["empty"] for each in images),
        sum(each["full"] for each in images),
    ]
    assert row[3].value + row[4].value >= 1
    for line, (label, scores) in zip(table.groups[0].rows, scores_of(stored).items(), strict=True):
        assert line[0].series == label
        for cells, counted in ((line[1:5], scores.fooled), (line[5:], np.ones_like(scores.fooled))):
            kept = counted & scores.divided
            assert cells[0].value == kept.sum()
            left_out = (counted & ~scores.divided).sum()
            assert cells[0].note == (f"{left_out} left out" if left_out else "")
            if kept.any():
                means = [scores.before[kept].mean(), scores.after[kept].mean()]
                assert [cell.value for cell in cells[1:3]] == pytest.approx(means)
                assert all(cell.low <= cell.value <= cell.high for cell in cells[1:3])
        if (scores.fooled & scores.divided).any():
            assert line[4].value == pytest.approx(line[3].value - line[2].value)


def test_score_and_success_are_drawn_over_the_salience(stored):
    (charts,) = [
        block for block in stored.document().blocks if block.title.startswith("Over salience: dual_")
    ]
    score, success = charts.charts
    family = [each for label, each in scores_of(stored).items() if label.startswith("dual")]
    kept = np.all([each.fooled & each.divided for each in family], 0)
    assert kept.sum() > 1
    after, before = score.lines
    assert after.x == (0, 1, 10) == success.lines[0].x
    np.testing.assert_allclose(after.y, [each.after[kept].mean() for each in family])
    np.testing.assert_allclose(before.y, [each.before[kept].mean() for each in family])
    assert before.dashed
    assert after.y[2] > after.y[0]
    np.testing.assert_allclose(success.lines[0].y, [each.fooled.mean() for each in family])


def test_pictures_show_the_mask_over_the_original_above_where_people_look(run, stored):
    (block,) = [block for block in stored.document().blocks if block.title == "Where people look"]
    assert len(block.rows) == 2
    for row in block.rows:
        original = run.original(row.title)
        height, gap = original.shape[0], original.shape[0] // 32
        mask = middle(8, *original.shape[:2])[int(row.title)]
        first = decode_png(row.pictures[0].image)
        assert first.shape[0] == 3 * height + 2 * gap
        assert np.array_equal(first[:height], original)
        assert np.array_equal(first[height + gap : 2 * height + gap], lit(original, mask))
        for picture in row.pictures[1:]:
            if picture.image is not None:
                assert np.array_equal(
                    decode_png(picture.image)[:height], run.image(picture.series, row.title)
                )
                assert "→" in picture.note


def test_masks_and_gaze_come_from_the_methods_asked_for(run):
    seen = {}
    for options in ("", "mask=attention", "saliency=center_surround", "mask=saliency:logarithm=false"):
        stored = evaluate(run, EVALUATIONS.make(f"foreground:images=0,{options}".rstrip(",")))
        seen[options] = {row["id"]: (row["share"], row["before"]) for row in stored.records().to_pylist()}
    ids = list(seen[""])
    originals = from_uint8(np.stack([run.original(each) for each in ids]))
    classifier = limen.catalog.model("demo:photos")
    for options, method in (("", "saliency"), ("mask=attention", "attention")):
        shares = masks_of(method, originals, classifier).double().mean((1, 2, 3))
        assert [seen[options][each][0] for each in ids] == pytest.approx(shares.tolist())
    scores = foreground_score(originals, masks_of("saliency", originals), "center_surround")
    assert [seen["saliency=center_surround"][each][1] for each in ids] == pytest.approx(
        scores.tolist(), abs=1e-5
    )
    few = seen["mask=saliency:logarithm=false"]
    assert sum(share for share, _ in few.values()) < sum(share for share, _ in seen[""].values())


def test_neither_model_nor_data_is_asked_for_where_no_method_needs_it(directory, run, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("asked")

    monkeypatch.setattr("limen.catalog.model_of", refuse)
    monkeypatch.setattr("limen.catalog.data", refuse)
    evaluate(run, EVALUATIONS.make("foreground:images=1,saliency=center_surround"), limit=2)
    with pytest.raises(AssertionError, match="asked"):
        evaluate(run, EVALUATIONS.make("foreground:images=1,mask=attention"), limit=2)


def test_data_without_masks_is_one_error(tmp_path):
    classifier, dataset = limen.catalog.model("demo:photos"), limen.catalog.data("demo:photos,count=2")
    attacks = [limen.attacks.fgsm(eps=0.02)]
    with limen.runs.create_or_resume(tmp_path, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    with pytest.raises(UsageError, match="the data gives no masks"):
        evaluate(open_run(tmp_path), EVALUATIONS.make("foreground:mask=data"))

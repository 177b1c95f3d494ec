"""An evaluation, and a way to find attention, from a user's own file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import limen
from limen import user_code
from limen.catalog import ATTENTION
from limen.errors import LimenError, UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.overlap import THRESHOLDS, overlap_measures, overlaps_of
from limen.images import from_uint8
from limen.metrics import ssim_map
from limen.runs import Run, open_run
from limen.spec import write_spec
from limen.structure import gradcam_plus_plus

FGSM = "fgsm:eps=0.06"
CODE = """
import pyarrow as pa
import torch

from limen.document import Cell, Group, Table
from limen.evaluation import Part, evaluation


def centre(classifier, images, classes, *, side: int = 8):
    maps = images.new_zeros(len(images), *images.shape[2:])
    top, left = (size // 2 - side // 2 for size in images.shape[2:])
    maps[:, top : top + side, left : left + side] = 1
    return maps


def describe(stored):
    rows = [[Cell(row["id"]), Cell(value=row["mean"])] for row in stored.records().to_pylist()]
    return [Table("Brightness", "", ("image", "mean"), [Group("", rows)])]


@evaluation("How bright are the images?", describe)
def brightness(run, context, *, scale: float = 1.0):
    for batch in context.batches(context.correct()):
        for label, places in batch.attacked.items():
            ids = [batch.ids[place] for place in places]
            means = scale * context.adversarial(label, ids).mean((1, 2, 3))
            yield Part(pa.table({"attack": [label] * len(ids), "id": ids, "mean": means.numpy()}))


def nothing(run, context):
    yield Part()
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "my.py"
    path.write_text(CODE)
    return path


def attacked(folder: Path, classifier: limen.Classifier) -> Run:
    dataset, attacks = limen.data.demo("photos", count=6), [limen.catalog.attack(FGSM)]
    with limen.runs.create_or_resume(folder, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return open_run(folder)


@pytest.fixture
def run(tmp_path) -> Run:
    return attacked(tmp_path / "run", limen.catalog.model("demo:photos"))


def test_an_evaluation_takes_its_options_from_the_spec(file, run):
    what = EVALUATIONS.make(f"python:{file}:brightness,scale=2")
    stored = evaluate(run, what)
    (table,) = stored.document().blocks
    first = table.groups[0].rows[0]
    assert first[1].value == pytest.approx(2 * run.image(FGSM, first[0].text).mean() / 255)
    assert stored.header.identity.code is not None


def test_rows_of_an_older_file_are_not_mixed_with_those_of_a_newer_one(file, run):
    evaluate(run, EVALUATIONS.make(f"python:{file}:brightness"))
    file.write_text(CODE.replace("scale *", "7 * scale *"))
    stored = evaluate(run, EVALUATIONS.make(f"python:{file}:brightness"))
    (row, *_) = stored.records().to_pylist()
    assert row["mean"] == pytest.approx(7 * run.image(FGSM, row["id"]).mean() / 255)


def test_a_function_that_is_no_evaluation_is_refused(file):
    with pytest.raises(UsageError, match="is no evaluation; put @"):
        EVALUATIONS.make(f"python:{file}:nothing")


@pytest.mark.parametrize("side", [8, 20])
def test_attention_is_found_by_a_function_of_images(file, run, side):
    method = f"python:{file}:centre" + (f",side={side}" if side != 8 else "")
    stored = evaluate(run, EVALUATIONS.make(write_spec("attention", [("method", method), ("images", 1)])))
    (found,) = overlaps_of(stored.records(), [FGSM]).values()
    original, adversarial = (
        from_uint8(pixels[None]) for pixels in (run.original(found.ids[0]), run.image(FGSM, found.ids[0]))
    )
    maps = ATTENTION.make(method)(None, original, None)
    assert maps.sum() == side * side
    expected = overlap_measures(1 - ssim_map(original, adversarial), maps)["recall"]
    torch.testing.assert_close(torch.from_numpy(found.values["recall"][:1]), expected, atol=1e-6, rtol=0)
    assert len(THRESHOLDS) == expected.shape[1]
    assert "layer" not in stored.header.notes


def test_a_way_to_find_attention_that_changed_is_measured_anew(file, run):
    spec = write_spec("attention", [("method", f"python:{file}:centre"), ("images", 0)])
    before = evaluate(run, EVALUATIONS.make(spec)).records()
    file.write_text(CODE.replace("] = 1", "] = 0"))
    after = evaluate(run, EVALUATIONS.make(spec)).records()
    assert before["recall"].null_count == 0
    assert after["recall"].null_count == after.num_rows


def test_the_model_of_a_run_stands_behind_its_defences_again(tmp_path):
    classifier = limen.catalog.model("demo:photos", defenses=["bilateral:domain=3,range=2"])
    run = attacked(tmp_path / "defended", classifier)
    stored = evaluate(run, EVALUATIONS.make("attention:images=0"))
    (found,) = overlaps_of(stored.records(), [FGSM]).values()
    original, adversarial = (
        from_uint8(pixels[None]) for pixels in (run.original(found.ids[0]), run.image(FGSM, found.ids[0]))
    )
    noise = 1 - ssim_map(original, adversarial)
    behind, before = (
        overlap_measures(noise, gradcam_plus_plus(each, original))["precision"][0, :8]
        for each in (classifier, limen.catalog.model("demo:photos"))
    )
    assert found.values["precision"][0, :8] == pytest.approx(behind.numpy(), abs=1e-6)
    assert behind.numpy() != pytest.approx(before.numpy(), abs=1e-6)
    bare = limen.catalog.model("demo:photos")
    with pytest.raises(UsageError, match="has other defences now"):
        evaluate(run, EVALUATIONS.make("attention:images=1"), classifier=bare)


NETS = """
import limen
import torch


class Bright(torch.nn.Module):
    def forward(self, images):
        grey = images.mean(1)
        return torch.stack([grey, 1 - grey], 1)


def net():
    return limen.catalog.model("demo:digits")
"""


def test_code_that_only_the_run_names_is_not_run(tmp_path, monkeypatch):
    file = tmp_path / "nets.py"
    file.write_text(NETS)
    classifier, dataset = limen.catalog.model(f"python:{file}:net"), limen.data.demo("digits", count=3)
    mask = f"segmentation:network=python:{file}:Bright"  # which is made when the attack runs
    attacks = [limen.catalog.attack(f"dual_perturbation:steps=1,mask={mask}")]
    with limen.runs.create_or_resume(tmp_path / "run", describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    run, adaptive = open_run(tmp_path / "run"), "defenses:defense=bit_depth,adaptive=true"
    for spec, given in (("transfer:defense=bit_depth", None), (adaptive, classifier)):
        monkeypatch.setattr(user_code, "_loaded", {})  # as in another process
        with pytest.raises(LimenError, match=r"run names code in .*nets\.py"):
            evaluate(run, EVALUATIONS.make(spec), classifier=given)
        assert evaluate(run, EVALUATIONS.make(spec), classifier=given, trust=[file]).records().num_rows

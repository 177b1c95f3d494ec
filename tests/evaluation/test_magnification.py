"""Magnified pictures made from a stored run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import limen
from limen.errors import UsageError
from limen.evaluation import describe_run, evaluate_magnification, run_attacks
from limen.evaluation.fooled import fooled_images, most_fooled, together
from limen.images import from_uint8
from limen.runs import Run, magnified_path, open_run, read_magnification
from limen.runs.files import decode_png
from limen.structure import magnify

FGSM, DDN = "fgsm:eps=0.02", "ddn:steps=10"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("magnification") / "run"
    classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=8)
    attacks = [limen.catalog.attack(spec) for spec in (FGSM, DDN)]
    manifest = describe_run(classifier, dataset, attacks, model_spec="demo:photos")
    with limen.runs.create_or_resume(folder, manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return folder


@pytest.fixture
def run(directory) -> Run:
    return open_run(directory)


def test_shown_are_the_images_that_most_attacks_fooled(run):
    fooled = fooled_images(run, [FGSM, DDN], None)
    assert 0 < len(fooled[FGSM]) < len(fooled[DDN])
    evaluation = evaluate_magnification(run, pictures=len(fooled[DDN]))
    by_both = [len(labels) == 2 for labels in evaluation.pictured.values()]
    assert by_both == sorted(by_both, reverse=True)
    assert sum(by_both) == len(fooled[FGSM])
    for image_id, labels in evaluation.pictured.items():
        assert labels == tuple(label for label in (FGSM, DDN) if image_id in fooled[label])
    assert evaluate_magnification(run, pictures=1).pictured.keys() == {next(iter(evaluation.pictured))}
    assert read_magnification(run).attacks == (FGSM, DDN)


def test_an_original_and_what_was_made_of_it_have_one_scale(run):
    evaluation = evaluate_magnification(run, pictures=2)
    for image_id, labels in evaluation.pictured.items():
        pixels = [run.original(image_id), *(run.image(label, image_id) for label in labels)]
        magnified = magnify(from_uint8(np.stack(pixels))).double()
        expected = (magnified - magnified.min()) / (magnified.max() - magnified.min()) * 255
        for label, of_image in zip((None, *labels), expected, strict=True):
            stored = torch.from_numpy(decode_png(magnified_path(run, image_id, label)).astype(float))
            assert (stored.permute(2, 0, 1) - of_image).abs().max() < 0.51


def test_progress_is_told_of_each_attack(run):
    told = []
    evaluate_magnification(run, pictures=2, progress=lambda *each: told.append(each))
    assert {label for label, *_ in told} == {FGSM, DDN}
    for label in (FGSM, DDN):
        counts = [(done, total) for each, done, total in told if each == label]
        assert counts == [(done, counts[-1][1]) for done in range(1, counts[-1][1] + 1)]


def test_the_limit_is_the_data_sets(run):
    all_ids = together(fooled_images(run, [DDN], None))
    evaluation = evaluate_magnification(run, limit=2)
    indices = dict(zip(run.table()["id"].to_pylist(), run.table()["index"].to_pylist(), strict=True))
    assert set(evaluation.pictured) == {image_id for image_id in all_ids if indices[image_id] < 2}
    with pytest.raises(UsageError, match="limit must be at least 0"):
        evaluate_magnification(run, limit=-1)


def test_of_equally_fooled_images_the_first_come_first():
    assert most_fooled([["a", "b", "c"], ["c"]], 2) == ["c", "a"]
    assert most_fooled([], 2) == []

"""Stored images before another classifier, against one image after the other."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from torch import nn

import limen
from limen.defenses import Defended, bilateral
from limen.errors import UsageError
from limen.evaluation import describe_run, run_attacks, transfer
from limen.images import from_uint8
from limen.metrics import METRICS
from limen.runs import Run, characteristic, compare, create_or_resume, figures, open_run, outcomes

FGSM, DDN = "fgsm:eps=0.15", "ddn:steps=10"


@pytest.fixture(scope="module")
def net() -> limen.Classifier:
    return limen.catalog.model("demo:digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory, net) -> Run:
    dataset = limen.data.demo("digits", count=40)
    folder = tmp_path_factory.mktemp("run") / "run"
    attacks = [limen.catalog.attack(label) for label in (FGSM, DDN)]
    with create_or_resume(folder, describe_run(net, dataset, attacks, model_spec="demo:digits")) as writer:
        run_attacks(net, dataset, attacks, writer)
    return open_run(folder)


@pytest.fixture(scope="module")
def blurred(net) -> limen.Classifier:
    """Wide enough a filter that it is wrong on some images without an attack."""
    return Defended(net, lambda images: bilateral(images, domain=3.0, range=2.0))


def test_every_record_is_what_the_other_classifier_says_of_the_two_files(run, blurred):
    before = {row["id"]: row for row in run.table().to_pylist() if row["attack"] == FGSM}
    after = transfer(run, blurred, metrics=("l2", "ssim")).to_pylist()
    right = {key for key, row in before.items() if row["clean_prediction"] == row["label"]}
    assert {row["id"] for row in after if row["attack"] == FGSM} == right
    for row in after:
        pair = [
            from_uint8(pixels[None])
            for pixels in (run.original(row["id"]), run.image(row["attack"], row["id"]))
        ]
        original, stored = (blurred(image).argmax(1).item() for image in pair)
        assert (row["clean_prediction"], row["prediction"]) == (original, stored)
        assert row["success"] == (stored != row["label"])
        for name in ("l2", "ssim"):
            expected = METRICS[name](*pair).item() if row["success"] else None
            assert row[name] == (None if expected is None else pytest.approx(expected))
        assert row["mad"] is None


def test_only_images_that_both_classify_correctly_count(run, net, blurred):
    found = outcomes(transfer(run, blurred), [FGSM], run.manifest.metrics)
    expected = 0
    for row in run.table().filter(pc.field("attack") == FGSM).to_pylist():
        original = from_uint8(run.original(row["id"])[None])
        both = {one(original).argmax(1).item() for one in (net, blurred)}
        expected += both == {row["label"]}
    assert figures(found).images == expected
    assert 0 < expected < run.table().filter(pc.field("attack") == FGSM).num_rows


def test_behind_nothing_an_attack_is_worth_what_it_was(run, net):
    same = transfer(run, net)
    for label in (FGSM, DDN):
        was, now = (outcomes(table, [label], run.manifest.metrics) for table in (run.table(), same))
        assert figures(now).success == figures(was).success
        assert figures(now).mean.value == pytest.approx(figures(was).mean.value)
        assert now.backwards.sum() == was.backwards[was.correct].sum()
        np.testing.assert_allclose(characteristic(now).distances, characteristic(was).distances)


def test_the_protocol_takes_the_records(run, blurred):
    table = transfer(run, blurred)
    found = {label: outcomes(table, [label], run.manifest.metrics) for label in (FGSM, DDN)}
    # Just over the boundary of the attacked model is seldom over that of another.
    assert (
        figures(found[DDN]).success.value
        < figures(outcomes(run.table(), [DDN], run.manifest.metrics)).success.value
    )
    assert compare(found[DDN], found[FGSM]).images <= figures(found[DDN]).images


def test_batches_limits_and_attacks_choose_rows_and_change_none(run, blurred):
    whole = transfer(run, blurred, metrics=("l2",)).to_pylist()
    told = []
    part = transfer(
        run, blurred, [DDN], batch_size=7, limit=20, progress=lambda *counts: told.append(counts)
    ).to_pylist()
    expected = [row for row in whole if row["attack"] == DDN and row["index"] < 20]
    assert [row["id"] for row in part] == [row["id"] for row in expected]
    assert [row["prediction"] for row in part] == [row["prediction"] for row in expected]
    assert [row["l2"] for row in part] == [row["l2"] for row in expected]
    assert told[0] == (DDN, 0, len(part))
    assert told[-1] == (DDN, len(part), len(part))


def test_a_targeted_image_transfers_if_the_other_classifier_sees_the_target(tmp_path):
    def classes(order: list[int]) -> limen.Classifier:
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data = torch.eye(2)[order]
        return limen.Classifier(nn.Sequential(nn.Flatten(), layer))

    pixels = np.array([[[[200], [50]]], [[[180], [30]]]], np.uint8)
    samples = [limen.data.Sample(str(i), image, 0, 1) for i, image in enumerate(from_uint8(pixels))]
    dataset = limen.data.Dataset("pairs", ("0", "1"), samples.__getitem__)
    attacks = [limen.attacks.fgsm(eps=0.5)]
    net = classes([0, 1])
    manifest = describe_run(net, dataset, attacks, model_spec="two", targeted=True)
    with create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(net, dataset, attacks, writer, targeted=True)
    stored = open_run(tmp_path / "run")
    assert transfer(stored, net)["success"].to_pylist() == [True, True]
    assert transfer(stored, classes([1, 0]))["success"].to_pylist() == [False, False]


def test_what_cannot_be_done_is_refused(run, net):
    with pytest.raises(UsageError, match="'l3'"):
        transfer(run, net, metrics=("l3",))
    with pytest.raises(UsageError, match="limit must be at least 0"):
        transfer(run, net, limit=-1)
    with pytest.raises(UsageError, match="pgd_linf"):
        transfer(run, net, ["pgd_linf"])

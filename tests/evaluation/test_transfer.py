"""Stored images before another classifier, against one image after the other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from torch import nn

import limen
from limen.analysis import characteristic, compare, figures, outcomes
from limen.defenses import Defended, average_pool, bilateral, bit_depth
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.identity import Identity
from limen.images import from_uint8
from limen.metrics import METRICS, STANDARD
from limen.runs import DataEntry, Manifest, ModelEntry, Run, create_or_resume, open_run
from limen.spec import Spec, write_spec

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


BLUR = "transfer:defense=bilateral:domain=3,,range=2"
"""The same, as a spec; a comma inside a value is written twice."""


@pytest.fixture(scope="module")
def records(run) -> pa.Table:
    return evaluate(run, EVALUATIONS.make(BLUR)).records()


def test_every_record_is_what_the_other_classifier_says_of_the_two_files(run, blurred, records):
    before = {row["id"]: row for row in run.table().to_pylist() if row["attack"] == FGSM}
    right = {key for key, row in before.items() if row["clean_prediction"] == row["label"]}
    after = records.to_pylist()
    assert {row["id"] for row in after if row["attack"] == FGSM} == right
    for row in after:
        pair = [
            from_uint8(pixels[None])
            for pixels in (run.original(row["id"]), run.image(row["attack"], row["id"]))
        ]
        original, stored = (blurred(image).argmax(1).item() for image in pair)
        assert (row["clean_prediction"], row["prediction"]) == (original, stored)
        assert row["success"] == (stored != row["label"])
        for name in ("l2", "ssim", "mad"):
            expected = METRICS[name](*pair).item() if row["success"] else None
            assert row[name] == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_only_images_that_both_classify_correctly_count(run, net, blurred, records):
    expected = 0
    for row in run.table().filter(pc.field("attack") == FGSM).to_pylist():
        original = from_uint8(run.original(row["id"])[None])
        both = {one(original).argmax(1).item() for one in (net, blurred)}
        expected += both == {row["label"]}
    assert figures(outcomes(records, [FGSM])).images == expected
    assert 0 < expected < run.table().filter(pc.field("attack") == FGSM).num_rows


def test_before_the_model_itself_an_attack_is_worth_what_it_was(run):
    same = evaluate(run, EVALUATIONS.make("transfer:model=demo:digits")).records()
    for label in (FGSM, DDN):
        was, now = (outcomes(table, [label]) for table in (run.table(), same))
        assert figures(now).success == figures(was).success
        assert figures(now).mean.value == pytest.approx(figures(was).mean.value)
        assert now.backwards.sum() == was.backwards[was.correct].sum()
        np.testing.assert_allclose(characteristic(now).distances, characteristic(was).distances)


def test_the_protocol_takes_the_records_and_the_table_says_the_same(run, records):
    found = {label: outcomes(records, [label]) for label in (FGSM, DDN)}
    white = {label: outcomes(run.table(), [label]) for label in (FGSM, DDN)}
    # Just over the boundary of the attacked model is seldom over that of another.
    assert figures(found[DDN]).success.value < figures(white[DDN]).success.value
    assert compare(found[DDN], found[FGSM]).images <= figures(found[DDN]).images
    (table,) = evaluate(run, EVALUATIONS.make(BLUR)).document().blocks
    for label, row in zip((FGSM, DDN), table.groups[0].rows, strict=True):
        success = figures(found[label]).success
        assert row[1].value == figures(white[label]).success.value
        assert row[2].value == figures(found[label]).images
        assert (row[3].value, row[3].low, row[3].high) == (success.value, success.low, success.high)
        assert row[4].value == pytest.approx(figures(found[label]).mean.value)
        assert row[5].value == pytest.approx(figures(found[label], "ssim").mean.value)


NET = """
import torch
from torch import nn

class Bright(nn.Module):
    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], 1)

def bright():
    return Bright()
"""


def test_an_image_that_its_own_model_withstood_is_measured_from_the_original(tmp_path):
    """Its record has no distances, as the file does not fool; the other classifier is fooled."""
    (tmp_path / "net.py").write_text(NET)
    original = np.random.default_rng(0).integers(60, 190, (32, 32, 3), dtype=np.uint8)
    adversarial = np.uint8(original + np.where(np.arange(32) % 5 == 0, 60, 20)[:, None, None])
    numbers = {"steps": 1, "forwards": 1, "backwards": 1, "seconds": 0.1, "index": 0, "label": 0}
    seen = {"clean_prediction": 0, "clean_confidence": 0.9, "prediction": 0, "confidence": 0.6}
    row = {"id": "a", "target": None, "success": False, "success_in_memory": True, **numbers, **seen}
    columns = tuple(metric.column for metric in STANDARD)
    manifest = Manifest(model=ModelEntry("x", "y"), data=DataEntry("z", 1), metrics=columns)
    with create_or_resume(tmp_path / "run", manifest.with_attacks([Identity(DDN, {})])) as writer:
        writer.write_originals({"a": original})
        writer.write(DDN, [row], {"a": adversarial})
    run = open_run(tmp_path / "run")
    (found,) = (
        evaluate(
            run, EVALUATIONS.make(write_spec("transfer", [("model", f"python:{tmp_path / 'net.py'}:bright")]))
        )
        .records()
        .to_pylist()
    )
    assert found["success"]
    pair = from_uint8(original[None]), from_uint8(adversarial[None])
    for metric in STANDARD:
        assert found[metric.column.key] == pytest.approx(metric(*pair).item()), metric.column.key
    swapped = [
        metric.column.key
        for metric in STANDARD
        if metric(*pair).item() != pytest.approx(metric(*pair[::-1]).item())
    ]
    assert {"mad", "wpsnr"} <= set(swapped)


TWO = """
import torch
from torch import nn

def make(order):
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.eye(2)[order]
    return nn.Sequential(nn.Flatten(), layer)

def net0():
    return make([0, 1])

def net1():
    return make([1, 0])
"""


def test_a_targeted_image_transfers_if_the_other_classifier_sees_the_target(tmp_path):
    (tmp_path / "net.py").write_text(TWO)
    pixels = np.array([[[[200], [50]]], [[[180], [30]]]], np.uint8)
    samples = [limen.data.Sample(str(i), image, 0, 1) for i, image in enumerate(from_uint8(pixels))]
    dataset = limen.data.Dataset("pairs", ("0", "1"), samples.__getitem__)
    attacks = [limen.attacks.fgsm(eps=0.5)]
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.eye(2)
    net = limen.Classifier(nn.Sequential(nn.Flatten(), layer))
    manifest = describe_run(net, dataset, attacks, model_spec="two", targeted=True)
    with create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(net, dataset, attacks, writer)
    stored = open_run(tmp_path / "run")
    for order in ([0, 1], [1, 0]):
        spec = write_spec("transfer", [("model", f"python:{tmp_path / 'net.py'}:net{order[0]}")])
        success = evaluate(stored, EVALUATIONS.make(spec)).records()["success"].to_pylist()
        assert success == [order == [0, 1]] * 2


def test_a_chain_of_defences_stands_before_the_other_classifier(run, net):
    stored = evaluate(run, EVALUATIONS.make("transfer:defense=bit_depth:bits=1+average_pool:size=5"))
    behind = Defended(Defended(net, lambda x: average_pool(x, 5)), lambda x: bit_depth(x, 1))
    rows = stored.records().to_pylist()
    assert rows
    for row in rows:
        image = from_uint8(run.image(row["attack"], row["id"])[None])
        assert row["prediction"] == behind(image).argmax(1).item()


def test_what_cannot_be_done_is_refused(run):
    with pytest.raises(UsageError, match=r"needs model=SPEC, defense=SPEC, or both"):
        evaluate(run, EVALUATIONS.make("transfer"))
    with pytest.raises(UsageError, match="unknown defense 'blur'"):
        evaluate(run, EVALUATIONS.make("transfer:defense=blur"))


def test_several_classifiers_stand_in_one_matrix_and_each_as_it_would_alone(run, tmp_path):
    (tmp_path / "net.py").write_text(NET)
    names = ["demo:digits", f"python:{tmp_path / 'net.py'}:bright"]
    both = Spec("transfer", None, (("model", tuple(names)), ("defense", ("bilateral",))))
    stored = evaluate(run, EVALUATIONS.make(str(both)))
    records = stored.records()
    seen = [f"{name} behind bilateral" for name in names]
    assert set(records["model"].to_pylist()) == set(seen)
    matrix, curves, details = stored.document().blocks
    assert matrix.columns == ("Attack", "Its model", *seen)
    for place, (name, title) in enumerate(zip(names, seen, strict=True)):
        spec = write_spec("transfer", [("model", (name,)), ("defense", "bilateral")])
        alone = evaluate(run, EVALUATIONS.make(spec))
        mine = records.filter(pc.field("model") == title)
        assert mine.sort_by([("attack", "ascending"), ("id", "ascending")]).equals(
            alone.records().sort_by([("attack", "ascending"), ("id", "ascending")])
        )
        (table,) = alone.document().blocks
        assert details.groups[place].title == title
        assert details.groups[place].rows == table.groups[0].rows
        for row, single in zip(matrix.groups[0].rows, table.groups[0].rows, strict=True):
            assert row[2 + place].value == single[3].value
    assert {chart.title for chart in curves.charts} <= set(seen)
    assert curves.charts

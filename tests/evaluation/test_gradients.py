"""Loss gradients of a run's originals, against autograd through the cross-entropy itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import limen
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.loss_gradients import loss_gradients, seen_as
from limen.images import from_uint8, to_uint8
from limen.runs import Run, Stored, open_run
from limen.runs.files import decode_png
from limen.structure import masks_of

OTHER = """
import torch

def other():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 12))

def few():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 2))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("gradients") / "run"
    classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=6)
    attacks = [limen.catalog.attack(spec) for spec in ("fgsm:eps=0.02", "ddn:steps=2")]
    with limen.runs.create_or_resume(folder, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks[:1], writer, limit=4)
        run_attacks(classifier, dataset, attacks[1:], writer)
    return open_run(folder)


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("networks") / "nets.py"
    path.write_text(OTHER)
    return f"python:{path}:other"


@pytest.fixture(scope="module")
def stored(run: Run, other: str) -> Stored:
    return evaluate(run, EVALUATIONS.make(f"gradients:model={other},mask=saliency,images=3"), batch_size=4)


def exact(classifier: limen.Classifier, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The gradient of the cross-entropy in float64."""
    leaves = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(classifier(leaves), labels, reduction="sum"), leaves)
    return gradient


def test_lengths_and_directions_are_those_of_the_cross_entropys_own_gradient():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(216, 4)
    )
    classifier = limen.Classifier(network.double())
    images, labels = torch.rand(5, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0])
    found, expected = loss_gradients(classifier, images, labels), exact(classifier, images, labels)
    torch.testing.assert_close(found.lengths, expected.flatten(1).norm(dim=1))
    unit = [each / each.flatten(1).norm(dim=1).view(-1, 1, 1, 1) for each in (found.gradients, expected)]
    torch.testing.assert_close(*unit)
    assert found.right.tolist() == (classifier(images).argmax(1) == labels).tolist()
    assert not any(parameter.grad is not None for parameter in network.parameters())


def test_a_gradient_does_not_fade_where_the_cross_entropy_does():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[2000.0, 1000.0], [0.0, 0.0]]))
    images = torch.ones(1, 1, 1, 2)
    found = loss_gradients(limen.Classifier(network), images, torch.tensor([0]))
    assert exact(limen.Classifier(network), images, torch.tensor([0])).abs().max() == 0
    assert found.gradients.flatten().tolist() == [-2000, -1000]
    assert found.lengths.tolist() == [0]


def test_no_image_has_no_gradient_and_an_image_alone_has_its_own():
    classifier = limen.catalog.model("demo:photos")
    (batch,) = limen.data.batches(limen.data.demo("photos", count=3), range(3), 3, pytest.fail)
    together = loss_gradients(classifier, batch.images, batch.labels)
    alone = loss_gradients(classifier, batch.images[1:2], batch.labels[1:2])
    torch.testing.assert_close(alone.gradients, together.gradients[1:2], rtol=1e-3, atol=1e-5)
    none = loss_gradients(classifier, batch.images[:0], batch.labels[:0])
    assert none.gradients.shape == (0, *batch.images.shape[1:])
    assert none.lengths.shape == (0,)


def test_pictures_clip_at_three_deviations_about_the_mean():
    torch.manual_seed(1)
    gradients = torch.randn(2, 3, 16, 16) * torch.tensor([1e-6, 50.0]).view(2, 1, 1, 1) + 3
    gradients[0, 0, 0, 0] = 4
    pictures = seen_as(gradients)
    for gradient, picture in zip(gradients.double().numpy(), pictures.numpy(), strict=True):
        low, high = gradient.mean() - 3 * gradient.std(), gradient.mean() + 3 * gradient.std()
        expected = (np.clip(gradient, low, high) - low) / (high - low)
        np.testing.assert_allclose(picture, expected, atol=2e-3)
    assert pictures[0, 0, 0, 0] == 1
    assert (seen_as(torch.full((1, 3, 4, 4), 7.0)) == 0.5).all()


def test_each_image_is_measured_by_each_classifier(run, stored, other):
    rows = stored.records().to_pylist()
    ids = sorted({row["id"] for row in run.table().to_pylist()})
    assert len(ids) == 6
    assert sorted((row["attack"], row["id"], row["model"]) for row in rows) == sorted(
        (row["attack"], row["id"], name)
        for row in run.table().to_pylist()
        for name in (run.manifest.model.spec, other)
    )
    labels = {row["id"]: row["label"] for row in run.table().to_pylist()}
    images = from_uint8(np.stack([run.original(each) for each in ids]))
    masks = masks_of("saliency", images)
    for name, spec in ((run.manifest.model.spec, "demo:photos"), (other, other)):
        classifier = limen.catalog.model(spec)
        gradient = exact(classifier, images, torch.tensor([labels[each] for each in ids])).double()
        energy = gradient.square()
        shares = (energy * masks).sum((1, 2, 3)) / energy.sum((1, 2, 3))
        found = {row["id"]: row for row in rows if row["model"] == name}
        for image_id, share, mask, length in zip(
            ids, shares, masks, energy.sum((1, 2, 3)).sqrt(), strict=True
        ):
            row = found[image_id]
            assert row["share"] == pytest.approx(mask.double().mean().item())
            assert row["length"] == pytest.approx(length.item(), rel=1e-3)
            assert math.isnan(share) or row["energy"] == pytest.approx(share.item(), abs=1e-3)


def test_the_table_has_a_line_for_each_classifier(run, stored, other):
    table = stored.document().blocks[0]
    first, second = table.groups[0].rows
    assert (first[0].text, second[0].text) == (run.manifest.model.spec, other)
    found = {row["id"]: row for row in stored.records().to_pylist() if row["model"] == other}
    rows = list(found.values())
    for cell, key in zip(second[2:6], ("right", "length", "share", "energy"), strict=True):
        assert cell.value == pytest.approx(np.mean([row[key] for row in rows]))
        assert cell.low <= cell.value <= cell.high
    assert (second[1].value, second[6].value) == (6, 0)


def test_without_a_mask_nothing_is_said_of_the_foreground(run):
    stored = evaluate(run, EVALUATIONS.make("gradients:images=0"))
    (table,) = stored.document().blocks
    assert table.columns == ("Classifier", "Images", "Classified correctly", "Length of the gradient")
    assert stored.records()["energy"].null_count == stored.records().num_rows


def test_pictures_stand_beside_each_other_and_the_original_has_its_foreground_lit(run, stored, other):
    _, block = stored.document().blocks
    assert len(block.rows) == 3
    labels = {row["id"]: row["label"] for row in run.table().to_pylist()}
    for row in block.rows:
        image = from_uint8(run.original(row.title)[None])
        mask = masks_of("saliency", image)[0, 0].numpy()
        first = decode_png(row.pictures[0].image)
        assert np.array_equal(first[mask], run.original(row.title)[mask])
        assert not np.array_equal(first, run.original(row.title))
        for picture, spec in zip(row.pictures[1:], ("demo:photos", other), strict=True):
            gradients = loss_gradients(
                limen.catalog.model(spec), image, torch.tensor([labels[row.title]])
            ).gradients
            expected = to_uint8(seen_as(gradients))[0].astype(int)
            assert np.abs(decode_png(picture.image).astype(int) - expected).max() <= 1


def test_a_classifier_of_other_classes_is_one_error(run, other):
    with pytest.raises(UsageError, match=r"a label is \d+, but a classifier has 2 classes"):
        evaluate(run, EVALUATIONS.make(f"gradients:model={other.replace(':other', ':few')}"))

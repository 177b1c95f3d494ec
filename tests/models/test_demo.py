from __future__ import annotations

import time

import pytest
import torch
from safetensors.torch import save_file

from limen import data
from limen.errors import UnknownNameError
from limen.models import NETWORKS, WeightsError, demo
from limen.models.demo import digit_network, residual_network


@pytest.mark.parametrize(("name", "count"), [("photos", 300), ("digits", 300)])
def test_the_shipped_weights_know_images_that_training_never_saw(name, count):
    dataset, classifier = data.demo(name, count=count), demo(name)
    right = 0
    for batch in data.batches(dataset, range(count), 50, pytest.fail):
        with torch.no_grad():
            right += int((classifier(batch.images).argmax(1) == batch.labels).sum())
    assert right / count >= 0.95
    assert classifier.class_names == dataset.class_names


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shipped_weights_are_small_and_quick_to_load(name):
    classifier = demo(name)
    weights = sum(value.numel() * value.element_size() for value in classifier.module.state_dict().values())
    assert weights < 1e6
    assert all(p.dtype == torch.float32 for p in classifier.module.parameters())
    start = time.perf_counter()
    demo(name)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize(("name", "shape"), [("photos", (2, 3, 96, 96)), ("digits", (2, 1, 28, 28))])
def test_the_shipped_networks_have_useful_gradients(name, shape):
    images = torch.rand(shape).requires_grad_()
    logits = demo(name)(images)
    gradient = torch.autograd.grad(logits.logsumexp(1).sum(), images)[0]
    assert (gradient.flatten(1).norm(dim=1) > 1e-4).all()


def test_the_networks_are_untrained_and_sized_by_their_classes():
    assert residual_network(7).eval()(torch.rand(2, 3, 96, 96)).shape == (2, 7)
    assert digit_network(7).eval()(torch.rand(2, 1, 28, 28)).shape == (2, 7)


def test_other_weights_bring_their_own_classes(tmp_path):
    file = tmp_path / "net.safetensors"
    save_file(digit_network(2).state_dict(), file, {"class_names": '["even", "odd"]'})
    classifier = demo("digits", weights=file)
    assert classifier.class_names == ("even", "odd")
    assert classifier(torch.rand(3, 1, 28, 28)).shape == (3, 2)


@pytest.mark.parametrize(
    "metadata", [None, {"class_names": "cat"}, {"class_names": "[]"}, {"class_names": "[1]"}]
)
def test_weights_that_do_not_say_their_classes_are_refused(tmp_path, metadata):
    file = tmp_path / "net.safetensors"
    save_file(digit_network(2).state_dict(), file, metadata)
    with pytest.raises(
        WeightsError, match="does not say its class names; expected a file written by limen train"
    ):
        demo("digits", weights=file)


def test_weights_of_the_other_network_are_refused(tmp_path):
    file = tmp_path / "net.safetensors"
    save_file(digit_network(2).state_dict(), file, {"class_names": '["even", "odd"]'})
    with pytest.raises(WeightsError, match="weights of another network"):
        demo("photos", weights=file)


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(UnknownNameError, match="did you mean 'photos'"):
        demo("photo")

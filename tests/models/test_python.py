from __future__ import annotations

import sys

import pytest
import torch
from safetensors.torch import save_file

from limen.data import batches, nips2017
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.models import WeightsError, python

FILE = """
from __future__ import annotations
from dataclasses import dataclass
import torch
from torch import nn
import limen
import limen_test_neighbour

@dataclass
class Shape:
    outputs: int = 4

def linear(outputs: int = limen_test_neighbour.OUTPUTS) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, outputs))

def ready():
    return limen.Classifier(linear(), mean=0.5, std=0.5, class_names=["a", "b", "c", "d"])

def needs(width, *, depth): ...
def text(): return "no network"
def broken(): raise RuntimeError("out of order")
answer = 42
"""


@pytest.fixture
def nets_file(tmp_path):
    (tmp_path / "limen_test_neighbour.py").write_text("OUTPUTS = 4")
    file = tmp_path / "my_nets.py"
    file.write_text(FILE)
    yield file
    sys.modules.pop("limen_test_neighbour", None)


def test_a_module_or_a_classifier_may_be_returned(nets_file):
    images = torch.rand(2, 3, 2, 2)
    assert python(f"{nets_file}:linear")(images).shape == (2, 4)
    ready = python(f"{nets_file}:ready", device="cpu")
    assert ready.class_names == ("a", "b", "c", "d")
    assert torch.allclose(ready(images), ready.module((images - 0.5) / 0.5), atol=1e-6)


def test_the_folder_of_the_file_is_not_left_on_the_path(nets_file):
    before = list(sys.path)
    python(f"{nets_file}:linear")
    with pytest.raises(LimenError):
        python(f"{nets_file}:broken")
    assert sys.path == before


def test_weights_are_loaded_into_what_is_returned(nets_file, tmp_path):
    state = {"1.weight": torch.ones(4, 12), "1.bias": torch.arange(4.0)}
    save_file(state, tmp_path / "net.safetensors")
    for name in ("linear", "ready"):
        classifier = python(f"{nets_file}:{name}", weights=tmp_path / "net.safetensors")
        assert torch.equal(classifier.module.state_dict()["1.bias"], torch.arange(4.0))
    with pytest.raises(WeightsError, match="no such file"):
        python(f"{nets_file}:linear", weights=tmp_path / "nothing.pth")


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        ("lineal", UnknownNameError, "unknown function in .*my_nets.py 'lineal'; did you mean 'linear'"),
        ("answer", UnknownNameError, "Known: broken, linear, needs, ready, text"),
        ("needs", UsageError, r"my_nets.py: needs\(\) needs width, depth; give it defaults"),
        (
            "text",
            UsageError,
            r"text\(\) returned str; it must return a torch.nn.Module or a limen.Classifier",
        ),
        ("broken", LimenError, r"my_nets.py: broken\(\) raised RuntimeError: out of order"),
    ],
)
def test_the_error_names_file_factory_and_what_is_missing(nets_file, factory, error, message):
    with pytest.raises(error, match=message):
        python(f"{nets_file}:{factory}")


def test_a_classifier_on_another_device_is_refused(nets_file):
    with pytest.raises(
        UsageError, match=r"returned a classifier on cpu, not on meta; make it with device='meta'"
    ):
        python(f"{nets_file}:ready", device="meta")


@pytest.mark.parametrize("name", ["nets.py", "nets:linear", "nets.py:", ":linear"])
def test_a_name_without_file_and_function_is_refused(name):
    with pytest.raises(UsageError, match=r"write python:FILE\.py:FACTORY"):
        python(name)


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(LimenError, match=r"nothing\.py: no such file"):
        python(f"{tmp_path}/nothing.py:linear")
    (tmp_path / "bad.py").write_text("import limen_no_such_package")
    with pytest.raises(
        LimenError, match=r"bad\.py: raised ModuleNotFoundError when run: .*limen_no_such_package"
    ):
        python(f"{tmp_path}/bad.py:linear")
    (tmp_path / "bad.py").write_text("def linear(:")
    with pytest.raises(LimenError, match=r"bad\.py: raised SyntaxError"):
        python(f"{tmp_path}/bad.py:linear")


@pytest.mark.data
def test_a_real_imagenet_network_knows_most_of_a_few_real_images(real_data):
    classifier = python(f"{real_data}/nets.py:mobilenet_v2")
    batch = next(batches(nips2017(real_data / "nips2017"), range(0, 200, 10), 20, pytest.fail))
    with torch.no_grad():
        right = classifier(batch.images).argmax(1) == batch.labels
    assert right.float().mean() > 0.7

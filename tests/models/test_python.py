"""Models of a user's own file."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from limen import catalog
from limen.data import batches, nips2017
from limen.errors import LimenError, UsageError
from limen.models import WeightsError

FILE = """
from __future__ import annotations
from dataclasses import dataclass
import torch
from torch import nn
import limen

@dataclass
class Shape:
    outputs: int = 4

def linear(outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, outputs))

def ready():
    return limen.Classifier(linear(), mean=0.5, std=0.5, class_names=["a", "b", "c", "d"])

def placed(device="cpu"):
    return limen.Classifier(linear(), device=device)

def needs(width: int, *, depth: int): ...
def text(): return "no network"
def broken(): raise RuntimeError("out of order")
answer = 42
builtin = dict
"""


@pytest.fixture
def nets_file(tmp_path):
    file = tmp_path / "my_nets.py"
    file.write_text(FILE)
    return file


def test_a_module_or_a_classifier_may_be_returned(nets_file):
    images = torch.rand(2, 3, 2, 2)
    assert catalog.model(f"python:{nets_file}:linear")(images).shape == (2, 4)
    ready = catalog.model(f"python:{nets_file}:ready", device="cpu")
    assert ready.class_names == ("a", "b", "c", "d")
    assert torch.allclose(ready(images), ready.module((images - 0.5) / 0.5), atol=1e-6)


def test_the_spec_sets_the_function_s_parameters_and_the_model_knows_its_spec(nets_file):
    made = catalog.model(f"python:{nets_file}:linear,outputs=7")
    assert made(torch.rand(1, 3, 2, 2)).shape == (1, 7)
    assert made.identity is not None
    assert made.identity.label == f"python:{nets_file}:linear,outputs=7"
    assert made.identity.code is not None


def test_weights_are_loaded_into_what_is_returned(nets_file, tmp_path):
    state = {"1.weight": torch.ones(4, 12), "1.bias": torch.arange(4.0)}
    save_file(state, tmp_path / "net.safetensors")
    for name in ("linear", "ready"):
        classifier = catalog.model(f"python:{nets_file}:{name},weights={tmp_path}/net.safetensors")
        assert torch.equal(classifier.module.state_dict()["1.bias"], torch.arange(4.0))
    save_file(state, tmp_path / "named.safetensors", {"class_names": '["w", "x", "y", "z"]'})
    named = catalog.model(f"python:{nets_file}:ready,weights={tmp_path}/named.safetensors")
    assert named.class_names == ("w", "x", "y", "z")
    with pytest.raises(WeightsError, match="no such file"):
        catalog.model(f"python:{nets_file}:linear,weights={tmp_path}/nothing.pth")


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        ("answer", UsageError, "42 is no function"),
        (
            "builtin",
            UsageError,
            "<class 'dict'> is no function whose parameters can be read; write one around it",
        ),
        ("needs", UsageError, r"width is missing. python:.*my_nets.py:needs accepts width: int, depth: int"),
        (
            "text",
            LimenError,
            r"my_nets.py: text\(\) returned str; it must return a torch.nn.Module or a limen.Classifier",
        ),
        ("broken", LimenError, r"my_nets.py: broken\(\) raised RuntimeError: out of order"),
    ],
)
def test_the_error_names_file_function_and_what_is_missing(nets_file, factory, error, message):
    with pytest.raises(error, match=message):
        catalog.model(f"python:{nets_file}:{factory}")


def test_a_device_that_holds_no_values_is_refused(nets_file):
    with pytest.raises(UsageError, match="cannot compute on device 'meta'"):
        catalog.model(f"python:{nets_file}:placed", device="meta")


@pytest.mark.data
def test_a_real_imagenet_network_knows_most_of_a_few_real_images(real_data):
    classifier = catalog.model(f"python:{real_data}/nets.py:mobilenet_v2")
    batch = next(batches(nips2017(real_data / "nips2017"), range(0, 200, 10), 20, pytest.fail))
    with torch.no_grad():
        right = classifier(batch.images).argmax(1) == batch.labels
    assert right.float().mean() > 0.7

"""Checkpoints as people publish them are loaded; what is none, or another network's, is one clear error."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limen.errors import UsageError
from limen.models import timm, torchvision
from limen.weights import WeightsError
from limen.weights.reading import load_weights


def network(classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, classes))


def named(state, prefix: str):
    return {f"{prefix}{name}": value for name, value in state.items()}


PUBLISHED = {
    "plain": lambda state: state,
    "data parallel": lambda state: named(state, "module."),
    "compiled": lambda state: named(state, "_orig_mod."),
    "Lightning": lambda state: {
        "state_dict": named(state, "model."),
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
    },
    "compiled, then data parallel": lambda state: named(state, "module._orig_mod."),
    "data parallel in a wrapper": lambda state: {"model": named(state, "module.model.")},
    "tutorial": lambda state: {"epoch": 5, "model_state_dict": state, "optimizer_state_dict": {"state": {}}},
    "CIFAR's": lambda state: {"net": named(state, "module."), "acc": 95.2, "epoch": 199},
    "twice": lambda state: {"model": {"state_dict": state}},
    "network": lambda state: {"network": named(state, "net.")},
}
REFUSED = {
    "another shape": (lambda state: network(4).state_dict(), "of another shape: 1.bias"),
    "another name": (lambda state: {f"head{name}": value for name, value in state.items()}, "missing"),
    "half of it": (lambda state: {"1.weight": state["1.weight"]}, "missing: 1.bias"),
    "some prefixed": (
        lambda state: {"module.1.weight": state["1.weight"], "1.bias": state["1.bias"]},
        "missing",
    ),
    "nothing": (lambda state: {}, "missing"),
    "a number": (lambda state: 3, "holds no state dict"),
    "a list": (lambda state: [state], "holds no state dict"),
    "a whole module": (lambda state: network(), "cannot be read as weights"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_checkpoint_is_loaded(tmp_path, name):
    trained, filled = network(), network()
    torch.save(PUBLISHED[name](trained.state_dict()), tmp_path / "net.pth")
    load_weights(filled, tmp_path / "net.pth")
    assert torch.equal(filled[1].weight, trained[1].weight)
    assert torch.equal(filled[1].bias, trained[1].bias)


def test_a_prefix_that_the_network_has_itself_stays(tmp_path):
    trained, filled = (nn.ModuleDict({"model": network()}) for _ in range(2))
    torch.save(trained.state_dict(), tmp_path / "net.pth")
    load_weights(filled, tmp_path / "net.pth")
    assert torch.equal(filled["model"][1].weight, trained["model"][1].weight)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_checkpoint_of_this_network_is_one_clear_error(tmp_path, name):
    make, reason = REFUSED[name]
    torch.save(make(network().state_dict()), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=reason) as caught:
        load_weights(network(), tmp_path / "net.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("source", "name"), [(torchvision, "squeezenet1_1"), (timm, "test_vit")])
def test_a_network_fine_tuned_for_other_classes_is_loaded(tmp_path, source, name):
    made = source(name, weights="random", num_classes=4)
    torch.save({"state_dict": named(made.module.state_dict(), "module.")}, tmp_path / "net.pth")
    loaded = source(name, weights=tmp_path / "net.pth", num_classes=4)
    assert loaded.fingerprint() == made.fingerprint()
    assert loaded.class_names is None
    for wrong in ({"num_classes": 1, "weights": "random"}, {"num_classes": 4}):
        with pytest.raises(UsageError, match="num_classes is"):
            source(name, **wrong)

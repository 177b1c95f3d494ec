from __future__ import annotations

import json

import pytest
import timm as timm_library
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as networks

from limen import catalog
from limen.errors import UsageError
from limen.models import WeightsError, fill, last_layer, replace_last_layer

NETWORKS = {
    "resnet18": "fc",
    "mobilenet_v2": "classifier.1",
    "squeezenet1_1": "classifier.1",
    "vit_b_16": "heads.head",
    "densenet121": "classifier",
}


@pytest.mark.parametrize(("name", "head"), NETWORKS.items())
def test_the_last_layer_of_torchvisions_networks_is_exchanged(name, head):
    with torch.device("meta"):
        module = networks.get_model(name, weights=None)
        others = [key for key in module.state_dict() if not key.startswith(f"{head}.")]
        shapes = [module.state_dict()[key].shape for key in others]
    assert last_layer(module)[0] == head
    replace_last_layer(module, 7)
    state = module.state_dict()
    assert state[f"{head}.bias"].shape == (7,)
    assert [state[key].shape for key in others] == shapes


def test_timms_networks_exchange_theirs_themselves():
    module = timm_library.create_model("test_resnet", pretrained=False)
    replace_last_layer(module, 7)
    assert module.eval()(torch.rand(1, 3, 64, 64)).shape == (1, 7)


def test_a_layer_of_the_right_size_is_left_alone():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    layer = module[1]
    replace_last_layer(module, 5)
    assert module[1] is layer


@pytest.mark.parametrize(
    ("module", "message"), [(nn.Linear(3, 2), "a single layer"), (nn.ReLU(), "no linear")]
)
def test_what_has_no_last_layer_is_refused(module, message):
    with pytest.raises(UsageError, match=message):
        replace_last_layer(module, 5)


def test_a_file_of_limen_train_brings_its_classes_and_any_other_file_does_not(tmp_path):
    def net(classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(12, classes))

    state = net(3).state_dict()
    save_file(state, tmp_path / "trained.safetensors", {"class_names": json.dumps(["a", "b", "c"])})
    save_file(state, tmp_path / "other.safetensors")
    torch.save(state, tmp_path / "other.pt")
    module = net(5)
    assert fill(module, tmp_path / "trained.safetensors") == ("a", "b", "c")
    assert torch.equal(module[1].weight, state["1.weight"])
    for name in ("other.safetensors", "other.pt"):
        assert fill(net(3), tmp_path / name) is None
        with pytest.raises(WeightsError, match="another network"):
            fill(net(5), tmp_path / name)


@pytest.mark.parametrize("spec", ["torchvision:resnet18", "timm:test_resnet"])
def test_library_networks_start_untrained_and_load_what_was_trained(spec, tmp_path):
    random = catalog.model(f"{spec},weights=random")
    assert len(random.class_names or ()) in (0, 1000)
    replace_last_layer(random.module, 3)
    file = tmp_path / "tuned.safetensors"
    state = {name: value.contiguous() for name, value in random.module.state_dict().items()}
    save_file(state, file, {"class_names": json.dumps(["a", "b", "c"])})
    tuned = catalog.model(f"{spec},weights={file}")
    assert tuned.class_names == ("a", "b", "c")
    random.class_names = tuned.class_names
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(tuned(images), random(images), rtol=0, atol=0)

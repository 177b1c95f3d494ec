from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from limen.models import WeightsError, load_weights, read_metadata, read_weights


def network(outputs: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, outputs))


@pytest.mark.parametrize("form", ["safetensors", "state dict", "wrapped in state_dict", "wrapped in model"])
def test_every_form_restores_the_network(tmp_path, form):
    torch.manual_seed(1)
    trained, fresh = network(), network()
    file = tmp_path / ("net.safetensors" if form == "safetensors" else "net.pth")
    if form == "safetensors":
        save_file(trained.state_dict(), file)
    else:
        key = form.rpartition(" ")[2]
        torch.save(
            trained.state_dict() if form == "state dict" else {key: trained.state_dict(), "epoch": 3}, file
        )
    images = torch.rand(2, 1, 4, 4)
    assert not torch.equal(trained.eval()(images), fresh.eval()(images))
    load_weights(fresh, file)
    assert torch.equal(trained(images), fresh(images))


def test_a_file_older_than_the_step_counter_of_batch_norms_is_read(tmp_path):
    state = {k: v for k, v in network().state_dict().items() if "num_batches_tracked" not in k}
    save_file(state, tmp_path / "old.safetensors")
    load_weights(network(), tmp_path / "old.safetensors")


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    file = tmp_path / "net.safetensors"
    save_file({**network(5).state_dict(), "extra.weight": torch.zeros(1)}, file)
    message = r"net\.safetensors: weights of another network \(unknown: extra\.weight; of another shape: "
    with pytest.raises(WeightsError, match=message + r"3\.bias has shape \(5,\) and not \(2,\), 3\.weight"):
        load_weights(network(), file)
    save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"missing: 0\.weight, 0\.bias, 1\.weight and 5 more"):
        load_weights(network(), file)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 100, pickle.dumps(Bomb())], ids=["empty", "noise", "pickle"]
)
def test_a_broken_or_hostile_file_is_refused_without_running_it(tmp_path, suffix, content):
    file = tmp_path / f"net{suffix}"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"net{suffix}: cannot be read as weights"):
        read_weights(file)


def test_a_pickle_that_torch_saved_is_not_run(tmp_path):
    torch.save({"weight": Bomb()}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_weights(tmp_path / "net.pth")


@pytest.mark.parametrize("state", [torch.zeros(3), {"epoch": 3}, [torch.zeros(1)]])
def test_a_file_without_a_state_dict_is_refused(tmp_path, state):
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(
        WeightsError,
        match=r"holds no state dict, but .*; save module\.state_dict\(\)|is .*, and a state dict has named",
    ):
        read_weights(tmp_path / "net.pth")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nothing.pth", tmp_path):
        with pytest.raises(WeightsError, match=r"no such file of weights|a folder, where a file belongs"):
            read_weights(path)
        with pytest.raises(WeightsError, match=r"no such file of weights|a folder, where a file belongs"):
            read_metadata(path)


def test_metadata_is_read_and_absent_where_there_is_none(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"made": "here"})
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"no")
    assert read_metadata(tmp_path / "a.safetensors") == {"made": "here"}
    assert read_metadata(tmp_path / "b.safetensors") == {}
    with pytest.raises(WeightsError, match="no safetensors file"):
        read_metadata(tmp_path / "c.safetensors")


def test_a_pickle_that_ends_too_early_and_a_path_that_is_too_long_are_refused(tmp_path):
    (tmp_path / "torn.pt").write_bytes(b"\x80\x020000.")
    for path in (tmp_path / "torn.pt", Path("x" * 300)):
        with pytest.raises(WeightsError):
            read_weights(path)
    with pytest.raises(WeightsError):
        read_metadata(Path("x" * 300))

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open
from torch import nn

from limen.errors import LimenError, UsageError
from limen.training.checkpoint import Checkpoint, make_folder, write_weights

CONDITIONS = {"seed": 3, "epochs": 5}
HISTORY = [{"number": 1, "loss": 0.5}]
PLACE = {"epoch": 2, "step": 7}


def network(seed: int, outputs: int = 2) -> tuple[nn.Module, torch.optim.Optimizer]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, outputs))
    return module, torch.optim.AdamW(module.parameters(), lr=0.1)


def checkpoint(path, module, optimizer, conditions=CONDITIONS) -> Checkpoint:
    parts = {"module": module, "optimizer": optimizer, "stateless": print}
    return Checkpoint(path, conditions, parts)


def step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    module(torch.linspace(-1, 1, 20).reshape(5, 4)).square().sum().backward()
    optimizer.step()


def test_a_restored_network_steps_as_the_one_that_went_on(tmp_path):
    module, optimizer = network(0)
    step(module, optimizer)
    checkpoint(tmp_path / "state", module, optimizer).write(PLACE, HISTORY)
    step(module, optimizer)
    again, its_optimizer = network(1)
    assert checkpoint(tmp_path / "state", again, its_optimizer).read() == (PLACE, HISTORY)
    step(again, its_optimizer)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_other_conditions_and_another_network_are_refused(tmp_path):
    checkpoint(tmp_path / "state", *network(0)).write(PLACE, HISTORY)
    with pytest.raises(UsageError, match=r"other settings \(seed was 3, now 4\)"):
        checkpoint(tmp_path / "state", *network(0), {**CONDITIONS, "seed": 4}).read()
    with pytest.raises(UsageError, match="of another network"):
        checkpoint(tmp_path / "state", *network(0, outputs=3)).read()


def test_a_full_disk_is_one_clear_error_and_leaves_what_was_there(tmp_path, monkeypatch):
    kept = checkpoint(tmp_path / "state", *network(0))
    kept.write(PLACE, HISTORY)
    before = (tmp_path / "state").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LimenError, match="the disk is full"):
        kept.write({"epoch": 3}, HISTORY)
    assert (tmp_path / "state").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_weights_open_with_safetensors_alone(tmp_path):
    module, _ = network(0)
    write_weights(tmp_path / "net.safetensors", module, {"class_names": "[]"})
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert file.metadata() == {"class_names": "[]"}
        assert set(file.keys()) == set(module.state_dict())
        for name, value in module.state_dict().items():
            assert torch.equal(file.get_tensor(name), value)


def test_layers_that_share_their_weights_are_written(tmp_path):
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    write_weights(tmp_path / "tied.safetensors", nn.Sequential(first, second), {})
    with safe_open(tmp_path / "tied.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("0.weight"), file.get_tensor("1.weight"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(LimenError, match="file"):
        make_folder(tmp_path / "file")

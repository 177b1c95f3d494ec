"""Where files of weights are found, and what is said of those that are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from limen.errors import UsageError
from limen.weights import FILES, WeightsError, files_of, find, folders, located, verify

from .conftest import BODY


def put(folder: Path, body: bytes = BODY) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.pth").write_bytes(body)
    return folder / "mine.pth"


def test_the_registry_and_all_that_looks_for_files_open_without_torch():
    script = "import sys, limen.weights; limen.weights.folders(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_entry_of_the_registry_is_whole():
    for name, file in FILES.items():
        assert file.name == name == Path(name).name
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.size is None or file.size > 0
        assert all(address.startswith("https://") for address in file.addresses)
        assert file.addresses
        assert file.licence
        assert file.needed_by
    assert len({file.sha256 for file in FILES.values()}) == len(FILES)


def test_names_of_torch_hub_hold_the_beginning_of_the_hash():
    """torch.hub's own check, which is part of these names: another source than the registry's."""
    from torch.hub import HASH_REGEX

    told = {name: found[1] for name in FILES if (found := HASH_REGEX.search(name))}
    assert {name: FILES[name].sha256[: len(start)] for name, start in told.items()} == told
    assert len(told) == 4


def test_torchvision_publishes_the_backbones_at_these_addresses():
    from torchvision import models

    weights = (models.AlexNet_Weights, models.VGG16_Weights, models.SqueezeNet1_1_Weights)
    assert {each.IMAGENET1K_V1.url for each in weights} <= {
        address for file in FILES.values() for address in file.addresses
    }


@pytest.mark.data
def test_the_hashes_of_heads_and_dists_are_those_of_real_files(real_data):
    files = {f"lpips_v0.1_{name}.pth": f"lpips/v0.1_{name}.pth" for name in ("alex", "vgg", "squeeze")}
    for name, path in {**files, "dists_weights-f5e65c96.pt": "dists_weights.pt"}.items():
        verify(FILES[name], real_data / "perceptual" / path)


@pytest.mark.parametrize("home", [{}, {"TORCH_HOME": "/a/torch"}, {"XDG_CACHE_HOME": "/b"}])
def test_the_last_folder_is_torch_hubs_own(home, monkeypatch):
    for name in ("LIMEN_WEIGHTS", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    assert folders() == [Path(torch.hub.get_dir()) / "checkpoints"]
    monkeypatch.setenv("LIMEN_WEIGHTS", "~/mine")
    assert folders()[0] == Path.home() / "mine"


def test_a_path_that_is_given_comes_first_then_the_own_folder_then_the_hub(registered, server, tmp_path):
    hub = put(tmp_path / "torch" / "hub" / "checkpoints")
    assert find("mine.pth") == hub == located(registered)
    own = put(tmp_path / "weights")
    assert find("mine.pth") == own == located(registered)
    assert find("mine.pth", tmp_path / "any.pt") == tmp_path / "any.pt"
    assert server.seen == []


def test_what_is_not_at_hand_is_downloaded_into_the_first_folder(registered, server, tmp_path, monkeypatch):
    assert find("mine.pth") == tmp_path / "weights" / "mine.pth"
    assert find("mine.pth").read_bytes() == BODY
    assert len(server.seen) == 1
    monkeypatch.delenv("LIMEN_WEIGHTS")
    assert find("mine.pth") == tmp_path / "torch" / "hub" / "checkpoints" / "mine.pth"


def test_offline_the_error_says_which_file_where_to_put_it_and_its_hash(
    registered, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("LIMEN_OFFLINE", "1")
    with pytest.raises(WeightsError) as told:
        find("mine.pth")
    message = str(told.value)
    assert message.startswith("mine.pth is not at hand, and LIMEN_OFFLINE forbids downloads; u2net needs it")
    for part in (
        tmp_path / "weights",
        "LIMEN_WEIGHTS",
        registered.sha256,
        f"{len(BODY)} bytes",
        registered.page,
    ):
        assert str(part) in message
    assert server.seen == []
    monkeypatch.setenv("LIMEN_OFFLINE", "0")
    find("mine.pth")


def test_a_download_that_fails_is_told_with_the_same_advice(registered, server):
    server.made.answers[:] = [{"status": 404}]
    with pytest.raises(
        WeightsError, match=r"cannot be downloaded: .*404.*Put it into .*weights, or into a folder"
    ):
        find("mine.pth")


@pytest.mark.parametrize(
    ("body", "message"),
    [(BODY[1:], f"it has {len(BODY) - 1} bytes and not {len(BODY)}"), (BODY[::-1], "its SHA-256 is")],
    ids=["shorter", "of other bytes"],
)
def test_another_file_of_this_name_is_refused_and_named(registered, server, tmp_path, body, message):
    path = put(tmp_path / "weights", body)
    with pytest.raises(
        WeightsError, match=rf"^{path} is not the published mine.pth: {message}.*by their path"
    ):
        find("mine.pth")
    assert server.seen == []


def test_a_file_is_read_once_until_it_changes(registered, tmp_path, monkeypatch):
    from limen.weights import checks

    read, digest = [], checks.hashlib.file_digest
    monkeypatch.setattr(checks.hashlib, "file_digest", lambda *each: read.append(1) or digest(*each))
    path = put(tmp_path / "weights")
    for _ in range(3):
        verify(registered, path)
    assert len(read) == 1
    os.utime(path, (1, 1))
    verify(registered, path)
    assert len(read) == 2


def test_a_file_that_cannot_be_read_is_told(registered, tmp_path):
    with pytest.raises(WeightsError, match=r"gone.pth: cannot be read \(No such file"):
        verify(registered, tmp_path / "gone.pth")


def test_files_are_named_by_themselves_or_by_what_needs_them():
    assert [file.name for file in files_of("dists")] == ["vgg16-397923af.pth", "dists_weights-f5e65c96.pt"]
    assert files_of("u2net.pth") == [FILES["u2net.pth"]] == files_of("u2net")
    with pytest.raises(UsageError, match="unknown file of weights 'u2nt'; did you mean 'u2net'"):
        files_of("u2nt")

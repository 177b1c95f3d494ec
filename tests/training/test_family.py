from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from limen import catalog
from limen.errors import LimenError, UsageError
from limen.models import read_metadata, read_weights
from limen.training import (
    Settings,
    Task,
    describe_family,
    family_files,
    history_of,
    train_family,
    train_network,
)
from limen.training.checkpoint import write_weights

SETTINGS = Settings(2, 16, seed=5, sampling="balanced:by=label")
NET = """
from torch import nn

def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout(0.2))
"""


@pytest.fixture
def task(tmp_path) -> Task:
    (tmp_path / "net.py").write_text(NET)
    return Task(f"python:{tmp_path / 'net.py'}:net", "demo:digits,count=64")


def weights(folder: Path) -> list[dict[str, torch.Tensor]]:
    return [read_weights(file) for file in family_files(folder)]


def equal(a: list[dict[str, torch.Tensor]], b: list[dict[str, torch.Tensor]]) -> bool:
    pairs = zip(a, b, strict=True)
    return all(torch.equal(ours[name], theirs[name]) for ours, theirs in pairs for name in theirs)


def test_scenes_that_stay_are_drawn_once_for_all_models(task, tmp_path, monkeypatch):
    scenes = importlib.import_module("limen.data.scenes")
    drawn, draw = [], scenes.draw_scene
    monkeypatch.setattr(scenes, "draw_scene", lambda *of: drawn.append(of) or draw(*of))
    network = "\ndef scene():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 7))\n"
    (tmp_path / "net.py").write_text(NET + network)
    data = "demo:scenes,size=32,count="
    task = replace(task, model=f"python:{tmp_path / 'net.py'}:scene", test_set=f"{data}4")
    task = replace(task, train_set=f"{data}8,split=train")
    train_family(task, tmp_path / "family", 2, replace(SETTINGS, sampling=None, fixed=True))
    assert len(drawn) == 12


class KillError(Exception):
    """What stops a training, as a kill would."""


def test_each_model_is_that_of_its_seed_and_is_told_of_once(task, tmp_path):
    told = []
    files = train_family(
        task,
        tmp_path / "family",
        2,
        SETTINGS,
        tell=lambda number, history, found: told.append((number, found)),
    )
    assert (
        [path.name for path in files]
        == ["000.safetensors", "001.safetensors"]
        == [path.name for path in family_files(tmp_path / "family")]
    )
    assert told == [(0, False), (1, False)]
    alone = tmp_path / "alone.safetensors"
    train_network(task, alone, Settings(2, 16, seed=6, sampling="balanced:by=label"))
    assert equal(weights(tmp_path / "family")[1:], [read_weights(alone)])
    assert not equal(weights(tmp_path / "family")[:1], [read_weights(alone)])
    metadata = read_metadata(files[1])
    assert json.loads(metadata["settings"])["seed"] == 6
    assert len(history_of(files[1])) == 2
    assert catalog.model(f"{metadata['model']},weights={files[1]}").class_names == tuple("0123456789")


def test_a_family_that_is_killed_goes_on_and_finished_models_are_left_alone(task, tmp_path):
    train_family(task, tmp_path / "whole", 3, SETTINGS)
    calls = 0

    def stop(event, history):
        nonlocal calls
        calls += 1
        if calls == 13:  # within the second epoch of the second model, each of which has 4 steps and its end
            raise KillError

    with pytest.raises(KillError):
        train_family(task, tmp_path / "cut", 2, SETTINGS, every=0.0, listen=stop)
    assert {path.name for path in (tmp_path / "cut").iterdir()} >= {"001.safetensors.checkpoint"}
    first = (tmp_path / "cut" / "000.safetensors").stat().st_mtime_ns
    told = {}
    train_family(
        task,
        tmp_path / "cut",
        3,
        SETTINGS,
        tell=lambda number, history, found: told.update({number: (len(history), found)}),
    )
    assert told == {0: (2, True), 1: (2, False), 2: (2, False)}
    assert (tmp_path / "cut" / "000.safetensors").stat().st_mtime_ns == first
    assert equal(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert not list((tmp_path / "cut").glob("*.checkpoint"))


def test_a_process_of_its_own_trains_the_same_model(task, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_family(task, tmp_path / "one", 2, SETTINGS)
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        (tmp_path / "two" / "001.safetensors").unlink()
        train_family(task, tmp_path / "two", 2, SETTINGS, jobs=2)
    finally:
        torch.set_num_threads(threads)
    assert equal(weights(tmp_path / "one"), weights(tmp_path / "two"))


def test_a_family_that_was_trained_otherwise_is_refused(task, tmp_path):
    train_family(task, tmp_path / "family", 1, Settings(1, 32))
    with pytest.raises(UsageError, match=r"000\.safetensors: the model there was trained otherwise"):
        train_family(task, tmp_path / "family", 2, Settings(1, 16))
    for models, jobs in ((0, 1), (1, 0)):
        with pytest.raises(UsageError, match="expected 1 or more of each"):
            train_family(task, tmp_path / "family", models, Settings(1, 32), jobs=jobs)
    with pytest.raises(UsageError, match="would leave 32 bits"):
        train_family(task, tmp_path / "family", 2, Settings(1, 32, seed=2**32 - 1))


def test_only_the_models_of_a_family_are_its_files(task, tmp_path):
    with pytest.raises(UsageError, match="no models here"):
        family_files(tmp_path)
    folder = tmp_path / "family"
    task = Task(task.model, task.test_set, validate="fgsm:eps=0.1", validate_count=8)
    train_family(task, folder, 1, Settings(1, 32))
    assert (folder / "000.best.safetensors").exists()
    assert family_files(folder) == [folder / "000.safetensors"]
    train_network(task, tmp_path / "net.safetensors", Settings(1, 32))
    with pytest.raises(LimenError, match="does not say how its training went"):
        history_of(Path(catalog.__file__).parents[1] / "models" / "weights" / "digits.safetensors")


@pytest.mark.parametrize("history", ["[", "[1]", '[{"number": 1}]', '{"number": 1}'])
def test_a_history_that_cannot_be_read_is_one_clear_error(tmp_path, history):
    path = tmp_path / "000.safetensors"
    write_weights(path, torch.nn.Linear(1, 1), {"history": history})
    with pytest.raises(LimenError, match=r"000\.safetensors: does not say how its training went"):
        history_of(path)


def test_the_models_of_a_family_compute_in_the_precision_that_their_files_tell(task, tmp_path, monkeypatch):
    settings = replace(SETTINGS, epochs=1, precision="bf16")
    train_family(task, tmp_path / "half", 1, settings)
    train_network(task, tmp_path / "alone.safetensors", settings)
    train_family(task, tmp_path / "full", 1, replace(settings, precision="full"))
    half, full = weights(tmp_path / "half"), weights(tmp_path / "full")
    assert equal(half, [read_weights(tmp_path / "alone.safetensors")])
    assert not equal(half, full)


def test_the_page_shows_all_models_and_how_far_they_are_apart(task, tmp_path):
    files = train_family(task, tmp_path / "family", 2, SETTINGS)
    histories = {number: history_of(path) for number, path in enumerate(files)}
    page = describe_family(histories, task, SETTINGS, 2)
    summary, _, models = page.blocks
    accuracies = [history[-1].accuracy for history in histories.values()]
    cells = {row[0].shown: row[2].value for row in summary.groups[0].rows}
    assert cells["mean"] == pytest.approx(sum(accuracies) / 2)
    assert cells["least"] == min(accuracies)
    assert cells["standard deviation"] == pytest.approx(abs(accuracies[0] - accuracies[1]) / 2**0.5)
    assert [row[1].shown for row in models.groups[0].rows] == ["5", "6"]

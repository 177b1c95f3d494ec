from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from limen import catalog, models
from limen.classifier import Classifier, ModelError
from limen.cli import app
from limen.data import batches
from limen.errors import LimenError, UsageError
from limen.training import (
    OPTIMIZERS,
    Epoch,
    Settings,
    Task,
    Team,
    Validation,
    accuracy,
    best,
    robust_accuracy,
    settings_for,
    train_network,
)

SOURCE = Path(__file__).resolve().parents[2] / "src"
TINY = Settings(epochs=1)

NETS = """
from torch import nn

def plain(classes: int = 10, width: int = 8):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 16, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 49, classes),
    )
"""


@pytest.fixture
def plain(tmp_path) -> str:
    """The spec of a network without batch norms, from a file."""
    (tmp_path / "nets.py").write_text(NETS)
    return f"python:{tmp_path / 'nets.py'}:plain"


def equal(a: Path, b: Path) -> bool:
    ours, theirs = models.read_weights(a), models.read_weights(b)
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_network_is_trained_from_specs_into_a_file_that_the_demo_loads(tmp_path):
    out = tmp_path / "new" / "digits.safetensors"
    history = train_network(Task("demo:digits", "demo:digits,count=400"), out, Settings(epochs=2))
    classifier = models.demo("digits", weights=out)
    assert history[-1].accuracy > 0.7
    assert classifier.class_names == tuple("0123456789")
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    metadata = models.read_metadata(out)
    assert metadata["data"] == "demo:digits,split=train,count=400"
    assert json.loads(metadata["settings"])["epochs"] == 2
    assert float(metadata["accuracy"]) == pytest.approx(history[-1].accuracy, abs=1e-4)


def test_the_shipped_networks_can_be_trained_as_they_were():
    """Their settings stand in their files, from before an optimizer had a spec."""
    for name in ("photos", "digits"):
        settings = settings_for(f"demo:{name}")
        file = Path(models.__file__).parent / "weights" / f"{name}.safetensors"
        told = json.loads(models.read_metadata(file)["settings"])
        assert (settings.epochs, settings.batch_size, settings.seed) == (
            told["epochs"],
            told["batch_size"],
            told["seed"],
        )
        defaults = OPTIMIZERS.read(settings.optimizer).identity.parameters
        assert (told["learning_rate"], told["weight_decay"]) == tuple(defaults.values())
        assert (settings.schedule, settings.augment) == ("one_cycle", ())


def test_seeds_decide_the_weights(tmp_path):
    prints = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / f"{name}.safetensors"
        train_network(Task("demo:digits", "demo:digits,count=32"), out, Settings(epochs=1, seed=seed))
        prints.append(models.demo("digits", weights=out).fingerprint())
        torch.rand(3)
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("model", "data", "out", "error", "message"),
    [
        ("demo:digit", "demo:digits", "a.safetensors", UsageError, "did you mean 'digits'"),
        ("demo:digits", "demo:digits", "a.pth", UsageError, "give the file that suffix"),
        ("demo:digits", "demo:photos,count=12", "a.safetensors", ModelError, r"\[1, 3, 96, 96\]|channels"),
        ("demo:digits", "demo:digit", "a.safetensors", UsageError, "did you mean"),
        ("demo:digits", "npz:a.npz", "a.safetensors", LimenError, r"a\.npz"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_error(tmp_path, model, data, out, error, message):
    with pytest.raises(error, match=message):
        train_network(Task(model, data), tmp_path / out, TINY)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LimenError, match="file"):
        train_network(Task("demo:digits", "demo:digits,count=32"), tmp_path / "file" / "a.safetensors", TINY)


def test_the_weights_of_greatest_robust_accuracy_are_kept_and_measured_again(tmp_path, plain):
    out = tmp_path / "a.safetensors"
    task = Task(plain, "demo:digits,count=200", validate="fgsm:eps=0.05", validate_count=50)
    history = train_network(task, out, Settings(epochs=4, optimizer="adamw:learning_rate=0.01"))
    chosen = best(history)
    assert chosen.robust_accuracy == max(each.robust_accuracy or 0 for each in history) > 0.2
    file = tmp_path / "a.best.safetensors"
    metadata = models.read_metadata(file)
    assert int(metadata["epoch"]) == chosen.number
    assert float(metadata["robust_accuracy"]) == pytest.approx(chosen.robust_accuracy, abs=1e-4)
    assert metadata["validation"] == "fgsm:eps=0.05"
    classifier, test_set = catalog.model(f"{plain},weights={file}"), catalog.data("demo:digits,count=200")
    assert accuracy(classifier, test_set) == chosen.accuracy
    validation = Validation(catalog.attack("fgsm:eps=0.05"), 50)
    assert robust_accuracy(classifier, test_set, validation) == chosen.robust_accuracy < chosen.accuracy


def test_the_best_epoch_is_the_first_of_the_greatest():
    def epoch(number: int, accuracy: float, robust: float | None) -> Epoch:
        return Epoch(number, 1.0, accuracy, robust, 0.1, 1.0)

    robust = (epoch(1, 0.9, 0.1), epoch(2, 0.5, 0.4), epoch(3, 0.8, 0.4))
    assert best(robust).number == 2
    clean = (epoch(1, 0.7, None), epoch(2, 0.9, None))
    assert best(clean).number == 2


def test_robust_accuracy_is_that_of_the_images_that_the_attack_leaves_right():
    classifier, dataset = catalog.model("demo:digits"), catalog.data("demo:digits,count=40")
    attack = catalog.attack("fgsm:eps=0.1")
    order = [place * 40 // 16 for place in range(16)]
    samples = [dataset.load(place) for place in order]
    images, labels = torch.stack([s.image for s in samples]), torch.tensor([s.label for s in samples])
    found = attack(classifier, images, labels, ids=[s.id for s in samples])
    expected = float((~found.success).float().mean())
    assert robust_accuracy(classifier, dataset, Validation(attack, 16), 7) == pytest.approx(expected)
    assert 0 < expected < 1
    with pytest.raises(UsageError, match="count is 0"):
        Validation(attack, 0)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The classifier that an objective arrives at, and its last epoch."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "nets.py").write_text(NETS)
    plain, out = f"python:{folder / 'nets.py'}:plain", folder / "a.safetensors"

    @functools.cache
    def train_for(objective: str) -> tuple[Classifier, Epoch]:
        task = Task(plain, "demo:digits,count=400", objective=objective, validate="fgsm:eps=0.1")
        settings = Settings(epochs=8, optimizer="adamw:learning_rate=0.01")
        history = train_network(task, out, settings)
        return catalog.model(f"{plain},weights={out}"), history[-1]

    return train_for


@pytest.mark.parametrize(
    "objective", ["adversarial:attack=pgd_linf:eps=0.1,,steps=3", "step_ll:eps=0.3,share=1"]
)
def test_what_is_trained_under_attack_withstands_more_of_them(learned, objective):
    (_, plainly), (_, robustly) = learned("cross_entropy"), learned(objective)
    assert robustly.robust_accuracy > plainly.robust_accuracy + 0.05
    assert robustly.accuracy > 0.8


def test_what_is_trained_under_noise_is_right_under_noise(learned):
    test_set = catalog.data("demo:digits")
    (batch,) = batches(test_set, range(400), 400, print)
    noise = torch.randn(batch.images.shape, generator=torch.Generator().manual_seed(0))

    def right(classifier: Classifier) -> float:
        with torch.no_grad():
            return float((classifier(batch.images + 1.5 * noise).argmax(1) == batch.labels).float().mean())

    (plainly, _), (noisily, _) = learned("cross_entropy"), learned("noise:sigma=1")
    assert right(noisily) > right(plainly) + 0.05


def test_masks_of_the_data_reach_the_attack_that_trains_and_the_one_that_judges(tmp_path):
    dual = "dual_perturbation:eps_foreground=0.5,eps_background=3,mask=data,salience=0,steps=2"
    task = Task(
        "timm:test_resnet,weights=random",
        "demo:scenes,count=12,size=32",
        objective=f"adversarial:attack={dual.replace(',', ',,')}",
        validate=dual,
        validate_count=6,
    )
    out = tmp_path / "a.safetensors"
    (epoch,) = train_network(task, out, Settings(epochs=1, batch_size=6, augment=("crop+flip",)))
    assert epoch.robust_accuracy is not None
    with pytest.raises(LimenError, match="mask"):
        train_network(dataclasses.replace(task, test_set="demo:photos,count=12"), out, TINY)


def test_a_fine_tuned_network_has_the_datas_classes_and_its_body_stays_frozen(tmp_path, plain):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_network(Task(plain, "demo:digits,count=64"), first, TINY)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 1), np.uint8)
    np.savez(tmp_path / "three.npz", x=pixels, y=np.arange(12) % 3)
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    data = f"npz:{tmp_path / 'three.npz'},classes={tmp_path / 'names.txt'}"
    task = Task(f"{plain},weights={first}", data, data, freeze=True)
    train_network(task, second, TINY)
    before, after = models.read_weights(first), models.read_weights(second)
    assert after["5.weight"].shape == (3, 16 * 49)
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("5."))
    tuned = catalog.model(f"{plain},weights={second}")
    assert tuned.class_names == ("a", "b", "c")
    assert tuned(torch.rand(2, 1, 28, 28)).shape == (2, 3)


@pytest.mark.parametrize("spec", ["torchvision:resnet18", "timm:test_resnet"])
def test_a_librarys_network_is_trained_for_other_classes_and_attacked_by_its_spec(tmp_path, spec):
    data, out = "demo:photos,count=12", tmp_path / "tuned.safetensors"
    task = Task(f"{spec},weights=random", data, objective="adversarial:attack=fgsm:eps=1/255", freeze=True)
    train_network(task, out, Settings(epochs=1, batch_size=6))
    tuned, test_set = catalog.model(f"{spec},weights={out}"), catalog.data(data)
    assert tuned.class_names == test_set.class_names
    (batch,) = batches(test_set, range(3), 3, print)
    outcome = catalog.attack("fgsm")(tuned, batch.images, batch.labels)
    assert outcome.images.shape == batch.images.shape
    # Normalised as the library's own, from which the file took nothing but the weights.
    assert (
        catalog.model(f"{spec},weights=random").normalised(batch.images).equal(tuned.normalised(batch.images))
    )


def test_with_the_models_classes_labels_are_looked_up_among_them(tmp_path):
    three = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), np.uint8)
    np.savez(tmp_path / "two.npz", x=three, y=np.arange(6) % 2)
    (tmp_path / "names.txt").write_text("7\n3\n")
    data = f"npz:{tmp_path / 'two.npz'},classes={tmp_path / 'names.txt'}"
    out = tmp_path / "a.safetensors"
    history = train_network(Task("demo:digits", data, data, classes="model"), out, Settings(epochs=20))
    classifier = catalog.model(f"demo:digits,weights={out}")
    assert len(classifier.class_names or ()) == 10
    samples = [catalog.data(data).load(index).image for index in range(6)]
    assert classifier(torch.stack(samples)).argmax(1).tolist() == [7, 3, 7, 3, 7, 3]
    assert history[-1].accuracy == 1


def test_a_test_set_that_lists_its_classes_otherwise_is_measured_by_their_names(tmp_path, plain):
    for split, names in (("train", "a b c"), ("test", "c a")):
        count = len(names.split())
        pixels = np.zeros((count, 28, 28, 1), np.uint8)
        np.savez(tmp_path / f"{split}.npz", x=pixels, y=np.arange(count))
        (tmp_path / f"{split}.txt").write_text("\n".join(names.split()))
    train, test = (f"npz:{tmp_path}/{name}.npz,classes={tmp_path}/{name}.txt" for name in ("train", "test"))
    task = Task(plain, test, train)
    datasets = task.datasets()
    _, measured = task.numbered(datasets, task.classifier(datasets[0], 0, Team()))
    assert [measured.load(place).label for place in range(2)] == [2, 0]


def test_data_without_a_split_for_training_asks_for_one(tmp_path, plain):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 28, 28, 1), np.uint8), y=np.arange(2))
    with pytest.raises(UsageError, match=r"unknown parameter 'split'.*Name the data .* by .*--train-data"):
        train_network(Task(plain, f"npz:{tmp_path / 'a.npz'}"), tmp_path / "a.safetensors", TINY)


def command(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def trained(*arguments: str) -> str:
    """What is told on the error stream while this process runs the command."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stderr


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


def test_a_training_that_is_killed_in_the_middle_ends_with_equal_weights(tmp_path, plain):
    task = ("train", "--model", plain, "--data", "demo:digits,count=96", "--epochs", "2")
    objective = (
        "--objective",
        "adversarial:attack=pgd_linf:eps=0.05,,steps=3",
        "--augment",
        "crop:padding=1",
    )
    often = ("--batch-size", "16", "--checkpoint-every", "0", "--out")
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    trained(*task, *objective, *often, str(whole))
    state = tmp_path / "parts.safetensors.checkpoint"
    running = subprocess.Popen(
        command("-m", "limen", *task, *objective, *often, str(parts)),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not state.exists():
        assert running.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not parts.exists()
    assert "epoch 2" in trained(*task, *objective, *often, str(parts))
    assert equal(whole, parts)
    assert not state.exists()


def test_two_processes_learn_what_one_learns(tmp_path, plain):
    """Without batch norms, whose statistics would be those of half a batch.

    The two processes are told what `accelerate launch` tells those that it starts: who they are, and where
    the store is by which they meet. The system chooses its port: one chosen beforehand may be taken by then.
    """
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    task = [
        "train",
        "--model",
        plain,
        "--data",
        "demo:digits,count=101",
        "--epochs",
        "2",
        "--batch-size",
        "33",
    ]
    task += ["--augment", "crop:padding=2", "--clip", "1", "--validate-count", "31"]
    task += ["--objective", "adversarial:attack=pgd_linf:eps=0.1,,steps=2,share=0.5"]
    task += ["--validate", "fgsm:eps=0.1", "--out"]
    alone = CliRunner().invoke(app, [*task, str(one)])
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = {
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": store.host,
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    both = [
        subprocess.Popen(
            command("-m", "limen", *task, str(two)),
            env=environment() | told | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    words = [each.communicate()[1] for each in both]
    assert [alone.exit_code, *(each.returncode for each in both)] == [0, 0, 0], alone.stderr + "".join(words)
    ours, theirs = models.read_weights(one), models.read_weights(two)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-5, atol=1e-6)
    lines = [
        [line[: line.rfind(",")] for line in text.splitlines() if line.startswith("epoch")]
        for text in (alone.stderr, "".join(words))
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 2

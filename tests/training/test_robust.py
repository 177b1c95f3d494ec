from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from limen import catalog
from limen.data import DataError, Dataset, Sample, from_arrays
from limen.data.robust import (
    FILE,
    RobustRow,
    mask_file,
    read_robust_manifest,
    read_rows,
    read_sample,
    write_rows,
)
from limen.errors import LimenError, UsageError
from limen.images import ImageFileError, quantize
from limen.models import read_metadata, read_weights
from limen.runs.entries import SkippedImage
from limen.training import Growing, Settings, Task, Team, grow_robust_set, train_network
from limen.training.reading import Share
from limen.training.robust.building import NETWORK
from limen.training.robust.folder import RobustFolder, write_clean, write_images, write_mask
from limen.training.robust.growing import CHECKPOINT
from limen.training.robust.growth import Growth
from limen.training.robust.page import describe_robust_set

PLAIN = "sgd:learning_rate=0.05,momentum=0,weight_decay=0"
SETTINGS = Settings(2, 4, PLAIN, "constant")
GROWING = Growing("pgd_l2:eps=1,steps=2,random_start=true")
LINEAR = """
from torch import nn

def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.Dropout(0.3))
"""


@pytest.fixture
def task(tmp_path) -> Task:
    """A linear network, and eight small grey images with masks and groups."""
    (tmp_path / "net.py").write_text(LINEAR)
    draws = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        x=draws.integers(0, 256, (9, 4, 4, 1), np.uint8),
        y=np.arange(9) % 2,
        group=np.array(["day", "night", "day"] * 3),
        mask=draws.random((9, 4, 4)) < 0.5,
    )
    data = f"npz:{tmp_path / 'data.npz'}"
    return Task(f"python:{tmp_path / 'net.py'}:linear", data, data)


def files(folder: Path) -> dict[str, bytes]:
    """All files of D_rob, of the last network its weights, but those that say how long something took."""
    passed = {FILE, NETWORK, "robust.lock"}
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in passed]
    weights = {name: value.numpy().tobytes() for name, value in read_weights(folder / NETWORK).items()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths} | weights


class KillError(Exception):
    """What stops a build, as a kill would."""


def killed(task: Task, growing: Growing, folder: Path, after: int, every: float, workers: int = 0) -> None:
    calls = 0

    def listen(event, steps):
        nonlocal calls
        calls += 1
        if calls == after:
            raise KillError

    with pytest.raises(KillError):
        grow_robust_set(task, growing, folder, SETTINGS, every=every, listen=listen, workers=workers)


@pytest.mark.parametrize("literal", [False, True])
def test_a_build_that_is_killed_anywhere_ends_as_one_that_was_not(task, tmp_path, literal):
    growing = Growing(GROWING.attack, literal)
    made = grow_robust_set(task, growing, tmp_path / "whole", SETTINGS)
    whole = files(tmp_path / "whole")
    # After the second batch, without and with a checkpoint of the first; at a step's end; and after it.
    for number, (after, every) in enumerate([(2, 1e9), (2, 0.0), (4, 1e9), (6, 0.0)]):
        folder = tmp_path / str(number)
        killed(task, growing, folder, after, every)
        with pytest.raises(DataError, match="not finished"):
            catalog.data(f"robust:{folder}")
        torch.rand(3)
        again = grow_robust_set(task, growing, folder, SETTINGS)
        assert files(folder) == whole
        assert [(step.loss, step.success) for step in again.steps] == [
            (step.loss, step.success) for step in made.steps
        ]
        assert not (folder / CHECKPOINT).exists()


def test_workers_that_read_ahead_change_nothing(task, tmp_path):
    for folder, workers in (("alone", 0), ("two", 2)):
        grow_robust_set(task, GROWING, tmp_path / folder, SETTINGS, workers=workers)
    assert files(tmp_path / "alone") == files(tmp_path / "two")


def test_a_finished_set_is_not_made_again_and_another_is_refused(task, tmp_path):
    folder = tmp_path / "set"
    grow_robust_set(task, GROWING, folder, SETTINGS)
    before = (folder / FILE).stat().st_mtime_ns
    grow_robust_set(task, GROWING, folder, SETTINGS, listen=lambda event, steps: pytest.fail("made again"))
    assert (folder / FILE).stat().st_mtime_ns == before
    for growing, settings, message in (
        (Growing("fgsm"), SETTINGS, "attack was pgd_l2"),
        (Growing(GROWING.attack, True), SETTINGS, "literal was False, now True"),
        (GROWING, Settings(3, 4, PLAIN, "constant"), "settings was"),
    ):
        with pytest.raises(UsageError, match=message):
            grow_robust_set(task, growing, folder, settings)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(UsageError, match="no robust data set; choose another --out"):
        grow_robust_set(task, GROWING, tmp_path / "other", SETTINGS)
    with pytest.raises(UsageError, match="clean_share is 1"):
        Growing(GROWING.attack, clean_share=1.0)


def test_the_set_has_the_samples_of_its_sources_and_what_was_made_of_them(task, tmp_path):
    grow_robust_set(task, GROWING, tmp_path / "set", SETTINGS)
    made, source = catalog.data(f"robust:{tmp_path / 'set'}"), catalog.data(task.test_set)
    rows = read_rows(tmp_path / "set")
    assert len(made) == len(rows) == 9 * 3
    changed = 0
    for place, row in enumerate(rows):
        ours, clean = made.load(place), source.load(source.ids.index(row.source))
        assert (ours.label, ours.group) == (clean.label, clean.group)
        assert torch.equal(ours.mask, clean.mask)
        distance = float((ours.image - clean.image).norm())
        assert distance == 0 if row.k == 0 else distance < 1 + 16 / 255
        changed += distance > 0
        torch.testing.assert_close(ours.image, quantize(ours.image), rtol=0, atol=1e-7)
        # Whether the last network of the build is fooled need not be so of an earlier one.
        assert (row.success is None) == (row.k == 0)
    assert changed > 9
    weights = made.weights
    assert weights[9:].tolist() == [float(number) for number in range(1, 19)]
    assert float(weights[:9].sum() / weights.sum()) == pytest.approx(0.5)
    assert made.groups == tuple(made.load(place).group for place in range(len(made)))
    assert {row.depth for row in rows} == {0, 1}
    metadata = read_metadata(tmp_path / "set" / NETWORK)
    assert metadata["attack"] == "pgd_l2:eps=1,steps=2,random_start=true"


def test_one_image_at_a_time_and_to_the_letter_is_the_text_step_by_step(task, tmp_path):
    """Algorithm 4.1 in NumPy, with the same draws, for an attack of one signed step on a linear network."""
    (tmp_path / "net.py").write_text(LINEAR.replace(", nn.Dropout(0.3)", ""))
    settings = Settings(3, 1, "sgd:learning_rate=0.001,momentum=0,weight_decay=0", "constant", seed=5)
    folder = tmp_path / "set"
    start = task.classifier(catalog.data(task.test_set), 5, _alone())
    linear = start.module[1]
    weight, bias = (value.detach().double().numpy().copy() for value in (linear.weight, linear.bias))
    grow_robust_set(task, Growing("fgsm:eps=20/255", literal=True), folder, settings)
    source = catalog.data(task.test_set)
    images = [source.load(place).image.double().flatten().numpy() for place in range(9)]
    labels, weights, depths = [place % 2 for place in range(9)], [1.0] * 9, [0] * 9
    for k in range(1, 4):
        before = [RobustRow(str(p), str(p), None, 0, 0, p + 1, w, 0) for p, w in enumerate(weights)]
        growth = Growth(before, literal=True)
        growth.clean = 9
        for i, place in enumerate(growth.draw(9 * k, settings.epoch_seed(k)), start=1):
            x, y = images[place], labels[place]
            slope = _softmax(weight @ x + bias) - np.eye(2)[y]
            weight -= 0.001 * weights[place] * np.outer(slope, x)
            bias -= 0.001 * weights[place] * slope
            gradient = weight.T @ (_softmax(weight @ x + bias) - np.eye(2)[y])
            moved = np.clip(x + 20 / 255 * np.sign(gradient), 0, 1)
            images.append(np.rint(moved * 255) / 255)
            labels.append(y)
            depths.append(depths[place] + 1)
            weights.append(float((k - 1) * 9 + i))
    made, rows = catalog.data(f"robust:{folder}"), read_rows(folder)
    assert [row.weight for row in rows] == weights
    assert [row.depth for row in rows] == depths
    ours = np.stack([made.load(place).image.double().flatten().numpy() for place in range(len(made))])
    np.testing.assert_allclose(ours, np.stack(images), atol=1e-6)
    last = read_weights(folder / NETWORK)
    np.testing.assert_allclose(last["1.weight"].numpy(), weight, atol=2e-4)
    np.testing.assert_allclose(last["1.bias"].numpy(), bias, atol=2e-4)


def _alone():
    from limen.training import Team

    return Team()


def _softmax(values):
    raised = np.exp(values - values.max())
    return raised / raised.sum()


def grown(literal: bool, seed: int, count: int = 1000, steps: int = 10) -> list[RobustRow]:
    """The rows that Algorithm 4.1 makes, whatever the attack."""
    clean = [RobustRow(str(place), str(place), None, 0, 0, place + 1, 1.0, 0) for place in range(count)]
    growth = Growth(clean, literal)
    for step in range(1, steps + 1):
        growth.add(growth.new_rows(step, growth.draw(len(growth), 1000 * seed + step), 1))
    return growth.weighted()


def test_to_the_letter_attacks_nest_and_clean_samples_vanish():
    """With N = 1000 and 10 steps: a depth of 4.3 on average over draws, 36 % of sources without a copy."""
    runs = [grown(True, seed) for seed in range(4)]
    made = [[row for row in rows if row.k] for rows in runs]
    drawn = [np.average([row.depth for row in rows], weights=[row.weight for row in rows]) for rows in runs]
    assert np.mean(drawn) == pytest.approx(4.3, abs=0.1)
    assert 8 <= max(row.depth for row in made[1]) <= 10
    left = np.mean([1 - len({row.source for row in rows}) / 1000 for rows in made])
    assert left == pytest.approx(0.36, abs=0.02)
    weights = np.array([row.weight for row in runs[0]])
    assert weights[-1000:].sum() / weights.sum() == pytest.approx(0.19, abs=0.001)
    assert weights[:1000].sum() / weights.sum() == pytest.approx(2e-5, rel=0.01)
    # A step is multiplied by two thirds of 10,000 on average, as draws are by the weight too.
    assert (weights**2).sum() / weights.sum() == pytest.approx(2 / 3 * 10_000, rel=0.01)


def test_by_default_half_of_the_draws_are_clean_and_nothing_nests():
    rows = grown(False, 0)
    weights = np.array([row.weight for row in rows])
    assert weights[:1000].sum() / weights.sum() == pytest.approx(0.5)
    assert {row.depth for row in rows} == {0, 1}
    drawn_clean = np.mean([row.drawn == row.source for row in rows if row.k > 1])
    assert drawn_clean == pytest.approx(0.5, abs=0.02)
    assert len({row.source for row in rows if row.k}) > 990


def test_a_network_is_trained_on_the_set(task, tmp_path):
    grow_robust_set(task, GROWING, tmp_path / "set", SETTINGS)
    robust = Task(task.model, task.test_set, f"robust:{tmp_path / 'set'}")
    history = train_network(robust, tmp_path / "net.safetensors", Settings(2, 9))
    assert len(history) == 2
    assert read_metadata(tmp_path / "net.safetensors")["data"] == f"robust:{tmp_path / 'set'}"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("robust.json", b"{}", "not a robust data set"),
        ("samples.parquet", b"PAR1", "cannot be read as the rows"),
        ("robust.json", None, "limen augment makes one"),
    ],
)
def test_a_broken_set_is_one_clear_error(task, tmp_path, file, content, message):
    grow_robust_set(task, GROWING, tmp_path / "set", Settings(1, 9, PLAIN))
    if content is None:
        (tmp_path / "set" / file).unlink()
    else:
        (tmp_path / "set" / file).write_bytes(content)
    with pytest.raises(LimenError, match=message):
        catalog.data(f"robust:{tmp_path / 'set'}")


CLEAN = RobustRow("a", "a", None, 0, 0, 1, 1.0, 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([replace(CLEAN, label=-1)], "row 1: a number is out of range"),
        ([replace(CLEAN, weight=float("nan"))], "row 1: a number is out of range"),
        ([CLEAN, replace(CLEAN, id="b", source="c", k=1)], "row 2: its source 'c' is no clean sample"),
        ([CLEAN, CLEAN], "no sample, or two of one name"),
        ([], "no sample, or two of one name"),
    ],
    ids=["label", "weight", "source", "twice", "none"],
)
def test_a_row_that_cannot_be_is_refused_by_its_number(tmp_path, rows, message):
    write_rows(tmp_path, rows)
    with pytest.raises(DataError, match=rf"samples\.parquet.*{message}"):
        read_rows(tmp_path)


def test_files_of_a_set_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(DataError, match=rf"{FILE}: cannot be read"):
        read_robust_manifest(tmp_path)
    write_images(tmp_path, [CLEAN], np.zeros((1, 4, 4, 1), np.uint8))
    write_mask(tmp_path, 1, torch.ones(1, 4, 4, dtype=torch.bool))
    assert read_sample(tmp_path.resolve(), CLEAN, 1).mask is not None
    mask_file(tmp_path, 1).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"00000001\.png"):
        read_sample(tmp_path.resolve(), CLEAN, 1)


def bad_at(*places: int) -> Dataset:
    good = from_arrays("noise", np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1), np.arange(3))

    def read(index: int) -> Sample:
        if index in places:
            raise ImageFileError(f"{index} is truncated")
        return good.load(index)

    return replace(good, read=read)


def test_images_that_cannot_be_used_are_left_out_of_a_set_where_someone_listens(tmp_path):
    told = []
    with pytest.raises(ImageFileError, match="1 is truncated"):
        write_clean(tmp_path, bad_at(1), None)
    rows, masked, skipped = write_clean(tmp_path, bad_at(1), lambda *report: told.append(report))
    assert ([row.label for row in rows], [row.i for row in rows], masked) == ([0, 2], [1, 2], False)
    assert told == [(each.id, each.reason) for each in skipped] == [(bad_at().ids[1], "1 is truncated")]
    with pytest.raises(LimenError, match="none of the images can be used"):
        write_clean(tmp_path, bad_at(0, 1, 2), lambda *report: None)


def test_a_set_that_does_not_fit_into_memory_is_read_again(tmp_path, monkeypatch):
    rows, *_ = write_clean(tmp_path, bad_at(), None)
    held = RobustFolder(tmp_path, Growth(rows), False, 3)
    first = held.read(0)
    assert held.read(1) is held.read(1)
    assert held.read(0) is first
    monkeypatch.setattr("limen.training.robust.folder.MOST", 0)
    held.read(2)
    again = held.read(0)
    assert again is not first
    assert torch.equal(again.image, first.image)


def test_several_processes_are_refused(task, tmp_path):
    team = Team()
    team.share = Share(0, 2)
    with pytest.raises(UsageError, match="is made by one process; start it without accelerate"):
        grow_robust_set(task, GROWING, tmp_path / "set", SETTINGS, team=team)
    assert not (tmp_path / "set").exists()


def test_the_dual_of_each_step_is_kept(task, tmp_path):
    dual = "lagrangian:attack=pgd_l2:eps=0.5,,steps=2,metric=l2,weight=2,radius=0.1"
    watched = Task(task.model, task.test_set, task.train_set, dual=dual)
    made = grow_robust_set(watched, GROWING, tmp_path / "set", SETTINGS)
    assert [step.number for step in made.steps] == [1, 2]
    for step in made.steps:
        assert step.dual is not None
        assert step.dual.low <= step.dual.value <= step.dual.high
    told = read_robust_manifest(tmp_path / "set")
    assert told == made
    assert asdict(told)["steps"][0]["dual"]["radius"] == 0.1
    short = replace(told, skipped=(SkippedImage("a", "truncated"),))
    assert ("left out, as they cannot be read", "1") in describe_robust_set(tmp_path / "set", short).settings

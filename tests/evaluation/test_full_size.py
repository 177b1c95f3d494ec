"""One photograph: its label is the model's own, and it fools the model in its own size, as it is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from limen import Classifier, catalog, runs
from limen.cli import app
from limen.data import UNLABELLED, DataError, images
from limen.errors import UsageError
from limen.evaluation.full_size import write_full_size
from limen.images import ImageFileError, read_image

MODEL = """
import limen, torch

def net():
    last = torch.nn.Linear(48, 3, bias=False)
    made = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), last)
    with torch.no_grad():
        made[2].weight.copy_(torch.randn(3, 48, generator=torch.Generator().manual_seed(0)))
    return limen.Classifier(made, class_names=["ant, emmet", "bee", "cat"])
"""


class Steady(nn.Module):
    """Says one class whatever it is shown."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label = label

    def forward(self, shown: Tensor) -> Tensor:
        return nn.functional.one_hot(torch.tensor(self.label), 3) + 0 * shown.sum((1, 2, 3))[:, None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    pixels = np.random.default_rng(0).integers(90, 160, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("me.png")
    Image.fromarray(np.swapaxes(pixels, 0, 1)).save("upright.png")
    return tmp_path


def attacked(*arguments: str) -> str:
    common = ["attack", "--model", "python:m.py:net", "--out", "run", "--no-report"]
    done = CliRunner().invoke(app, [*common, *arguments])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def seen(path: str | Path, **sizes: int) -> int:
    """What the model says of a file, read anew."""
    shown = images(Path(path), **sizes).load(0).image
    return int(catalog.model("python:m.py:net")(shown[None]).argmax(1))


@pytest.mark.parametrize(
    "sizes", [{"size": 16}, {"size": 16, "resize": 20}, {"size": 40}, {"size": 48}], ids=str
)
@pytest.mark.parametrize("name", ["me.png", "upright.png"])
def test_a_photograph_fools_the_model_in_its_own_size_as_it_is_stored(folder, name, sizes):
    options = "".join(f",{key}={value}" for key, value in sizes.items())
    told = attacked("--data", f"images:{name}{options}", "--attack", "ddn:steps=20")
    row = runs.open_run("run").table().to_pylist()[0]
    assert row["label"] == row["clean_prediction"] == seen(name, **sizes)
    stored = folder / "run" / "photographs" / "ddn-steps=20" / f"{name}.png"
    before, after = read_image(Path(name)), read_image(stored)
    assert seen(stored, **sizes) != row["label"]
    assert 0 < float((after - before).abs().max()) < 0.3
    assert read_image(stored.with_suffix(".difference.png")).shape == before.shape
    height, width = before.shape[1:]
    names = ("ant", "bee", "cat")
    assert f"{name}: {names[row['label']]} (" in told
    assert f"before, {names[seen(stored, **sizes)]} (" in told
    assert f"at {width}×{height}" in told
    assert "what the model itself said of the image before any attack" in " ".join(told.split())


def test_a_photograph_that_is_not_fooled_is_said_to_be_so_and_not_written(folder):
    told = attacked("--data", "images:me.png,size=16", "--attack", "fgsm:eps=0")
    assert "in its own size not fooled" in told
    assert not list((folder / "run").glob("photographs/*/*"))


def test_a_flat_folder_is_attacked_and_what_cannot_be_read_is_named(folder):
    (folder / "broken.jpg").write_bytes(b"no image")
    told = attacked("--data", f"images:{folder},size=16", "--attack", "ddn:steps=20")
    assert "skipped broken.jpg" in told
    assert len(list((folder / "run").glob("photographs/*/*.difference.png"))) == 2


def test_the_same_command_again_resumes(folder):
    arguments = ("--data", "images:me.png,size=16", "--attack", "ddn:steps=20")
    first = attacked(*arguments)
    assert first.partition("me.png:")[2] == attacked(*arguments).partition("me.png:")[2]


def test_what_a_run_s_photograph_came_to_is_said_whatever_became_of_it(folder):
    attacked("--data", "images:me.png,size=16", "--attack", "ddn:steps=20")
    run, net = runs.open_run("run"), catalog.model("python:m.py:net")
    label = run.table().to_pylist()[0]["label"]
    steady = Classifier(Steady(label), class_names=net.class_names)
    (one,) = write_full_size(run, images(Path("me.png"), size=16), steady)
    assert str(one).endswith("after ddn:steps=20, in its own size not fooled")
    assert one.path is None
    Image.open("upright.png").save("me.png")
    (one,) = write_full_size(run, images(Path("me.png"), size=16), net)
    assert str(one) == "me.png: has changed since ddn:steps=20 attacked it, so not made in its own size"


def test_a_grey_photograph_stays_grey_and_has_no_label_of_its_own(folder):
    Image.fromarray(np.full((20, 30), 9, np.uint8)).save("grey.png")
    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 3))
    dataset = images(Path("grey.png"), size=16)
    sample = dataset.load(0)
    assert sample.image.shape == (1, 16, 16)
    assert sample.label == UNLABELLED
    assert isinstance(Classifier(net)(sample.image[None]), Tensor)


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("images:missing.jpg", UsageError, "no such file or folder"),
        ("images:empty", DataError, "no images"),
        ("images:classes", DataError, "folder:.*classes reads these"),
        ("images:me.png,size=0", UsageError, "size is 0; expected a number of pixels"),
        ("images:me.png,size=20,resize=10", UsageError, "at most as much"),
        ("images", UsageError, "images:PATH"),
    ],
)
def test_what_is_no_photograph_is_refused_with_the_cure(folder, spec, kind, message):
    (folder / "empty").mkdir()
    (folder / "classes" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "classes" / "cat" / "a.png")
    with pytest.raises(kind, match=message):
        catalog.data(spec)


def test_a_photograph_too_narrow_to_be_resized_is_named_by_its_size(folder, monkeypatch):
    monkeypatch.setattr("limen.images.crop._MOST_PIXELS", 0)
    said = "it has 60×40 pixels; it would have 120×80 pixels when resized"
    with pytest.raises(ImageFileError, match=said):
        images(Path("me.png"), size=80).load(0)


def test_the_square_in_the_centre_is_what_the_model_is_shown(folder):
    whole = read_image(Path("me.png"))
    torch.testing.assert_close(images(Path("me.png"), size=40).load(0).image, whole[:, :, 10:50])

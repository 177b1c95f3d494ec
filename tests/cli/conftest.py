"""A user's folder with a small model and small photographs, and the command line."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from limen.cli import app

NETS = """
import torch
from torch import nn

class Lamp(nn.Module):
    # Class 1 ("light") if the mean of the image is above one half.
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(20.0))

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return self.gain * torch.stack([0.5 - mean, mean - 0.5], 1)

def lamp():
    return Lamp()

def training_mode():
    return nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), Lamp())

class Broken(Lamp):
    def forward(self, x):
        raise RuntimeError("out of paper")

def broken():
    return Broken()

class Nan(Lamp):
    def forward(self, x):
        return super().forward(x) * float("nan")

def nan():
    return Nan()

def one_logit():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 1))
"""

Limen = Callable[..., Any]


@pytest.fixture
def limen() -> Limen:
    """Run `limen` with these arguments in this process."""

    def run(*arguments: object) -> Any:
        result = CliRunner().invoke(app, [str(each) for each in arguments], prog_name="limen")
        # Whatever is no mistake of the user is a defect, and the test should show where.
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `nets.py` and `photos/{dark,light}/*.png` of 16×16 pixels; it is the current one."""
    (tmp_path / "nets.py").write_text(NETS)
    for name, level in (("dark", 118), ("light", 138)):
        for number in range(4):
            _write_photo(tmp_path / "photos" / name / f"{number}.png", level + number)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run over the embedded network, in a folder of its own."""
    folder = tmp_path_factory.mktemp("made")
    command = ["attack", "--model", "demo:photos", "--data", "demo:photos,count=6", "--out", "run"]
    command += ["--attack", "fgsm:eps=0.06", "--attack", "ddn:steps=8", "--no-report"]
    with contextlib.chdir(folder):
        assert CliRunner().invoke(app, command).exit_code == 0
    return folder


@pytest.fixture
def run(made, tmp_path, monkeypatch) -> Path:
    shutil.copytree(made / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


@pytest.fixture
def grid(workshop, limen) -> Path:
    """A run of two budgets of one attack and of another attack, on eight photographs."""
    command = ("--model", "python:nets.py:lamp", "--data", "folder:photos", "--out", "grid", "--no-report")
    attacks = ("--attack", "fgsm:eps=0.02,0.06", "--attack", "ddn:steps=8")
    assert limen("attack", *command, *attacks).exit_code == 0
    return workshop / "grid"


@pytest.fixture
def photo() -> Callable[..., None]:
    """Write a square photograph of about some grey level."""
    return _write_photo


def _write_photo(path: Path, level: int, size: int = 16, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(level).integers(-3, 4, (size, size, 3))
    Image.fromarray((level + noise).astype(np.uint8)).convert(mode).save(path)

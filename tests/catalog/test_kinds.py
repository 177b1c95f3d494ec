"""Things of every kind from a user's own file."""

from __future__ import annotations

import pytest
import torch

from limen import catalog
from limen.attacks import Attack
from limen.catalog import Grid
from limen.errors import LimenError, UsageError
from limen.evaluation import describe_run, run_attacks
from limen.runs import create_or_resume, open_run

FILE = """
from __future__ import annotations
from dataclasses import fields
import numpy as np
import torch
from torch import Tensor
import limen
from limen.attacks.factory import attack
from limen.attacks.library.linf import pgd_linf
from limen.metrics import Metric
from limen.runs import MetricColumn

def shift(step: float | Tensor = 0.1):
    def call(classifier, images, labels, *, targeted=False, ids=None, seed=0, lattice=255):
        step_ = torch.as_tensor(step, dtype=images.dtype).reshape(-1, 1, 1, 1)
        found = limen.images.quantize((images + step_).clamp(0, 1))
        predictions = classifier(found).argmax(1)
        counts = dict.fromkeys([each.name for each in fields(limen.Outcome)[3:]], torch.zeros_like(labels))
        return limen.Outcome(found, predictions != labels, predictions, **counts)
    return call
shift.budget = "step"

def strong(steps=7):
    return limen.attacks.pgd_linf(eps=0.2, steps=steps)

def halved(x, by=2.0):
    return x / by

def greatest(first, second):
    \"\"\"The greatest change.\"\"\"
    return (first - second).abs().amax((1, 2, 3))

told = Metric(MetricColumn("told", "Told", higher_is_better=True), greatest, least_side=9)

def noise(count: int = 3):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return limen.data.from_arrays("noise", pixels, np.arange(count) % 4)

def net(classes: int = 4):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, classes))

def nothing(): return None

odd = dict

number = 3

class Strict:
    def __init__(self, images: Tensor): ...
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(FILE)
    return "my.py"


def test_everything_of_a_run_comes_from_one_file(file):
    torch.manual_seed(0)
    classifier = catalog.model(f"python:{file}:net", defenses=[f"python:{file}:halved,by=1.5", "bilateral"])
    dataset = catalog.data(f"python:{file}:noise,count=5")
    attacks = [
        catalog.attack_or_grid(f"python:{file}:shift,step=0.1,0.2"),
        catalog.attack(f"python:{file}:strong"),
    ]
    metrics = [catalog.metric(f"python:{file}:greatest"), catalog.metric(f"python:{file}:told")]
    manifest = describe_run(classifier, dataset, attacks, metrics=metrics)
    with create_or_resume("run", manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer, metrics=metrics)
    run = open_run("run")
    assert run.manifest.families() == {
        "python:my.py:shift": ("python:my.py:shift,step=0.1", "python:my.py:shift,step=0.2"),
        "python:my.py:strong": ("python:my.py:strong",),
    }
    assert (run.manifest.model.spec, run.manifest.data.spec) == (
        "python:my.py:net",
        "python:my.py:noise,count=5",
    )
    assert run.manifest.model.chain == "python:my.py:halved,by=1.5, then bilateral"
    assert [each.key for each in run.manifest.metrics] == ["greatest", "told"]
    codes = {each.identity.code for each in run.manifest.attacks} | {
        each.code for each in run.manifest.metrics
    }
    assert codes == {run.manifest.model.code, run.manifest.model.defenses[0].code, run.manifest.data.code}
    assert len(codes) == 1
    rows = [row for row in run.table().to_pylist() if row["success"] and "shift" in row["attack"]]
    assert rows
    for row in rows:
        assert row["greatest"] == pytest.approx(float(row["attack"][-3:]), abs=1 / 255)


def test_a_run_s_model_is_made_again_with_its_defences_and_only_as_it_was(file, tmp_path):
    spec = "demo:photos"
    classifier = catalog.model(spec, defenses=["bilateral:radius=2", f"python:{file}:halved"])
    entry = describe_run(classifier, catalog.data("demo:photos,count=2"), []).model
    images = torch.rand(2, 3, 96, 96)
    assert torch.equal(catalog.model_of(entry)(images), classifier(images))
    (tmp_path / "my.py").write_text(FILE.replace("x / by", "x / by / 2"))
    with pytest.raises(UsageError, match="halved is not what it was: its file has changed"):
        catalog.model_of(entry)


def test_an_attack_of_a_file_knows_what_it_is(file):
    strong = catalog.attack(f"python:{file}:strong,steps=3")
    assert isinstance(strong, Attack)
    assert strong.identity.label == "python:my.py:strong,steps=3"
    grid = catalog.attack_or_grid(f"python:{file}:shift,step=0.1,0.2")
    assert isinstance(grid, Grid)
    assert {each.family() for each in grid.identities} == {
        catalog.attack(f"python:{file}:shift").identity.family()
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: catalog.data("python:my.py:nothing"),
            r"python:my.py:nothing returned NoneType; .* limen.data.Dataset",
        ),
        (lambda: catalog.attack("python:my.py:nothing"), r"returned NoneType; it must return an attack"),
        (lambda: catalog.attack("python:my.py:Strict"), r"python:my.py:Strict raised TypeError: .*missing 1"),
        (lambda: catalog.model("python:my.py:Strict"), r"python:my.py:Strict raised TypeError: .*missing 1"),
        (
            lambda: catalog.attack("python:my.py:strong,stpes=3"),
            "unknown parameter 'stpes'; did you mean 'steps'",
        ),
        (
            lambda: catalog.defense("python:my.py:halvd"),
            "unknown function in my.py 'halvd'; did you mean 'halved'",
        ),
        (
            lambda: catalog.attack("python:my.py:odd"),
            r"the parameters of dict cannot be read \(.*dict.*\); write a function around it",
        ),
        (lambda: catalog.attack("python:my.py:number"), "number is int, which cannot be called"),
    ],
)
def test_what_is_not_of_its_kind_is_refused_by_name(file, make, message):
    with pytest.raises(LimenError, match=message):
        make()

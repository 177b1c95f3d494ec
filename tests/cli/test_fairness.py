"""`limen fairness`: runs, and families of models that differ in how they treat groups."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from limen import user_code
from limen.evaluation.families import family_of
from limen.training.checkpoint import write_weights

NETS = """
from torch import nn


def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
"""
GROUPS = 6


@pytest.fixture
def families(tmp_path, monkeypatch) -> Path:
    """Two families: one has the richer groups right, the other all alike.

    A grey image tells its class by its first pixel and, in richer groups more often, by its last one.
    """
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETS, encoding="utf-8")
    draw = np.random.default_rng(0)
    labels, places = np.arange(300) % 2, np.arange(300) // 2 % GROUPS
    pixels = np.full((300, 8, 8, 3), 128, np.uint8)
    pixels[:, 0, 0] = np.where(draw.random(300) < 0.85, labels, 1 - labels)[:, None] * 255
    pixels[:, 7, 7] = np.where(draw.random(300) < 0.5 + 0.09 * places, labels, 1 - labels)[:, None] * 255
    names = np.array([f"g{place}" for place in places])
    np.savez("groups.npz", x=pixels, y=labels, group=names)
    lines = ["country,gdp", *(f"g{place},{1000 * 2**place}" for place in range(GROUPS)), "g9,1"]
    Path("gdp.csv").write_text("\n".join(lines), encoding="utf-8")
    for name, pixel in (("fair", 0), ("biased", 63)):
        Path(name).mkdir()
        for seed in range(3):
            torch.manual_seed(seed)
            layer = torch.nn.Linear(192, 2)
            with torch.no_grad():
                layer.weight.mul_(0.1)
                layer.bias.zero_()
                layer.weight[0, pixel::64] -= 1
                layer.weight[1, pixel::64] += 1
                layer.weight[:, :] -= layer.weight.mean(1, keepdim=True)
            told = {"model": "python:nets.py:small", "settings": json.dumps({"seed": seed})}
            write_weights(
                Path(name, f"{seed:03d}.safetensors"), torch.nn.Sequential(torch.nn.Flatten(), layer), told
            )
        Path(name, "000.best.safetensors").write_bytes(b"no model of the family")
    return tmp_path


MODELS = ("fair=fair", "biased=biased", "--data", "npz:groups.npz", "--out", "out", "--trust", "nets.py")
TABLE = ("--covariate", "gdp.csv", "--group", "country")


def test_families_are_tested_compared_and_shown(families, limen):
    result = limen("fairness", *MODELS, *TABLE, "--json", "figures.json", "--paired")
    assert result.exit_code == 0, result.stderr
    figures = json.loads(Path("figures.json").read_text())
    fair, biased = figures["families"]
    assert [each["seed"] for each in biased["models"]] == [0, 1, 2]
    assert all(each["p"] < 0.05 and each["slope"]["value"] > 0.05 for each in biased["models"])
    assert all(each["p"] > 0.05 for each in fair["models"])
    (pair,) = figures["comparisons"]
    assert (pair["first"], pair["second"], pair["test"]["paired"]) == ("fair", "biased", True)
    assert pair["over_groups"]["low"] > 0
    for text in (
        "Which family is fairer?",
        "biased less fair",
        "No image is of: g9.",
        "page out/fairness.html",
    ):
        assert text in result.stdout
    page = Path("out/fairness.html").read_text()
    assert "Distribution of β" in page
    assert "Groups over gdp" in page


def test_what_was_computed_is_kept(families, limen, monkeypatch):
    assert limen("fairness", *MODELS, *TABLE).exit_code == 0
    kept = sorted(Path("out/answers").rglob("*.parquet"))
    assert len(kept) == 6
    assert pq.read_table(kept[0]).num_rows == 300
    times = [path.stat().st_mtime_ns for path in kept]
    page = Path("out/fairness.html").read_bytes()
    kept[2].unlink()
    assert limen("fairness", *MODELS, *TABLE).exit_code == 0
    assert [path.stat().st_mtime_ns == time for path, time in zip(kept, times, strict=True)].count(False) == 1
    assert Path("out/fairness.html").read_bytes() == page
    kept[0].write_bytes(b"broken")
    result = limen("fairness", *MODELS, *TABLE)
    assert result.exit_code == 1
    assert f"{kept[0]}: cannot be read as a model's answers" in result.stderr


def test_one_model_shows_its_groups_and_what_it_gets_wrong(families, limen):
    spec = "python:nets.py:small,weights=biased/000.safetensors"
    rest = ("--data", "npz:groups.npz", "--out", "out", *TABLE, "--recheck", "wrong.csv")
    result = limen("fairness", spec, *rest)
    assert result.exit_code == 0, result.stderr
    assert "Does it follow gdp?" in result.stdout
    lines = Path("wrong.csv").read_text().splitlines()
    assert lines[0].replace('"', "").split(",") == [
        *("id", "group", "label", "prediction", "wrong", "models", "confidence", "exclude")
    ]
    sure = [float(line.split(",")[6]) for line in lines[1:]]
    assert sure == sorted(sure, reverse=True)
    assert len(sure) > 20
    assert Path("wrong.html").read_text().count("<img") == min(120, len(sure))


def test_a_run_is_tested_like_its_evaluation(families, limen):
    model = "python:nets.py:small,weights=biased/000.safetensors"
    attack = (
        "attack",
        "--model",
        model,
        "--data",
        "npz:groups.npz",
        "--attack",
        "fgsm:eps=0.01",
        "--out",
        "run",
    )
    assert limen(*attack, "--limit", 60).exit_code == 0
    result = limen("fairness", "run", *TABLE)
    assert result.exit_code == 0, result.stderr
    assert "accuracy under fgsm:eps=0.01" in result.stdout
    assert "Group fairness" in Path("run/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fair", "--out", "out"), 2, "models need --data"),
        ((*MODELS, "--value", "gdp"), 2, "brings no number of its groups"),
        ((*MODELS, *TABLE, "--recheck", "wrong.txt"), 2, "is a .csv"),
        (("fair", "x=fair", "fair=biased", *MODELS[2:], *TABLE), 2, "two families are called 'fair'"),
        (("no/*.safetensors", *MODELS[2:], *TABLE), 2, "no models here"),
        ((*MODELS, "--covariate", "gdp.csv"), 1, "columns group"),
        (("ran", *MODELS[2:4]), 2, "--recheck and --paired are of models, not of runs"),
        (("ran", "fair"), 2, "give folders of runs alone, or models alone"),
        (("fair", "--data", "demo:digits,count=4", *MODELS[4:], *TABLE), 2, "demo:digits,count=4"),
    ],
)
def test_what_cannot_be_done_is_said_with_an_exit_code(families, limen, arguments, code, message):
    Path("ran").mkdir()
    Path("ran/run.json").touch()
    result = limen("fairness", *arguments)
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr


def test_families_are_folders_patterns_files_and_specs(families):
    assert family_of("fair").models == tuple(
        f"python:nets.py:small,weights=fair/{seed:03d}.safetensors" for seed in range(3)
    )
    assert family_of("A b=fair/00[12].safetensors").seeds == (1, 2)
    assert family_of("demo:photos,weights=x.safetensors").models == ("demo:photos,weights=x.safetensors",)
    assert family_of("mine=torchvision:resnet18").name == "mine"


def test_code_that_only_files_of_weights_name_is_not_run(families, limen, monkeypatch):
    monkeypatch.setattr(user_code, "_loaded", {})  # as in another process
    refused = limen("fairness", "fair", *MODELS[2:-2], *TABLE)
    assert (refused.exit_code, "fair names code in nets.py" in refused.stderr) == (1, True)
    done = limen("fairness", "fair", *MODELS[2:], *TABLE)
    assert done.exit_code == 0, done.stderr


def test_models_of_other_seeds_are_not_paired(families, limen):
    Path("biased/002.safetensors").rename("biased/003.safetensors")
    Path("fair/000.safetensors").unlink()
    result = limen("fairness", "fair", "biased/00[03].safetensors", *MODELS[2:], *TABLE, "--paired")
    assert result.exit_code == 2
    assert "have not the same seeds" in result.stderr

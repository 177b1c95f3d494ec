"""`limen attack` on data whose samples have masks and groups."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from limen.data import demo
from limen.images import to_uint8
from limen.runs import open_run

NETWORK = """
from torch import nn

def linear():
    return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(3 * 8 * 8, 7))
"""
REST = (
    "--model",
    "python:linear.py:linear",
    "--attack",
    "pgd_l2:eps=4,steps=3",
    "--out",
    "run",
    "--no-report",
)


@pytest.fixture
def scenes(tmp_path, monkeypatch) -> Path:
    """A folder, which is the current one, with a network of seven classes and a table of seven scenes."""
    monkeypatch.chdir(tmp_path)
    Path("linear.py").write_text(NETWORK)
    Path("scenes").mkdir()
    dataset = demo("scenes", count=7, size=32)
    with open("scenes/table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "mask", "group"])
        for index in range(7):
            sample = dataset.load(index)
            Image.fromarray(to_uint8(sample.image[None])[0]).save(f"scenes/{sample.id}.png")
            Image.fromarray(sample.mask[0].numpy()).save(f"scenes/{sample.id}-mask.png")
            table.writerow([f"{sample.id}.png", sample.label, f"{sample.id}-mask.png", sample.group])
    return tmp_path


@pytest.mark.parametrize("data", ["demo:scenes,count=7,size=32", "csv:scenes/table.csv"])
def test_scenes_are_attacked_as_they_are_drawn_and_as_a_table_lists_them(limen, scenes, data):
    result = limen("attack", *REST, "--data", data)
    assert result.exit_code == 0, result.stderr
    run = open_run(scenes / "run")
    assert run.table().num_rows == 7
    assert run.table()["label"].to_pylist() == list(range(7))
    assert run.manifest.data.spec == data


def test_a_broken_table_is_told_with_its_line(limen, scenes):
    with open("scenes/table.csv", "a") as file:
        file.write("../secret.png,1,a.png,day\n")
    result = limen("attack", *REST, "--data", "csv:scenes/table.csv")
    assert result.exit_code == 1
    assert "table.csv, line 9: image '../secret.png' is no path below" in " ".join(result.stderr.split())


def test_data_sets_are_listed_with_their_options(limen):
    shown = limen("list", "data").stdout
    for name in ("csv", "imagenet", "stl10", "segment6", "masks", "share"):
        assert name in shown

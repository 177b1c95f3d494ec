"""Section 4 of the paper on imperceptible attacks and fairness, on small scenes in made-up places."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limen import catalog
from limen.analysis import group_shares, trend
from limen.errors import UsageError
from limen.recipes import Bench
from limen.recipes.hua import fairness

NET = """
from torch import nn


def small():
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3 * 8 * 8, 7))
"""
SCENES = "demo:scenes,size=32,groups=3,bias=0.8,count=21"
QUICK = (
    "models=2,steps=1,epochs=1,train_batch=16,"
    "imperceptible=perceptual_gradient:metric=ssim,,steps=2,pgd=pgd_l2:eps=0.5,,steps=2"
)


@pytest.fixture
def scenes(tmp_path, told) -> Bench:
    (tmp_path / "small.py").write_text(NET, encoding="utf-8")
    return Bench(f"python:{tmp_path}/small.py:small", SCENES, tmp_path / "out", showing=told)


def test_figure_4_1_is_the_trend_of_the_models_groups(scenes, made):
    rows, document = made("hua-figure-4.1:variances=binomial", scenes)
    dataset = catalog.data(SCENES)
    assert {row["model"] for row in rows} == {scenes.model}
    assert sum(row["images"] for row in rows) == len(dataset)
    shares = group_shares(
        [row["group"] for row in rows for _ in range(row["images"])],
        np.array([place < row["right"] for row in rows for place in range(row["images"])]),
    )
    expected = trend(shares, dataset.covariates.values, variances="binomial")
    printed, trends, *_ = document.blocks
    assert "F(1, 39) = 5.392" in printed.groups[0].rows[0][0].text
    (row,) = trends.groups[0].rows
    assert (row[2].value, row[4].value) == pytest.approx((expected.slope.value, expected.p))
    assert any("synthetic" in each for each in document.blocks[-2].items)


def test_figure_4_2_trains_four_families_and_compares_each_two(scenes, made):
    rows, document = made(f"hua-figure-4.2:{QUICK}", scenes)
    assert [name for name, _ in rows.by("family")] == list(fairness.FAMILIES)
    assert [len({row["model"] for row in of}) for _, of in rows.by("family")] == [2] * 4
    titles = [block.title for block in document.blocks]
    assert titles[:5] == [
        "What the paper prints",
        "Families",
        "Which family is fairer?",
        "Slopes of the models",
        "Groups over wealth",
    ]
    (slopes,) = document.blocks[3].charts
    # Of two models there is no density: its axis begins at 0 all the same.
    assert [line.name.partition(" ")[0] for line in slopes.lines] == ["models"] * 4
    assert slopes.y_range == (-0.15, 1.0)
    pairs = [row[0].text for row in document.blocks[2].groups[0].rows]
    assert len(pairs) == 6
    assert "PGD less Imperceptible" in pairs
    folders = {path.name for path in scenes.out.iterdir() if path.is_dir()}
    assert {"robust-pgd", "robust-imperceptible", "family-group-dro", "family-ordinary"} <= folders
    trained = {path: path.stat().st_mtime_ns for path in Path(scenes.out).rglob("*.safetensors")}
    again, _ = made(f"hua-figure-4.2:{QUICK}", scenes)
    assert again == rows
    assert {path: path.stat().st_mtime_ns for path in trained} == trained


def test_images_without_numbers_of_their_groups_are_refused(scenes, made):
    with pytest.raises(UsageError, match="brings no number of its groups"):
        made("hua-figure-4.1", dataclasses.replace(scenes, data="demo:scenes,size=32,count=7"))

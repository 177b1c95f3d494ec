"""Figure 2 and the HILL costs of the paper on superpixel attacks, on a few embedded photographs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from limen.evaluation.fooled import load
from limen.recipes.superpixel import foreground
from limen.runs import Run, open_run
from limen.structure import attention_mask, hill


def right(run: Run) -> list[dict]:
    """The records of the images that count."""
    return [row for row in run.table().to_pylist() if row["clean_prediction"] == row["label"]]


def test_figure_2_splits_the_perturbation_of_each_fooled_image(photos, made):
    bench = dataclasses.replace(photos, limit=24)
    rows, document = made("superpixel-figure-2", bench)
    run = open_run(bench.out / "superpixel-foreground")
    found = [row for row in right(run) if row["success"]]
    originals = load([run.original_path(row["id"]) for row in found])
    attacked = load([run.image_path(row["attack"], row["id"]) for row in found])
    mask = attention_mask(bench.classifier, originals, None, "cam", relu=False, enlarge="nearest")
    truth = torch.tensor([row["label"] for row in found])
    for part, kept in (("Foreground", mask), ("Background", ~mask)):
        of = rows.where(group=foreground.AS_IT_IS, attack=part)
        alone = torch.where(kept, attacked, originals)
        expected = bench.classifier(alone).argmax(1) != truth
        row = of.one(statistic="success")
        assert (row["value"], row["images"]) == (pytest.approx(expected.double().mean().item()), len(found))
        assert of.one(statistic="pixels")["value"] == pytest.approx(kept.double().mean().item())
        assert row["paper"] == {"Foreground": 0.9403, "Background": 0.4635}[part]
        long = rows.one(group=foreground.AS_LONG, attack=part, statistic="size")
        assert long["value"] == pytest.approx(2, abs=0.15)
        half = rows.one(group=foreground.HALVES, attack=part, statistic="pixels")
        assert half["value"] == pytest.approx(0.5)
    assert "paper: 94.0" in document.blocks[0].groups[1].rows[0][1].note


def test_images_whose_attention_is_flat_have_no_parts_and_do_not_count(photos, made, flat):
    bench = dataclasses.replace(photos, limit=24)
    rows, _ = made(f"superpixel-figure-2:attention={flat}", bench)
    found = right(open_run(bench.out / "superpixel-foreground"))
    fooled = [row["success"] for row in found if row["clean_prediction"] % 2 == 0]
    assert 0 < len(fooled) < len(found)
    split = rows.where(group=foreground.AS_IT_IS, statistic="success")
    assert split.column("images") == [sum(fooled)] * 2
    costs, _ = made(f"superpixel-hill:attention={flat}", bench)
    assert costs.one(attack="Foreground", statistic="median")["images"] == len(fooled)


def test_the_half_with_more_attention_has_the_first_of_equals():
    maps = torch.tensor([[[0.2, 0.9], [0.9, 0.9]], [[0.0, 0.0], [0.0, 0.0]]])
    half = foreground._upper_half(maps)[:, 0]
    assert half.tolist() == [[[False, True], [True, False]], [[True, True], [False, False]]]


def test_hill_has_the_medians_of_both_parts(photos, made):
    rows, document = made("superpixel-hill:attention=gradcam", photos)
    run = open_run(photos.out / "superpixel-foreground")
    found = right(run)[: photos.limit]
    originals = load([run.original_path(row["id"]) for row in found])
    masks = attention_mask(photos.classifier, originals, None, "gradcam")[:, 0]
    costs = hill(originals)
    pairs = [
        (float(cost[mask].median()), float(cost[~mask].median()))
        for cost, mask in zip(costs, masks, strict=True)
    ]
    own, other = np.transpose(pairs)
    front, back = (rows.one(attack=part, statistic="median") for part in ("Foreground", "Background"))
    assert (front["value"], back["value"]) == pytest.approx((np.median(own), np.median(other)))
    assert front["low"] <= front["value"] <= front["high"]
    assert rows.one(attack="Foreground", statistic="cheaper")["value"] == np.mean(own < other)
    assert (front["paper_mean"], back["paper_mean"]) == (5269.94, 18853.42)
    assert "paper mean: 5,270" in document.blocks[0].groups[0].rows[0][1].note
    assert dict(document.settings)["Attention"] == "gradcam"

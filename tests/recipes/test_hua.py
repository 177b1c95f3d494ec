"""Tables and figures of the paper on human imperceptible attacks, on a few embedded photographs."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from limen import catalog
from limen.errors import UsageError
from limen.evaluation.saliency import map_distances, scaled
from limen.images import from_uint8
from limen.recipes import Rows
from limen.recipes.hua import common, tables
from limen.recipes.hua.pictures import enlarged, most_changed
from limen.recipes.pictures import PICTURE
from limen.runs import Run, open_run
from limen.structure import saliency_maps

FEW = "steps=12,colour_steps=4,bound_steps=2"


def fooled(run: Run, spec: str) -> list[dict]:
    """The records of the images that an attack fools the model on."""
    label = catalog.attack(spec).identity.label
    return [
        row
        for row in run.table().to_pylist()
        if row["attack"] == label and row["success"] and row["clean_prediction"] == row["label"]
    ]


def pixels_of(png: bytes) -> np.ndarray:
    """A picture (H, W, C) uint8."""
    found = np.asarray(Image.open(io.BytesIO(png)))
    return found if found.ndim == 3 else found[..., None]


def test_table_3_1_has_the_paper_beside_success_and_distances(seen, made):
    rows, document = made(f"hua-table-3.1:{FEW}", seen)
    run = open_run(seen.out / "hua-attacks")
    assert [title for title, _ in rows.by("attack")] == [*common.ATTACKS]
    known = {title: fooled(run, of[0]["spec"]) for title, of in rows.by("attack")}
    assert all(known[title] for title in common.OURS[:2])
    for place, (title, of) in enumerate(rows.by("attack")):
        expected = known[title]
        assert of.one(statistic="success")["value"] == len(expected) / 3
        for metric in ("l1", "l2", "linf", "mad"):
            row = of.one(statistic="mean", metric=metric)
            values = [each[metric] for each in expected]
            assert row["value"] == (pytest.approx(np.mean(values)) if values else None)
            printed = tables.TABLE_3_1.get(f"mean {metric}")
            assert row["paper"] == (printed and printed[place])
    table = document.blocks[0]
    assert table.columns[:5] == ("Attack", "Success", "L₁", "L₂", "L∞")
    assert "FSIM" in " ".join(table.columns)
    notes = {row[0].text: row for row in table.groups[0].rows}
    assert "paper: 593" in notes["PGD (L2)"][2].note


def test_no_attack_is_judged_by_what_it_keeps_low_and_similarities_stand_as_what_is_lost(seen, made):
    rows, document = made(f"hua-table-3.1:{FEW}", seen)
    run = open_run(seen.out / "hua-attacks")
    for title, of in rows.by("attack"):
        aims = {"PerC_AL": "ciede2000"} | dict.fromkeys(common.OURS, "ssim")
        for metric in ("ssim", "ciede2000"):
            assert bool(of.where(statistic="mean", metric=metric)) == (aims.get(title) != metric)
    pgd = rows.where(attack="PGD (L2)")
    expected = [1 - each["ssim"] for each in fooled(run, pgd[0]["spec"])]
    lost = pgd.one(statistic="mean", metric="ssim")
    assert lost["value"] == pytest.approx(np.mean(expected))
    assert lost["low"] <= lost["value"] <= lost["high"]
    cells = {row[0].text: row for row in document.blocks[0].groups[0].rows}
    place = document.blocks[0].columns.index("1 − SSIM")
    assert cells["Ours (a = 1)"][place].text == "its aim"
    assert not cells["PGD (L2)"][place].text


def test_judges_whose_weights_are_missing_are_named_and_those_of_ones_own_stand_last(
    seen, tmp_path, monkeypatch
):
    from limen.recipes import RECIPES

    monkeypatch.setattr(common, "at_hand", lambda metric: False)
    (tmp_path / "own.py").write_text("def mean(a, b):\n    return (a - b).abs().mean((1, 2, 3))\n")
    recipe = RECIPES.make(f"hua-table-3.1:{FEW},judge=python:{tmp_path / 'own.py'}:mean")
    records = recipe.measure(seen)
    document = recipe.describe(records)
    assert document.blocks[0].columns[-1] == "mean"
    assert dict(document.settings)["Not at hand"].startswith("weights of LPIPS, DISTS, PieAPP")
    rows = Rows(records.to_pylist())
    for title, of in rows.by("attack"):
        l1 = of.one(statistic="mean", metric="l1")["value"]
        mean = of.one(statistic="mean", metric="mean")["value"]
        assert (l1 is None) == (mean is None), title
        assert l1 is None or mean == pytest.approx(l1 / (3 * 96 * 96), rel=1e-4)


def test_table_3_2_compares_the_saliency_of_stored_images(seen, made):
    rows, document = made(f"hua-table-3.2:{FEW}", seen)
    run = open_run(seen.out / "hua-attacks")
    of = rows.where(attack="Ours (a = 1)")
    expected = []
    for row in fooled(run, of[0]["spec"]):
        pair = from_uint8(np.stack([run.original(row["id"]), run.image(row["attack"], row["id"])]))
        maps = scaled(saliency_maps("spectral_residual", pair), "peak")
        expected.append(torch.stack([*map_distances(maps[:1], maps[1:]).values()]).flatten())
    means = torch.stack(expected).mean(0).tolist()
    names = ("l1", "l2", "linf", "dissimilarity")
    found = [of.one(statistic="mean", metric=name) for name in names]
    assert [row["value"] for row in found] == pytest.approx(means, rel=1e-3)
    assert [row["paper"] for row in found] == [654.57, 6.42, 0.205, 0.045]
    assert document.blocks[0].columns == ("Attack", "Success", "L₁", "L₂", "L∞", "1 − SSIM")


def test_figure_3_1_shows_images_of_one_class_that_both_steps_fool(bench_in, made):
    rows, document = made("hua-figure-3.1:eps=4,digit=none,images=1", bench_in(limit=8))
    run = open_run(bench_in().out / "hua-one-step-4")
    assert [title for title, _ in rows.by("attack")][:2] == ["Our one-step attack", "One-step PGD (L2)"]
    both = set.intersection(
        *({row["id"] for row in fooled(run, f"{name}:eps=4")} for name in ("ssim_step", "fgm"))
    )
    (shown,) = document.blocks[1].rows
    assert shown.title in both
    assert np.array_equal(pixels_of(rows.where(statistic=PICTURE)[0]["png"]), run.original(shown.title))
    known = {row["attack"]: row for row in run.table().to_pylist() if row["id"] == shown.title}
    assert [picture.title for picture in shown.pictures] == [
        f"Original: {known['fgm:eps=4']['label']}",
        f"Our one-step attack: {known['ssim_step:eps=4']['prediction']}",
        f"One-step PGD (L2): {known['fgm:eps=4']['prediction']}",
    ]


def test_figure_3_2_enlarges_the_part_that_attacks_change_most(seen, made):
    rows, document = made(f"hua-figure-3.2:{FEW},images=1", seen)
    run = open_run(seen.out / "hua-attacks")
    (row,) = document.blocks[0].rows
    original = run.original(row.title)
    first = pixels_of(rows[0]["png"])
    height, gap = original.shape[0], original.shape[0] // 32
    assert np.array_equal(first[:height], original)
    part = first[height + gap :][::4, ::4]
    corners = [
        (y, x)
        for y in range(height - 23)
        for x in range(height - 23)
        if np.array_equal(original[y : y + 24, x : x + 24], part)
    ]
    assert len(corners) == 1


def test_the_part_that_changes_most_is_found_by_trying_all():
    generator = np.random.default_rng(0)
    original = generator.integers(0, 256, (20, 28, 3), dtype=np.uint8)
    changed = [original.copy(), original.copy()]
    changed[0][9:12, 15:20] ^= 8
    changed[1][2:4, 1:3] ^= 1
    shares = [np.abs(each.astype(int) - original).sum(-1) for each in changed]
    total = sum(each / each.sum() for each in shares)
    tried = {(y, x): total[y : y + 5, x : x + 7].sum() for y in range(16) for x in range(22)}
    at = most_changed(original, changed)
    assert tried[at] == pytest.approx(max(tried.values()))
    assert enlarged(original, *at).shape == (20, 28, 3)


def test_figure_3_3_has_the_value_of_every_image_that_is_fooled(seen, made):
    rows, document = made(f"hua-figure-3.3:{FEW},judge=mad", seen)
    run = open_run(seen.out / "hua-attacks")
    table, drawn, _ = document.blocks
    boxes, lines = drawn.charts
    for title, of in rows.by("attack"):
        values = [row["mad"] for row in fooled(run, of[0]["spec"])]
        assert of.column("value") == values
        (box,) = [each for each in boxes.boxes if each.name == title]
        assert box.quartiles == pytest.approx(tuple(np.quantile(values, [0.25, 0.5, 0.75])))
        (cells,) = [each for each in table.groups[0].rows if each[0].text == title]
        assert cells[2].value == pytest.approx(np.median(values))
        assert f"images: {len(values)}" in cells[1].note
    assert {line.name for line in lines.lines} == {box.name for box in boxes.boxes}


def test_figure_3_3_leaves_out_whom_the_judge_knows_and_refuses_small_images(seen, made):
    rows, _ = made(f"hua-figure-3.3:{FEW},judge=ssim", seen)
    assert not {title for title, _ in rows.by("attack")} & set(common.OURS)
    with pytest.raises(UsageError, match="ms_ssim needs images with sides of 161 pixels"):
        made(f"hua-figure-3.3:{FEW},judge=ms_ssim", seen)


def test_figure_3_4_shows_images_above_their_saliency(seen, made):
    _, document = made(f"hua-figure-3.4:{FEW},images=1", seen)
    run = open_run(seen.out / "hua-attacks")
    (row,) = document.blocks[0].rows
    original = run.original(row.title)
    assert np.array_equal(pixels_of(row.pictures[0].image)[: len(original)], original)
    assert row.pictures[0].title == "Original"
    assert {picture.title for picture in row.pictures[1:]} >= {*common.OURS[:2]}


def test_figure_3_5_counts_what_is_classified_otherwise_behind_a_defence(seen, made):
    rows, document = made(f"hua-figure-3.5:{FEW}", seen)
    run = open_run(seen.out / "hua-attacks")
    defense = catalog.defense("bit_depth:bits=2,levels=power")
    for title in ("Ours (a = 5)", "no attack"):
        row = rows.one(attack=title, defense="bit_depth", at=2.0)
        label = catalog.attack(row["spec"] or rows[0]["spec"]).identity.label
        known = [each for each in run.table().to_pylist() if each["attack"] == label]
        right = [each for each in known if each["clean_prediction"] == each["label"]]
        pixels = [
            run.original(each["id"]) if title == "no attack" else run.image(label, each["id"])
            for each in right
        ]
        after = seen.classifier(defense(from_uint8(np.stack(pixels)))).argmax(1)
        hits = after != torch.tensor([each["label"] for each in right])
        assert (row["value"], row["images"]) == (hits.double().mean().item(), len(right))
    jpeg, bits, strengths, confidences, _ = document.blocks
    assert jpeg.columns[1:] == tuple(f"quality {value}" for value in (90, 80, 70, 60, 50, 40, 30))
    assert bits.groups[0].rows[-1][0].text == "no attack"
    assert [len(chart.lines) for chart in strengths.charts] == [8, 8]
    over = confidences.charts[0].lines
    assert over[0].x == (0, 1, 5)
    of = [rows.one(attack=title, defense="jpeg", at=90.0)["value"] for title in common.OURS]
    assert list(over[0].y) == of

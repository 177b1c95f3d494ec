"""Figures of the paper on two budgets, on a few embedded photographs."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from limen import catalog
from limen.data import batches
from limen.evaluation.fooled import load
from limen.recipes.dual import common, robustness, salience
from limen.runs import open_run
from limen.structure import foreground_score, masks_of

BARE = "python:mine.py:bare"
"""The same network under another name, as another classifier."""


@pytest.fixture
def photos(bench_in, monkeypatch, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "dual"
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(
        "import limen\ndef bare(): return limen.catalog.model('demo:photos').module\n"
    )
    monkeypatch.chdir(folder)
    return dataclasses.replace(bench_in(folder / "out", limit=4), model="demo:photos", data="demo:photos")


def folder_of(bench, model):
    return next(of.out for name, of in common.benches(bench, (BARE,)) if name == model)


def test_figure_4_has_the_share_of_all_images_that_each_classifier_still_has_right(photos, made):
    rows, document = made(f"dual-figure-4:model={BARE},steps=2", photos)
    assert [title for title, _ in rows.by("group")] == ["Foreground", "Background", "PGD"]
    for name in ("demo:photos", BARE):
        records = open_run(folder_of(photos, name) / "dual-l2").table().to_pylist()
        for row in rows.where(attack=name):
            of = [each for each in records if each["attack"] == row["spec"]]
            right = [each["clean_prediction"] == each["label"] for each in of]
            attacked = row["group"] != "PGD" or row["at"] > 0
            still = [ok and not (attacked and each["success"]) for ok, each in zip(right, of, strict=True)]
            assert row["images"] == len(of) == 4
            assert row["value"] == pytest.approx(np.mean(still))
            assert row["low"] <= row["value"] <= row["high"]
    assert {row["value"] for row in rows.where(group="PGD", at=0.0)} == {1.0}
    assert rows.where(group="Background", attack="demo:photos").column("value")[-1] < 1
    (charts, _) = document.blocks
    assert [chart.title for chart in charts.charts] == ["Foreground", "Background", "PGD"]
    assert [line.name for line in charts.charts[0].lines] == ["demo:photos", BARE]
    assert not any("model=SPEC" in note for note in document.blocks[-1].items)


def test_figure_3_scores_the_images_that_fool_under_every_weight_of_salience(photos, made):
    rows, document = made("dual-figure-3:steps=5,mask=saliency", photos)
    run = open_run(folder_of(photos, "demo:photos") / "dual-salience")
    records = run.table().to_pylist()
    labels = [row["spec"] for row in rows.where(statistic="accuracy")]
    fooled = [{row["id"] for row in records if row["attack"] == label and row["success"]} for label in labels]
    ids = sorted(set.intersection(*fooled))
    assert ids
    for at, label in zip((-1.0, *salience.SALIENCES), (None, *labels), strict=True):
        paths = [run.original_path(each) if label is None else run.image_path(label, each) for each in ids]
        masks = masks_of("saliency", load([run.original_path(each) for each in ids]))
        expected = foreground_score(load(paths), masks).double().mean()
        row = rows.one(statistic="score", at=at)
        assert (row["value"], row["images"]) == (pytest.approx(float(expected), abs=1e-5), len(ids))
    scores = rows.where(statistic="score").column("value")
    assert scores[0] > scores[1]
    assert scores[-1] > scores[1]
    accuracies = rows.where(statistic="accuracy")
    assert accuracies.column("at") == [*salience.SALIENCES]
    assert document.blocks[0].columns[:3] == ("Classifier", "Originals", "λ = 0")


def test_budgets_in_l2_are_those_of_the_same_root_mean_square(photos):
    sweep = common.BudgetRange("PGD", "pgd_l2", "eps", (1, 2), [("steps", 5)])
    side = 96 / 224
    (one, two) = catalog.attack_or_grid(sweep.entry(photos).spec).identities
    assert one.parameters["eps"] == pytest.approx(side, rel=1e-3)
    assert two.parameters["eps"] == pytest.approx(2 * side, rel=1e-3)
    assert common.budget(photos, 20, levels=True) == "20/255"


@pytest.mark.parametrize("share", robustness.SHARES)
def test_a_share_allows_as_many_values_as_exact_arithmetic_says(share):
    part, counts = Fraction(str(share)) / Fraction(str(robustness.SHARES[-1])), range(2001)
    assert [robustness.allowed(share, most) for most in counts] == [int(part * most) for most in counts]


def test_jsma_at_a_share_is_jsma_with_that_many_values(bench_in, made):
    bench = bench_in(limit=4)
    rows, document = made("dual-figure-5:steps=2", bench)
    assert [title for title, _ in rows.by("group")] == ["PGD", "Foreground", "Background", "JSMA"]
    batch = next(batches(bench.dataset, range(4), 4, print))
    classifier = bench.classifier
    right = classifier(batch.images).argmax(1) == batch.labels
    found = rows.where(group="JSMA")
    assert found.column("at") == [0, *robustness.SHARES]
    assert found[0]["value"] == pytest.approx(float(right.double().mean()))
    for row in found[1:]:
        fewer = catalog.attack(f"jsma:eps={round(row['at'] * 784)}")
        outcome = fewer(classifier, batch.images, batch.labels, ids=batch.ids)
        assert row["value"] == pytest.approx(float((right & ~outcome.success).double().mean()))
    assert len(set(found.column("value"))) > 1
    assert any("model=SPEC" in note for note in document.blocks[-1].items)


def test_jsma_is_left_out_where_it_would_take_too_many_steps(photos, made):
    rows, document = made("dual-figure-5:steps=1", photos)
    assert [title for title, _ in rows.by("group")] == ["PGD", "Foreground", "Background"]
    assert any("JSMA is left out" in note for note in document.blocks[-1].items)

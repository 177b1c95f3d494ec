"""Pictures of the paper on two budgets, on a few embedded photographs."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import cross_entropy

from limen import catalog
from limen.document import Pictures
from limen.evaluation.fooled import load
from limen.recipes.pictures import PICTURE
from limen.runs import open_run
from limen.structure import foreground_score, masks_of

SOFTER = """
import limen
from torch import nn
def softer(): return nn.Sequential(nn.AvgPool2d(3, 1, 1), limen.catalog.model("demo:photos").module)
"""


@pytest.fixture
def few(photos, tmp_path):
    return dataclasses.replace(photos, out=tmp_path / "out", limit=3)


def fooled(run, label):
    return {row["id"] for row in run.table().to_pylist() if row["attack"] == label and row["success"]}


def shown(rows, document):
    """The pictures of the records, and those of the page, which must be the same."""
    (block,) = (each for each in document.blocks if isinstance(each, Pictures))
    on_page = {(side.title, each.title): each.image for side in block.rows for each in side.pictures}
    of_records = {(row["id"], row["title"]): row["png"] for row in rows.where(statistic=PICTURE)}
    assert on_page == of_records
    return {key: np.asarray(Image.open(io.BytesIO(png))) for key, png in of_records.items()}


def test_figure_1_shows_images_that_fool_with_and_without_salience(few, made):
    rows, document = made("dual-figure-1:steps=5,images=2", few)
    run = open_run(few.out / "dual-pictures")
    both = set.intersection(*(fooled(run, label) for label in run.manifest.labels))
    scores = rows.where(statistic="score")
    assert scores.column("at") == [-1, 0, 10]
    assert {row["images"] for row in scores} == {len(both)}
    paths = [run.image_path(run.manifest.labels[1], each) for each in sorted(both)]
    masks = masks_of("saliency", load([run.original_path(each) for each in sorted(both)]))
    expected = float(foreground_score(load(paths), masks).double().mean())
    assert scores.column("value")[2] == pytest.approx(expected, abs=1e-5)
    pictures = shown(rows, document)
    ids = {image_id for image_id, _ in pictures}
    assert ids
    assert ids <= both
    for image_id in ids:
        height = len(run.original(image_id))
        for title, label in zip(("λ = 0", "λ = 10"), run.manifest.labels, strict=True):
            assert (pictures[image_id, title][:height] == run.image(label, image_id)).all()


def test_figure_2_changes_one_region_at_a_time(few, made):
    rows, document = made("dual-figure-2:steps=5,images=2", few)
    run = open_run(few.out / "dual-regions")
    for title, label in zip(("Background", "Foreground"), run.manifest.labels, strict=True):
        of = rows.where(attack=title)
        hit = sorted(fooled(run, label))
        assert hit
        found = of.one(statistic="success")
        right = {row["id"] for row in run.table().to_pylist() if row["clean_prediction"] == row["label"]}
        assert found["value"] == pytest.approx(len(hit) / len(right))
        masks = masks_of("saliency", load([run.original_path(each) for each in hit])).numpy()[:, 0]
        for image_id, mask in zip(hit, masks, strict=True):
            change = np.abs(run.image(label, image_id).astype(int) - run.original(image_id)).max(2)
            inside, outside = (mask, ~mask) if title == "Foreground" else (~mask, mask)
            assert change[outside].max() == 0
            assert 0 < change[inside].max() <= 40
    assert len({title for _, title in shown(rows, document)}) == 3
    assert dict(document.settings)["Model"] == "demo:photos"


def test_figure_6_says_where_the_gradient_of_each_classifier_lies(few, made, tmp_path):
    (tmp_path / "mine.py").write_text(SOFTER)
    other = f"python:{tmp_path / 'mine.py'}:softer"
    rows, document = made(f"dual-figure-6:model={other},images=2", few)
    run = open_run(few.out / "dual-gradients")
    labels = {row["id"]: row["label"] for row in run.table().to_pylist()}
    images = load([run.original_path(each) for each in labels])
    masks, truth = masks_of("saliency", images)[:, 0], torch.tensor([*labels.values()])
    for name in ("demo:photos", other):
        given = images.clone().requires_grad_()
        logits = catalog.model(name)(given)
        cross_entropy(logits, truth, reduction="sum").backward()
        energy = given.grad.double().square().sum(1)
        expected = {
            "right": (logits.argmax(1) == truth).double(),
            "length": energy.sum((1, 2)).sqrt(),
            "energy": (energy * masks).sum((1, 2)) / energy.sum((1, 2)),
        }
        for statistic, values in expected.items():
            row = rows.one(attack=name, statistic=statistic)
            assert row["value"] == pytest.approx(float(values.mean()), rel=1e-3)
            assert row["images"] == len(values) == 3
    assert {title for _, title in shown(rows, document)} == {"Original", "demo:photos", other}
    assert not any("model=SPEC" in note for note in document.blocks[-1].items)

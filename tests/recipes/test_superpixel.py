"""Tables and figures of the paper on superpixel attacks, on a few embedded photographs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from limen import catalog
from limen.defenses import DEFENSES
from limen.errors import LimenWarning
from limen.evaluation import labels_of
from limen.evaluation.fooled import load
from limen.recipes.superpixel import ability, common, detectability, robustness
from limen.runs import Run, open_run


def right(run: Run, label: str) -> list[dict]:
    """The records of the images that count under an attack."""
    return [
        row
        for row in run.table().to_pylist()
        if row["attack"] == label and row["clean_prediction"] == row["label"]
    ]


def labels(spec: str) -> tuple[str, ...]:
    """The label of each budget that a spec names."""
    return labels_of([catalog.attack_or_grid(spec)])


def test_table_1_has_success_on_the_model_and_on_each_other(photos, made):
    rows, document = made("superpixel-table-1:model=demo:photos", photos)
    run = open_run(photos.out / "superpixel-attacks")
    assert [title for title, _ in rows.by("attack")] == [*common.ATTACKS]
    for title, of in rows.by("attack"):
        (label,) = labels(of[0]["spec"])
        assert "delta=16" in label
        expected = [row["success"] for row in right(run, label)]
        own, other = of.one(classifier=None), of.one(classifier="demo:photos")
        assert (own["value"], own["images"]) == (pytest.approx(np.mean(expected)), len(expected))
        # The same network is fooled by the same images.
        assert (other["value"], other["low"], other["high"]) == (own["value"], own["low"], own["high"])
        assert own["paper_Inc-v4"] is None
        assert other["paper_Inc-v4"] == ability.TABLE_1["paper_Inc-v4"][common.ATTACKS.index(title)]
    cells = document.blocks[0].groups[0].rows[1]
    assert document.blocks[0].columns == ("Attack", "White box", "demo:photos")
    assert cells[0].text == "SA-FGM"
    assert "paper Inc-v3: 73.8" in cells[1].note
    assert "paper Inc-v4: 56.2" in cells[2].note
    assert not any("model=SPEC" in note for note in document.blocks[-1].items)


def test_table_1_alone_says_what_is_missing(photos, made):
    _, document = made("superpixel-table-1", photos)
    assert document.blocks[0].columns == ("Attack", "White box")
    assert any("model=SPEC" in note for note in document.blocks[-1].items)


def test_table_3_counts_the_images_that_are_right_behind_the_pooling(photos, made):
    rows, document = made("superpixel-table-3", photos)
    run = open_run(photos.out / robustness.FOLDER)
    chosen = rows.where(defense="max_pool", at=5.0, attack="SAI-FGM")
    assert chosen.column("delta") == [2, 4, 8, 16]
    fooled = 0
    for row in chosen:
        (label,) = labels(row["spec"])
        found = right(run, label)
        truth = torch.tensor([each["label"] for each in found])
        seen = [
            photos.classifier(DEFENSES["max_pool"](load(paths), size=5)).argmax(1)
            for paths in (
                [run.original_path(each["id"]) for each in found],
                [run.image_path(label, each["id"]) for each in found],
            )
        ]
        counts = seen[0] == truth
        expected = (seen[1] != truth)[counts]
        assert row["images"] == len(expected)
        assert row["value"] == pytest.approx(expected.double().mean().item())
        fooled += int(expected.sum())
    assert fooled
    groups = {group.title: group for group in document.blocks[0].groups}
    assert list(groups)[:4] == [f"Average pooling, δ = {delta}" for delta in (2, 4, 8, 16)]
    assert "paper: 79.8" in groups["Max pooling, δ = 16"].rows[1][3].note
    assert "paper" not in groups["Max pooling, δ = 2"].rows[1][3].note


FEWER = {"resize": (1, 2), "jpeg": (95, 55), "dnn_jpeg": (95, 55), "bit_depth": (2, 3, 4)}


@pytest.fixture
def few_strengths(monkeypatch):
    for name, strengths in FEWER.items():
        monkeypatch.setitem(robustness.DEFENSES, name, robustness.DEFENSES[name].at(*strengths))


@pytest.mark.usefixtures("few_strengths")
@pytest.mark.parametrize(
    ("recipe", "defenses", "charts", "says"),
    [
        ("superpixel-figure-4", ["resize"], 9, "paper: 82.2"),
        ("superpixel-figure-5", ["jpeg", "dnn_jpeg"], 8, "paper: 68.4"),
        ("superpixel-figure-6", ["total_variation", "bit_depth"], 5, "paper: 44.6"),
    ],
)
def test_figures_draw_all_strengths_and_show_what_the_paper_prints(
    photos, made, recipe, defenses, charts, says
):
    rows, document = made(recipe, photos)
    drawn, points, _ = document.blocks
    assert len(drawn.charts) == charts
    assert [name for name, _ in rows.by("defense")] == defenses
    for name, of in rows.by("defense"):
        assert tuple(at for at, _ in of.by("at")) == FEWER.get(name, (None,))
    assert all(len(chart.lines) == 2 for chart in drawn.charts)
    counts = [row["images"] for row in rows]
    assert f"{max(counts)} images" in drawn.caption
    for line in (line for chart in drawn.charts for line in chart.lines):
        assert all(map(np.less_equal, line.low, line.y))
        assert all(map(np.less_equal, line.y, line.high))
    notes = [row[1].note for group in points.groups for row in group.rows]
    assert len(notes) == 2
    assert any(says in note for note in notes)


@pytest.mark.usefixtures("few_strengths")
def test_without_shrinking_success_is_that_on_the_model_itself(photos, made):
    rows, _ = made("superpixel-figure-4", photos)
    run = open_run(photos.out / "superpixel-attacks")
    for title, of in rows.where(at=1.0).by("attack"):
        for row in of:
            (label,) = labels(row["spec"])
            expected = [each["success"] for each in right(run, label)]
            assert row["value"] == pytest.approx(np.mean(expected)), title


@pytest.mark.usefixtures("few_strengths")
def test_tvm_has_no_strength_and_stands_over_the_budget(photos, made):
    rows, document = made("superpixel-figure-6", photos)
    chart = document.blocks[0].charts[0]
    assert (chart.title, chart.x_label) == ("TVM", "budget δ")
    for line in chart.lines:
        assert line.x == (2, 4, 8, 16)
        shown = rows.where(attack=line.name, defense="total_variation")
        assert line.y == pytest.approx(shown.column("value"))


@pytest.fixture
def few_detectors(monkeypatch):
    """Two budgets and one merging, as each label has detectors of its own."""
    monkeypatch.setattr(detectability, "DELTAS", (2, 8))
    monkeypatch.setattr(detectability, "MERGES", (0,))
    few = {name: (values[0], values[-1]) for name, values in detectability.TABLE_2.items()}
    monkeypatch.setattr(detectability, "TABLE_2", few)


@pytest.mark.usefixtures("few_detectors")
def test_of_too_few_images_there_is_no_detection_rate(photos, made, tmp_path):
    bench = dataclasses.replace(photos, out=tmp_path, limit=2)
    rows, document = made("superpixel-table-2:repeats=2", bench)
    assert set(rows.column("images")) == {0}
    assert document.blocks[0].groups[0].rows[0][1].shown == "–"


@pytest.mark.usefixtures("few_detectors")
def test_table_2_has_the_balanced_accuracy_of_each_attacks_own_detectors(photos, made):
    bench = dataclasses.replace(photos, limit=8)
    rows, document = made("superpixel-table-2:repeats=2", bench)
    assert document.blocks[0].columns == ("Attack", "δ = 2", "δ = 8")
    assert dict(document.settings)["Detectors"] == "spam features, 2 halves"
    strong = rows.one(attack="I-FGM", delta=8.0)
    run = open_run(photos.out / "superpixel-detection")
    label = labels(strong["spec"])[-1]
    scores = bench.evaluated(run, "detection:features=spam,repeats=2", "detection").to_pylist()
    own = [row for row in scores if row["attack"] == row["shown"] == label]
    rates = []
    for repeat in (0, 1):
        of = [row for row in own if row["repeat"] == repeat]
        votes = [[np.sign(row[name] - 0.5) / 2 + 0.5 for row in of] for name in ("attacked", "original")]
        rates.append((np.mean(votes[0]) + 1 - np.mean(votes[1])) / 2)
    assert strong["value"] == pytest.approx(np.mean(rates))
    assert strong["images"] == len({row["id"] for row in own})
    assert strong["paper"] == pytest.approx(0.9601)
    assert rows.one(attack="SAI-FGM (β = 0)", delta=2.0)["paper"] == pytest.approx(0.755)


def test_table_4_has_a_column_for_each_test_and_a_row_for_each_way(photos, made):
    photos = dataclasses.replace(photos, limit=6)
    rows, document = made("superpixel-table-4:repeats=1", photos)
    (made_of,) = (block for block in document.blocks if hasattr(block, "groups"))
    assert made_of.columns == ("Attack", "White box", "Detection", "Resizing", "JPEG", "TVM")
    names = [[row[0].text for row in group.rows] for group in made_of.groups]
    assert names == [["I-FGM", "SLIC-adv", "LSC-adv", "SEEDS-adv"], ["AVG", "MAX"]]
    run = open_run(photos.out / "superpixel-methods")
    for title, of in rows.by("attack"):
        (label,) = labels(of[0]["spec"])
        expected = [row["success"] for row in right(run, label)]
        assert of.one(column="White box")["value"] == pytest.approx(np.mean(expected)), title
        assert of.one(column="JPEG")["images"] > 0
    assert rows.one(attack="LSC-adv", column="TVM")["paper"] == 0.835
    assert rows.one(attack="MAX", column="White box")["paper"] == pytest.approx(0.842)
    assert rows.one(attack="MAX", column="JPEG")["paper"] is None


def test_figure_8_varies_the_size_and_the_mask(photos, made, monkeypatch):
    assert (tuple(ability.SIZES), tuple(ability.TWELFTHS)) == ((2, 3, 4, 5, 6, 7, 8), tuple(range(12)))
    monkeypatch.setattr(ability, "SIZES", (2, 8))
    monkeypatch.setattr(ability, "TWELFTHS", (0, 11))
    rows, document = made("superpixel-figure-8:model=demo:photos", photos)
    sizes, factors = document.blocks[0].charts
    assert [line.name for line in sizes.lines] == ["White box", "After resizing, γ = 3"]
    assert sizes.lines[0].x == (2, 8)
    assert (sizes.marks[0].x, factors.marks[0].x) == (5, 4)
    assert [line.name for line in factors.lines] == ["White box", "demo:photos"]
    assert factors.lines[0].y == factors.lines[1].y
    assert factors.lines[0].x == (0, 11)
    # The more of the image is left out, the less is there to fool with.
    assert factors.lines[0].y[0] > factors.lines[0].y[-1]
    size_of = {row["at"]: row["spec"] for row in rows.where(group="Size")}
    assert "size=8" in size_of[8.0]
    assert rows.where(attack="After resizing, γ = 3").column("images") != [0] * 2


def test_attacks_are_the_papers_with_the_attention_that_is_asked_for():
    spec = common.attack("SAI-FGM", [2, 4], common.ATTENTION, merge=4).spec
    assert spec == "sai_fgm:delta=2,4,attention=cam:relu=false,,enlarge=nearest,merge=4"
    assert len(labels(spec)) == 2
    assert "attention=none" in common.attack("M-SAI-FGM", [16], None).spec
    plain = {name: common.attack(name, [16], "cam").spec for name in ("FGM", "I-FGM", "MI-FGM")}
    assert plain == {
        "FGM": "sa_fgm:delta=16,superpixels=none,attention=none",
        "I-FGM": "sai_fgm:delta=16,superpixels=none,attention=none,random_start=false",
        "MI-FGM": "m_sai_fgm:delta=16,superpixels=none,attention=none,random_start=false",
    }
    for each in plain.values():
        catalog.attack(each)


def test_a_spec_on_the_page_is_the_spec_that_was_run(photos, made):
    rows, document = made("superpixel-table-1", photos)
    for (_, of), cells in zip(rows.by("attack"), document.blocks[0].groups[0].rows, strict=True):
        assert labels(cells[0].note) == labels(of[0]["spec"])


def test_another_attention_stands_in_the_same_run(photos, made, tmp_path):
    bench = dataclasses.replace(photos, out=tmp_path / "both", limit=2)
    first, _ = made("superpixel-table-1", bench)
    rows, document = made("superpixel-table-1:attention=none", bench)
    assert "attention=none" in rows.one(attack="SAI-FGM")["spec"]
    assert rows.one(attack="FGM") == first.one(attack="FGM")
    assert dict(document.settings)["Attention"] == "none: the whole image"
    # The three attacks without a mask are the same in both.
    assert len(open_run(bench.out / "superpixel-attacks").manifest.labels) == 3 * (6 + 3)


def test_a_page_says_on_how_many_images_the_attention_is_flat(photos, made, flat, monkeypatch, tmp_path):
    monkeypatch.setattr(robustness, "_DELTAS", (4,))
    bench = dataclasses.replace(photos, out=tmp_path)
    with pytest.warns(LimenWarning, match="is flat"):
        _, document = made(f"superpixel-table-3:attention={flat}", bench)
    records = open_run(bench.out / robustness.FOLDER).table().to_pylist()
    guided = {row["id"] for row in records if row["unmasked"]}
    assert guided == {row["id"] for row in records if row["clean_prediction"] % 2}
    assert 0 < len(guided) < bench.limit
    told = dict(document.settings)["Attention"]
    assert told.endswith(
        f"; flat on {len(guided)} of {bench.limit} images, of which guided attacks could change all"
    )
    assert (
        dict(made("superpixel-table-3", bench)[1].settings)["Attention"] == "cam:relu=false, enlarge=nearest"
    )


def test_the_printed_figures_are_those_of_the_paper():
    assert [detectability.TABLE_2["FGM"][-1], detectability.TABLE_2["SAI-FGM (β = 4)"][0]] == [97.09, 63.3]
    assert detectability.TABLE_4["SEEDS-adv"] == (98.75, 82.0, 81.65, 91.21, 81.7)
    assert robustness.PRINTED["average_pool", 3.0, 4, "I-FGM"] == pytest.approx(0.7367)
    assert robustness.PRINTED["max_pool", 7.0, 16, "SAI-FGM"] == pytest.approx(0.7982)
    assert ability.TABLE_1["paper_Inc-v3"] == (0.84, 0.738, 0.998, 1.0, 0.999, 0.9995)


def test_the_strengths_are_those_of_the_paper():
    steps = {name: each.steps for name, each in robustness.DEFENSES.items()}
    assert (steps["resize"][0], steps["resize"][10], steps["resize"][-1]) == (1, 2, 3)
    assert (steps["jpeg"], steps["dnn_jpeg"]) == ([*range(95, 0, -10)],) * 2
    assert (steps["bit_depth"], steps["total_variation"]) == ([2, 3, 4], [None])

"""Table 3 and Figure 7 of the paper on smooth adversarial examples, against one image after the other."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from limen import catalog
from limen.defenses import bilateral
from limen.document import Charts, Table, percent
from limen.images import from_uint8
from limen.recipes.smooth import bench, transferred
from limen.recipes.smooth.comparison import FILTER, IN_THE_PAPER, ROBUST, TITLES, at_one_budget, entries
from limen.report.sheet import render
from limen.runs import open_run


def behind_the_filter(request, label: str) -> tuple[int, list[float]]:
    """Of the images that count, how many there are, and the L2 of those that fool."""
    run, net = open_run(request.out / bench.FOLDER), catalog.model("demo:digits")
    images, lengths = 0, []
    for row in run.table().to_pylist():
        if row["attack"] != label or row["clean_prediction"] != row["label"]:
            continue
        pair = [from_uint8(each[None]) for each in (run.original(row["id"]), run.image(label, row["id"]))]
        with torch.no_grad():
            before, after = (net(bilateral(each)).argmax(1).item() for each in pair)
        images += before == row["label"]
        if before == row["label"] != after:
            lengths.append((pair[1] - pair[0]).norm().item())
    return images, lengths


def test_table_3_holds_what_the_filter_leaves_of_six_attacks_at_one_budget(smooth_request, told):
    made = transferred.table_3(smooth_request, told)
    (table,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    stated, same = table.groups
    assert [row[0].text for row in stated.rows] == list(TITLES)
    assert [row[0].text for row in same.rows] == ["FGSM", "I-FGSM"]
    assert same.rows[0][0].note == "fgsm:eps=46/255"
    records = {row["attack"]: row for row in made.records if row["setting"] == transferred.STATED}
    for entry, cells in zip(at_one_budget("mnist", smooth_request), stated.rows, strict=True):
        images, lengths = behind_the_filter(smooth_request, entry.spec(1))
        record = records[entry.title]
        assert record["images"] == images
        assert record["success"] == pytest.approx(len(lengths) / images)
        assert cells[3].text == percent(len(lengths) / images)
        if lengths:
            assert record["mean_l2"] == pytest.approx(sum(lengths) / len(lengths))
        assert record["paper_success"] is None
    assert "trained against attacks, is missing" in render(made.sheet)


def test_a_robust_model_takes_the_second_column(smooth_request, told):
    request = dataclasses.replace(smooth_request, robust="demo:digits", like="imagenet")
    made = transferred.table_3(request, told)
    (table,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    assert [name for name in table.columns if name.startswith(ROBUST)] == [
        *(f"{ROBUST}, paper", f"{ROBUST}, success", f"{ROBUST}, mean L2")
    ]
    # The attacked model itself in its place: all that succeeded does.
    for row in (row for group in table.groups for row in group.rows):
        assert row[6].text == row[1].text
    cw = {row["classifier"]: row for row in made.records if row["attack"] == "C&W"}
    assert (cw[FILTER]["paper_success"], cw[FILTER]["paper_mean_l2"]) == (0.82, 4.75)
    assert (cw[ROBUST]["paper_success"], cw[ROBUST]["paper_mean_l2"]) == (0.02, 10.21)
    assert "is missing" not in render(made.sheet)


def test_figure_7_draws_both_searches_behind_the_filter(smooth_request, told):
    made = transferred.figure_7(smooth_request, told)
    (table,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    for entry, cells in zip(
        (each for each in entries("mnist", smooth_request)[IN_THE_PAPER] if each.title in ("C&W", "sC&W")),
        table.groups[0].rows,
        strict=True,
    ):
        images, lengths = behind_the_filter(smooth_request, entry.spec(1))
        assert cells[2].text == percent(sum(length <= 5 for length in lengths) / images)
        drawn = [
            row
            for row in made.records
            if (row["setting"], row["attack"], row["metric"]) == (IN_THE_PAPER, entry.title, "l2")
        ]
        assert [row["distance"] for row in drawn] == pytest.approx(sorted(set(lengths)))
    for block in made.sheet.blocks:
        if isinstance(block, Charts):
            assert block.title.startswith(FILTER)
            assert block.charts

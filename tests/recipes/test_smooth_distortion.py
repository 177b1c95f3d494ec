"""Table 1 of the paper on smooth adversarial examples, against loops over the records."""

from __future__ import annotations

import statistics

import pytest

from limen.document import Table, percent
from limen.recipes.smooth import bench, distortion
from limen.recipes.smooth.comparison import BEST, IN_THE_PAPER, TITLES, entries
from limen.report.sheet import render
from limen.runs import open_run


def best_of(request, entry) -> tuple[int, dict[str, dict[str, float]]]:
    """How many images were classified correctly; and by the id of those fooled, the best of each distance."""
    labels, correct, found = entry.labels(request.budgets), set(), {}
    for row in open_run(request.out / bench.FOLDER).table().to_pylist():
        if row["attack"] not in labels or row["clean_prediction"] != row["label"]:
            continue
        correct.add(row["id"])
        if row["success"]:
            mine = found.setdefault(row["id"], {name: row[name] for name in ("l2", "mad", "ssim")})
            mine |= {name: min(mine[name], row[name]) for name in ("l2", "mad")}
            mine["ssim"] = max(mine["ssim"], row["ssim"])
    return len(correct), found


def test_table_1_holds_success_and_distortion_of_each_attack_in_both_settings(smooth_request, told):
    made = distortion.table_1(smooth_request, told)
    table = next(block for block in made.sheet.blocks if isinstance(block, Table))
    assert [group.title for group in table.groups] == [IN_THE_PAPER, BEST]
    records = {(row["setting"], row["attack"]): row for row in made.records}
    for (setting, group), rows in zip(entries("mnist", smooth_request).items(), table.groups, strict=True):
        assert [row[0].text for row in rows.rows] == list(TITLES)
        for entry, cells in zip(group, rows.rows, strict=True):
            images, fooled = best_of(smooth_request, entry)
            record = records[setting, entry.title]
            assert record["images"] == images
            assert record["success"] == pytest.approx(len(fooled) / images)
            assert cells[2].text == percent(len(fooled) / images)
            assert cells[2].note.count("to") == 1
            if not fooled:
                continue
            column = {name: [each[name] for each in fooled.values()] for name in ("l2", "mad", "ssim")}
            assert record["mean_l2"] == pytest.approx(statistics.mean(column["l2"]))
            assert record["median_mad"] == pytest.approx(statistics.median(column["mad"]))
            assert record["mean_ssim"] == pytest.approx(statistics.mean(column["ssim"]))
            assert record["mean_l2_low"] <= record["mean_l2"] <= record["mean_l2_high"]
            assert cells[1].note.startswith("L2") == (setting == IN_THE_PAPER)
    assert records[IN_THE_PAPER, "C&W"]["C4_mean_l2"] == 2.49
    assert "C4_mean_l2" not in records[BEST, "C&W"]


def test_the_pair_is_compared_on_the_images_that_both_fool(smooth_request, told):
    made = distortion.table_1(smooth_request, told)
    _, table = [block for block in made.sheet.blocks if isinstance(block, Table)]
    paper, *ours = table.groups[0].rows
    assert [cell.text for cell in paper] == [
        *("Paper, C4", "–", "–", "–", f"{percent(1)} / {percent(1)}", "1.97 / 2.49", "–")
    ]
    records = {row["setting"]: row for row in made.records if row["attack"] == "sC&W against C&W"}
    for (setting, group), row in zip(entries("mnist", smooth_request).items(), ours, strict=True):
        rough, soft = (best_of(smooth_request, group[TITLES.index(name)])[1] for name in ("C&W", "sC&W"))
        both = rough.keys() & soft.keys()
        assert row[1].text == str(len(both))
        for distance in ("mad", "l2"):
            lower = sum(soft[each][distance] < rough[each][distance] for each in both)
            ties = sum(soft[each][distance] == rough[each][distance] for each in both)
            assert records[setting][f"ties_{distance}"] == ties
            if both:
                assert records[setting][f"lower_{distance}"] == pytest.approx(lower / len(both))


def test_the_page_says_which_counts_were_used(smooth_request, told):
    page = render(distortion.table_1(smooth_request, told).sheet)
    assert "3 climbs of 12 steps; 9 of 100 in the paper" in page
    assert "steps=12,search_steps=3" in page
    assert "up to 2 an attack" in page
    assert "Steps or climbs were capped" in page


def test_on_imagenet_both_networks_of_the_paper_stand_beside(request_in, told, tmp_path):
    request = request_in(tmp_path / "as", like="imagenet", limit=2, budgets=1, steps=2, search_steps=1)
    made = distortion.table_1(request, told)
    attacks, pairs = [block for block in made.sheet.blocks if isinstance(block, Table)]
    assert attacks.columns[1:3] == ("Paper, InceptionV3", "Paper, ResNetV2")
    assert [cell.text for cell in pairs.groups[0].rows[0]][2] == percent(0.93)
    assert pairs.groups[0].rows[0][5].text == "3.00 / 4.91"

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limen.analysis import outcomes, share_interval
from limen.metrics import METRICS
from limen.report.curves import POINTS, bands, curve
from limen.report.shelf import Plain
from limen.report.view import View, names
from limen.report.view import build as view_of
from limen.runs import MetricColumn, Run, record_schema

COLUMNS = tuple(metric.column for metric in METRICS.values())


def build(runs: dict[str, Run], count: int) -> View:
    return view_of(runs, count, Plain())


@pytest.fixture
def view(make_run) -> View:
    return build({"run": make_run()}, 24)


def test_a_run_counts_its_images_and_those_classified_correctly(make_run, record):
    rows = [record(0, "a"), record(1, "b", clean_prediction=1), record(2, "c")]
    run = build({"run": make_run(rows={"fgsm": rows, "ddn": rows[:2]})}, 24).runs[0]
    assert (run.verdict.images, run.verdict.correct) == (3, 2)


def test_attacks_are_in_the_order_of_the_manifest(view: View):
    assert [attack.label for attack in view.attacks] == ["pgd_l2:eps=3,steps=40", "ddn"]


def test_success_is_of_correct_images_beside_what_was_claimed_in_memory(make_run, record):
    rows = [
        record(0, "a"),
        record(1, "b", success=False, success_in_memory=True),
        record(2, "c", clean_prediction=1),
        record(3, "d", success=False),
    ]
    attack = build({"run": make_run(rows={"fgsm": rows})}, 24).attacks[0]
    assert attack.figure("success")["value"] == pytest.approx(1 / 3)
    assert attack.figure("success in memory")["value"] == pytest.approx(2 / 3)


def test_passes_are_medians(make_run, record):
    rows = [record(i, str(i), forwards=f, backwards=f - 1) for i, f in enumerate([1, 10, 1000])]
    attack = build({"run": make_run(rows={"fgsm": rows})}, 24).attacks[0]
    assert [attack.figure(name)["value"] for name in ("forwards", "backwards", "passes")] == [10, 9, 19]


def test_a_curve_counts_the_images_fooled_so_far(view: View):
    line = view.curves["l2"]["correct"][0]
    assert line.x == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.6])
    assert line.y == pytest.approx(np.arange(1, 6) / 6, abs=1e-4)


def test_the_largest_change_is_plotted_in_steps_of_the_lattice(view: View):
    assert view.curves["linf"]["all"][1].x == pytest.approx([1, 2, 3, 4, 5, 6])


def test_similarity_is_plotted_as_distance_from_one_and_noise_ratio_falling(view: View):
    assert view.curves["ssim"]["all"][1].x == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.005, 0.006])
    assert view.curves["psnr"]["all"][1].x == pytest.approx([59, 58, 57, 56, 55, 54])


def test_an_infinite_noise_ratio_lifts_the_start_of_the_line(make_run, record):
    rows = [record(0, "a", psnr=float("inf")), record(1, "b")]
    line = build({"run": make_run(rows={"fgsm": rows})}, 24).curves["psnr"]["all"][0]
    assert (line.start, line.x, line.y) == (0.5, (58.0,), (1.0,))


def test_misclassified_images_count_in_one_denominator_only(make_run, record):
    rows = [record(0, "a", clean_prediction=1), record(1, "b"), record(2, "c", success=False)]
    lines = build({"run": make_run(rows={"fgsm": rows})}, 24).curves["l2"]
    assert lines["correct"][0].y == (0.5,)
    assert lines["all"][0].y == pytest.approx([1 / 3, 2 / 3], abs=1e-4)


def test_a_long_line_keeps_its_ends_within_the_limit_of_points():
    count = POINTS + 50
    nothing = outcomes(record_schema(COLUMNS).empty_table(), ["fgsm"])
    all_fooled = {"correct": np.ones(count, bool), "success": np.ones(count, bool)}
    values = {**nothing.values, "l2": np.arange(count) + 1.0}
    many = replace(nothing, ids=tuple(map(str, range(count))), values=values, **all_fooled)
    line = curve(many, COLUMNS[0], of_correct=True)
    assert len(line.x) == len(line.y) == POINTS
    assert (line.x[0], line.x[-1], line.y[-1]) == (1, count, 1)
    band = bands([line])[count]
    assert len(band.low) == len(band.high) == POINTS + 1


def test_runs_with_different_metrics_show_all_of_them_and_nothing_where_one_has_none(make_run, record):
    blur = MetricColumn("blur", "blurred", about="How blurred.")
    plain = make_run("plain", rows={"fgsm": [record(0, "a")]})
    rows = [record(0, "a", blur=0.25)]
    own = make_run("own", rows={"fgsm": rows}, metrics=[*COLUMNS, blur])
    view = build({"plain": plain, "own": own}, 24)
    assert [metric.key for metric in view.metrics] == [*METRICS, "blur"]
    assert [attack.figure("median", "blur")["value"] for attack in view.attacks] == [None, 0.25]
    without, line = view.curves["blur"]["correct"]
    assert (without.unmeasured, without.images, without.x) == (1, 1, ())
    assert (line.x, line.y) == ((0.25,), (1.0,))
    assert [tile.distances["blur"] for row in view.gallery.rows for tile in row.tiles] == [None, 0.25]


def test_images_that_an_attack_could_not_move_on_are_told(make_run, record):
    counts = {"backwards": 3, "zero_gradients": 3, "nonfinite_gradients": 0}
    rows = [record(0, "a", success=False, **counts), record(1, "b")]
    note, _ = build({"run": make_run(rows={"fgsm": rows})}, 24).notes
    assert note.startswith("fgsm: gradient zero or not finite in every pass on 1 of 2 images. This is no")


def test_images_without_the_mask_that_an_attack_was_to_have_are_told(make_run, record):
    rows = [record(0, "a", unmasked=True), record(1, "b", unmasked=False)]
    note, _ = build({"run": make_run(rows={"fgsm": rows})}, 24).notes
    assert note.startswith("fgsm: the mask says nothing on 1 of 2 images")


def test_what_was_read_off_a_curve_has_its_limits_and_its_interval_beside_it(make_run, record):
    rows = {"fgsm": [record(i, str(i), noticed=0.1 + i / 20) for i in range(8)]}
    view = build({"run": make_run(rows=rows)}, 24)
    assert view.notes == (f"would notice: {METRICS['noticed'].column.caveat}",)
    (line,) = view.attacks
    mean = line.figure("mean", "noticed")
    assert mean["low"] < mean["value"] < mean["high"]
    assert line.figure("mean", "l2")["low"] is None
    others = [column for column in COLUMNS if column.key != "noticed"]
    plain = make_run("plain", rows={"fgsm": [record(0, "a")]}, metrics=others)
    assert build({"plain": plain}, 24).notes == ()


@pytest.fixture
def grid_view(make_run, record) -> View:
    """Two budgets of one attack, with another between them; the smaller budget fools every other image."""
    rows = {
        "pgd_l2:eps=1,steps=4": [record(i, str(i), success=i % 2 == 0, l2=1.0 + i) for i in range(4)],
        "ddn": [record(i, str(i)) for i in range(4)],
        "pgd_l2:eps=2,steps=4": [record(i, str(i), l2=8.0 - i, seconds=2.0) for i in range(4)],
    }
    for each in rows["pgd_l2:eps=1,steps=4"][1::2]:
        each["l2"] = None
    return build({"run": make_run(rows=rows), "again": make_run("again", rows={"ddn": rows["ddn"]})}, 24)


def test_attacks_that_differ_in_their_budget_are_one_family_of_their_run(grid_view: View):
    assert [row.label for row in grid_view.families] == ["pgd_l2:steps=4", "ddn", "ddn"]
    assert [row.budgets for row in grid_view.families] == [("1", "2"), (), ()]
    assert [row.run for row in grid_view.families] == ["run", "run", "again"]
    labels = ["pgd_l2:eps=1,steps=4", "ddn", "pgd_l2:eps=2,steps=4", "ddn"]
    assert [row.label for row in grid_view.attacks] == labels
    assert [row.family for row in grid_view.attacks] == [0, 1, 0, 2]
    assert [row.family for row in grid_view.families] == [0, 1, 2]
    assert {row.budgets for row in grid_view.attacks} == {()}


def test_a_family_has_the_least_distortion_and_the_cost_of_all_budgets(grid_view: View):
    together = grid_view.families[0]
    assert together.figure("success")["value"] == 1
    # The least of 1, -, 3, - and of 8, 7, 6, 5.
    assert together.figure("mean", "l2")["value"] == pytest.approx((1 + 7 + 3 + 5) / 4)
    assert together.figure("seconds")["value"] == pytest.approx(0.25 + 2)
    assert (together.figure("forwards")["value"], together.figure("backwards")["value"]) == (22, 20)


def test_a_family_is_one_line_and_tiles_are_of_its_members(grid_view: View):
    lines = grid_view.curves["l2"]["correct"]
    assert len(lines) == 3
    assert (lines[0].x, lines[0].y) == ((1, 3, 5, 7), (0.25, 0.5, 0.75, 1))
    assert {tile.series for row in grid_view.gallery.rows for tile in row.tiles} == {0, 1, 2, 3}


def test_a_band_is_the_interval_of_each_share_that_so_many_images_can_have(view: View):
    assert set(view.bands) == {line.images for line in view.curves["l2"]["correct"]} == {6}
    low, high = share_interval(np.arange(7) / 6, 6)
    assert view.bands[6].low == pytest.approx(low, abs=1e-4)
    assert view.bands[6].high == pytest.approx(high, abs=1e-4)


def test_a_success_without_a_distance_is_counted_but_not_on_the_line(make_run, record):
    rows = [record(0, "a", l2=None), record(1, "b"), record(2, "c", success=False)]
    line = build({"run": make_run(rows={"fgsm": rows})}, 24).curves["l2"]["correct"][0]
    assert (line.unmeasured, line.images, line.y) == (1, 3, (0.33333,))


def test_runs_of_one_name_are_told_apart_by_their_parents():
    given = [Path("/a/x/run"), Path("/b/x/run"), Path("/b/other")]
    assert names(given) == ("a/x/run", "b/x/run", "other")

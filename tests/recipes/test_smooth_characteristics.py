"""Figures 5 and 6 of the paper on smooth adversarial examples, against counting."""

from __future__ import annotations

import numpy as np
import pytest

from limen.document import Charts
from limen.errors import UsageError
from limen.metrics import METRICS
from limen.recipes.smooth import bench, characteristics
from limen.recipes.smooth.characteristics import charts
from limen.recipes.smooth.comparison import IN_THE_PAPER, TITLES, entries
from limen.runs import Characteristic, open_run


def test_each_line_is_the_share_fooled_within_a_distance(smooth_request, told):
    made = characteristics.figure_5(smooth_request, told)
    blocks = [block for block in made.sheet.blocks if isinstance(block, Charts)]
    assert len(blocks) == 2
    by_title = {chart.title: chart for chart in blocks[0].charts}
    assert next(iter(by_title)) == "Success within L₂"
    rows = open_run(smooth_request.out / bench.FOLDER).table().to_pylist()
    rows = [row for row in rows if row["clean_prediction"] == row["label"]]
    for title, name, sign in (("Success within L₂", "l2", 1), ("Success within 1 − SSIM", "ssim", -1)):
        lines = {line.name: line for line in by_title[title].lines}
        assert tuple(lines) == TITLES
        for entry in entries("mnist", smooth_request)[IN_THE_PAPER]:
            labels = entry.labels(smooth_request.budgets)
            mine = [row for row in rows if row["attack"] in labels]
            images, best = {row["id"] for row in mine}, {}
            for row in mine:
                if row["success"]:
                    value = row[name] if sign == 1 else 1 - row[name]
                    best[row["id"]] = min(best.get(row["id"], np.inf), value)
            line = lines[entry.title]
            for bound in np.geomspace(*by_title[title].x_range, 7) * 1.0001:
                expected = sum(value <= bound for value in best.values()) / len(images)
                # The height of a line that rises in steps, at a place between two of them.
                height = line.y[max(0, int(np.searchsorted(line.x, min(bound, line.x[-1]), "right")) - 1)]
                assert height == pytest.approx(expected)
            assert all(low <= y <= high for low, y, high in zip(line.low, line.y, line.high, strict=True))


def test_the_points_stand_in_the_table(smooth_request, told):
    made = characteristics.figure_5(smooth_request, told)
    mine = [row for row in made.records if (row["attack"], row["metric"]) == ("C&W", "l2")]
    shares = [row["success"] for row in mine if row["setting"] == IN_THE_PAPER]
    assert shares == sorted(shares)
    assert {row["metric"] for row in made.records} == {"l2", "mad", "ssim"}


def test_the_figure_of_other_images_is_refused_and_can_be_forced(request_in, told, tmp_path):
    request = request_in(tmp_path / "out", limit=2, budgets=1, steps=2, search_steps=1)
    with pytest.raises(UsageError, match=r"Figure 6 is of ImageNet.*looks like MNIST.*--like imagenet"):
        characteristics.figure_6(request, told)
    forced = request_in(tmp_path / "out", limit=2, budgets=1, steps=2, search_steps=1, like="imagenet")
    assert characteristics.figure_6(forced, told).sheet.title.endswith("ImageNet")


def test_a_line_starts_with_what_needed_no_distortion_and_an_empty_chart_is_left_out():
    masked = Characteristic(METRICS["mad"].column, 4, 0, np.array([0.0, 2.0]), np.array([0.5, 0.75]))
    nothing = Characteristic(METRICS["mad"].column, 4, 0, np.array([]), np.array([]))
    (chart,) = charts({"mad": {"one": masked, "none": nothing}, "l2": {"one": nothing}})
    one, none = chart.lines
    assert one.y == (0.5, 0.5, 0.75, 0.75)
    assert set(none.y) == {0.0}
    assert one.x[1] == one.x[2] == 2.0

"""Figure 4 of the paper on smooth adversarial examples: points, the worse images, and pictures."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from limen.document import Charts, Pictures, Table
from limen.images import from_uint8
from limen.recipes.smooth import bench, visibility
from limen.recipes.smooth.comparison import BEST, CW, IN_THE_PAPER, SMOOTH_CW, entries
from limen.recipes.smooth.visibility import Pairs
from limen.runs import open_run
from limen.structure import common_scale, magnify


def pairs_in(request, setting: str) -> dict[str, tuple[dict, dict]]:
    """The records of C&W and sC&W by image, where both fool it."""
    labels = [each.spec(1) for each in entries("mnist", request)[setting] if each.title in (CW, SMOOTH_CW)]
    found: dict[str, dict[str, dict]] = {}
    for row in open_run(request.out / bench.FOLDER).table().to_pylist():
        if row["attack"] in labels and row["success"] and row["clean_prediction"] == row["label"]:
            found.setdefault(row["id"], {})[row["attack"]] = row
    return {key: (rows[labels[0]], rows[labels[1]]) for key, rows in found.items() if len(rows) == 2}


def test_each_image_that_both_fool_is_a_point(smooth_request, told):
    made = visibility.figure_4(smooth_request, told)
    (charts,) = [block for block in made.sheet.blocks if isinstance(block, Charts)]
    for setting, chart in zip((IN_THE_PAPER, BEST), charts.charts, strict=True):
        expected = pairs_in(smooth_request, setting)
        records = {row["id"]: row for row in made.records if row["setting"] == setting}
        assert records.keys() == expected.keys()
        for key, (rough, soft) in expected.items():
            assert (records[key]["mad_cw"], records[key]["mad_scw"]) == (rough["mad"], soft["mad"])
            assert (records[key]["l2_cw"], records[key]["l2_scw"]) == (rough["l2"], soft["l2"])
        points, diagonal = chart.lines
        assert not points.joined
        assert len(points.x) == len(expected)
        assert diagonal.x == diagonal.y
        assert chart.x_range == chart.y_range
    (worse,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    for setting, group in zip((IN_THE_PAPER, BEST), worse.groups, strict=True):
        expected = pairs_in(smooth_request, setting)
        named = {key for key, (rough, soft) in expected.items() if soft["mad"] > rough["mad"]}
        assert {row[0].text for row in group.rows} == named
        assert f"{len(named)} of {len(expected)}" in group.title


def test_pictures_are_magnified_on_one_scale(smooth_request, told):
    made = visibility.figure_4(smooth_request, told)
    first, second = [block for block in made.sheet.blocks if isinstance(block, Pictures)]
    assert (first.title, second.title) == (f"Magnified: {IN_THE_PAPER.lower()}", f"Magnified: {BEST.lower()}")
    row = first.rows[0]
    key = row.title.partition(",")[0]
    run = open_run(smooth_request.out / bench.FOLDER)
    rough, soft = pairs_in(smooth_request, IN_THE_PAPER)[key]
    pixels = [run.original(key), *(run.image(row["attack"], key) for row in (rough, soft))]
    expected = common_scale(magnify(from_uint8(np.stack(pixels))))
    for picture, image in zip(row.pictures, expected, strict=True):
        shown = Image.open(io.BytesIO(picture.image))
        found = torch.from_numpy(np.array(shown)).float() / 255
        torch.testing.assert_close(found, image[0], atol=0.51 / 255, rtol=0)
    assert [picture.title for picture in row.pictures] == ["Original", CW, SMOOTH_CW]
    assert row.pictures[1].note.startswith("MAD ")


def pairs(mad, l2=None) -> Pairs:
    mad = np.array(mad, float)
    ids = tuple("abcdefghij"[: mad.shape[1]])
    entry = visibility.Entry("t", "ddn")
    return Pairs(entry, entry, ids, mad, mad if l2 is None else np.array(l2, float))


def test_images_are_ordered_by_mad_and_then_by_l2():
    by_mad = pairs([[1, 1, 1], [0.5, 3, 1]])
    np.testing.assert_array_equal(by_mad.order, [1, 2, 0])
    by_l2 = pairs([[0, 0, 0], [0, 0, 0]], [[1, 1, 1], [2, 4, 3]])
    np.testing.assert_array_equal(by_l2.order, [1, 2, 0])


def test_without_a_pair_there_are_no_points_and_nothing_fails():
    none = pairs(np.zeros((2, 0)))
    (chart,) = visibility._charts({"s": none}).charts
    assert chart.lines[0].x == ()
    assert visibility._worse({"s": none}).groups[0].title.startswith("s: 0 of 0, so on –")

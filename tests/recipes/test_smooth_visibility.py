"""Figure 4 of the paper on smooth adversarial examples: points, the worse images, and pictures."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from limen.images import from_uint8
from limen.recipes import records
from limen.recipes.smooth import common, visibility
from limen.recipes.smooth.rivals import BEST, CW, IN_THE_PAPER, SMOOTH_CW, Setup, without_budgets
from limen.runs import open_run
from limen.structure import common_scale, magnify

SPEC = "smooth-figure-4:steps=8,search_steps=2"


def pairs_in(bench, setting: str) -> dict[str, tuple[dict, dict]]:
    """The records of C&W and sC&W by image, where both fool it."""
    rows = open_run(bench.out / common.FOLDER).table().to_pylist()
    names = {each.spec.partition(":")[0]: each for each in without_budgets(Setup("mnist", 8, 2))[setting]}
    hinge = "initial_constant=15" if setting == IN_THE_PAPER else "learning_rate=0.3"
    found: dict[str, dict[str, dict]] = {}
    for row in rows:
        name = row["attack"].partition(":")[0]
        if name in names and hinge in row["attack"] and row["success"]:
            found.setdefault(row["id"], {})[name] = row
    order = ("carlini_wagner_l2", "smooth_carlini_wagner_l2")
    return {key: tuple(of[name] for name in order) for key, of in found.items() if len(of) == 2}


def test_each_image_that_both_fool_is_a_point(smooth_bench, made):
    rows, document = made(SPEC, smooth_bench)
    charts, worse = document.blocks[:2]
    assert pairs_in(smooth_bench, IN_THE_PAPER)
    for setting, chart, group in zip((IN_THE_PAPER, BEST), charts.charts, worse.groups, strict=True):
        expected = pairs_in(smooth_bench, setting)
        found = {row["id"]: row for row in rows.where(group=setting)}
        assert found.keys() == expected.keys()
        for key, (rough, soft) in expected.items():
            assert (found[key]["mad_cw"], found[key]["mad_scw"]) == (rough["mad"], soft["mad"])
            assert (found[key]["l2_cw"], found[key]["l2_scw"]) == (rough["l2"], soft["l2"])
        points, diagonal = chart.lines
        assert not points.joined
        assert len(points.x) == len(expected)
        assert diagonal.x == diagonal.y
        assert chart.x_range == chart.y_range
        named = {key for key, (rough, soft) in expected.items() if soft["mad"] > rough["mad"]}
        assert {row[0].text for row in group.rows} == named
        assert f"{len(named)} of {len(expected)}" in group.title


def test_pictures_are_magnified_on_one_scale(smooth_bench, made):
    _, document = made(SPEC, smooth_bench)
    first, second = document.blocks[2:4]
    assert (first.title, second.title) == (f"Magnified: {IN_THE_PAPER.lower()}", f"Magnified: {BEST.lower()}")
    key = first.rows[0].title.partition(",")[0]
    run = open_run(smooth_bench.out / common.FOLDER)
    rough, soft = pairs_in(smooth_bench, IN_THE_PAPER)[key]
    pixels = [run.original(key), *(run.image(row["attack"], key) for row in (rough, soft))]
    expected = common_scale(magnify(from_uint8(np.stack(pixels))))
    for picture, image in zip(first.rows[0].pictures, expected, strict=True):
        found = torch.from_numpy(np.array(Image.open(io.BytesIO(picture.image)))).float() / 255
        torch.testing.assert_close(found, image[0], atol=0.51 / 255, rtol=0)
    assert [picture.title for picture in first.rows[0].pictures] == ["Original", CW, SMOOTH_CW]
    assert first.rows[0].pictures[1].note.startswith("MAD ")


def test_without_a_pair_there_are_no_points_and_nothing_fails():
    nothing = records([], facts={"Model": "m", "Data": "d"}, kind="mnist")
    charts, worse, *pictures, _ = visibility.smooth_figure_4.describe(nothing).blocks
    assert charts.charts[0].lines[0].x == ()
    assert worse.groups[0].title == f"{IN_THE_PAPER}: none is fooled by both"
    assert charts.charts[0].title == f"{IN_THE_PAPER}: 0 images, 0 of them with MAD 0 under both"
    assert not pictures

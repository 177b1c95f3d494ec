"""The gallery: which images are shown, in which order, and what is shown of them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from limen.metrics import METRICS
from limen.report import write_page
from limen.report.choice import ranked
from limen.report.gallery import Gallery, Row, Tile, gallery
from limen.report.series import series_of
from limen.report.shelf import Plain
from limen.runs import Run

COLUMNS = tuple(metric.column for metric in METRICS.values())


def of(*runs: Run, count: int = 24, limit: int | None = None) -> Gallery:
    series = [one for run in runs for one in series_of(run, run.directory.name)]
    return gallery(series, COLUMNS, count, Plain(), limit)


def tiles(shown: Gallery) -> list[tuple[Row, Tile]]:
    return [(row, tile) for row in shown.rows for tile in row.tiles]


def pixels(attribute: str | None) -> np.ndarray:
    found = re.fullmatch(r'src="data:image/png;base64,([^"]+)"', attribute or "")
    assert found
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def test_rows_and_tiles_hold_the_stored_pixels(make_run):
    run = make_run()
    shown = of(run)
    assert len(tiles(shown)) == 12
    for row, tile in tiles(shown):
        assert np.array_equal(pixels(row.original), run.original(row.id))
        assert np.array_equal(pixels(tile.adversarial), run.image(run.manifest.labels[tile.series], row.id))


def test_runs_over_the_same_photographs_share_a_row_and_its_original(make_run):
    shown = of(make_run("one"), make_run("two"))
    assert [len(row.tiles) for row in shown.rows] == [4] * 6
    assert shown.total == 6


def test_the_difference_is_magnified_by_the_factor_that_is_stated(make_run):
    shown = of(make_run())
    (tile,) = [tile for row, tile in tiles(shown) if row.id == "photo 1" and tile.series == 1]
    assert pixels(tile.difference)[2, 3].tolist() == [128 + 2 * shown.factor, 128, 128]
    assert shown.factor > 1


def test_tiles_name_classes_and_what_became_of_the_image(make_run, record):
    rows = [
        record(0, "a", target=1),
        record(1, "b", success=False),
        record(2, "c", clean_prediction=1),
        record(3, "d", prediction=7),
    ]
    found = {row.id: (row, tile) for row, tile in tiles(of(make_run(rows={"fgsm": rows})))}
    assert [found[key][1].state for key in "abcd"] == ["fooled", "failed", "wrong", "fooled"]
    assert [found[key][0].state for key in "abcd"] == ["fooled", "failed", "wrong", "fooled"]
    row, tile = found["a"]
    assert (row.label, tile.before, tile.after, tile.target) == ("cat", "cat", "dog", "dog")
    assert (tile.before_confidence, tile.after_confidence) == (0.9, 0.6)
    assert found["d"][1].after == "class 7"
    assert found["b"][1].distances["l2"] is None


@pytest.fixture
def mixed(make_run, record) -> Run:
    """Images of each kind: the distortion of what is fooled grows with the index."""
    first = [
        record(0, "fooled little"),
        record(1, "never", success=False),
        record(2, "wrong", clean_prediction=1, ssim=0.1),
        record(3, "fooled much"),
        record(4, "fooled by one alone", success=False),
        record(5, "wrong and failed", clean_prediction=1, success=False),
    ]
    second = [{**each, "success": False, "ssim": None} for each in first]
    second[4] |= {"success": True, "ssim": 0.9}
    return make_run(rows={"fgsm": first, "ddn": second})


def test_the_worst_come_first_fooled_then_not_fooled_then_wrong_before(mixed: Run):
    order = ["fooled much", "fooled by one alone", "fooled little", "never", "wrong", "wrong and failed"]
    found = [key for _, key in ranked(series_of(mixed, "run"))]
    # Each over the median of its attack: 0.004 and 0.001 over 0.0025, and 0.1 over itself.
    assert found == order
    rows = of(mixed).rows
    assert [row.id for row in rows] == order
    assert [row.fooled for row in rows] == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("count", [0, 1, 3, 6, 100])
def test_as_many_are_shown_as_asked_for_and_the_worst_are_among_them(mixed: Run, count: int):
    shown = of(mixed, count=count)
    assert (len(shown.rows), shown.total, shown.limited) == (min(count, 6), 6, False)
    assert not count or shown.rows[0].id == "fooled much"


def test_large_pictures_lower_the_number_shown(make_run):
    # Two attacks make seven pictures an image.
    run = make_run()
    shown = of(run, limit=16 * 16 * 7 * 3)
    assert (len(shown.rows), shown.limited) == (3, True)
    assert len(of(run, limit=1).rows) == 1


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_a_lost_picture_costs_only_its_own_place(make_run, damage: str):
    run = make_run()
    for path in (run.image_path("ddn", "photo 0"), run.original_path("photo 1")):
        path.unlink()
        if damage == "broken":
            path.write_bytes(b"no picture")
    found = {(row.id, tile.series): (row, tile) for row, tile in tiles(of(run))}
    row, lost = found["photo 0", 1]
    assert (lost.adversarial, lost.difference, lost.lost) == (None, None, None)
    assert row.original is not None
    row, whole = found["photo 1", 0]
    assert (row.original, whole.difference, row.shape) == (None, None, (16, 16))
    assert whole.adversarial is not None
    assert found["photo 0", 0][1].difference is not None


def test_an_image_below_the_window_has_a_tile_without_a_map(make_run, record):
    ((_, tile),) = tiles(of(make_run(rows={"fgsm": [record(0, "a")]}, size=10)))
    assert tile.lost is None
    assert pixels(tile.difference).shape == (10, 10, 3)


def test_a_grey_image_has_a_grey_difference_and_a_map(make_run, record):
    ((_, tile),) = tiles(of(make_run(rows={"fgsm": [record(0, "a")]}, channels=1)))
    assert pixels(tile.difference).shape == (16, 16)
    assert tile.lost is not None


def test_a_photograph_in_its_own_size_is_a_link_away(make_run, tmp_path: Path):
    run = make_run()
    path = run.photograph_path("ddn", "photo 1")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a photograph")
    assert [tile.photograph for _, tile in tiles(of(run)) if tile.photograph] == [path]
    for page in (write_page([run.directory]), write_page([run.directory], tmp_path / "pages" / "all.html")):
        (link,) = re.findall(r'<a href="([^"#]+)">In its own size</a>', page.read_text(encoding="utf-8"))
        assert (page.parent / unquote(link)).read_bytes() == b"a photograph"

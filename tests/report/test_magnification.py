"""The section on magnification: which pictures it shows, what stands under them, and damaged runs."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from limen.report import write_page
from limen.report.magnification import magnified
from limen.report.series import series_of
from limen.report.view import build
from limen.runs import Magnification, Run, RunError, magnified_path, write_magnification

PGD, DDN = "pgd_l2:eps=3,steps=40", "ddn"
EVIL = '"><script>alert(1)</script>'


def magnify(run: Run, **pictured: tuple[str, ...]) -> None:
    """Store pictures in a run, each of one grey; of two images under two attacks unless told otherwise."""
    listed = pictured or {"photo 1": (PGD, DDN), "photo 3": (DDN,)}
    magnification = Magnification(0.8, 5.0, 0.2, 15, run.manifest.labels, listed)
    keys = [(image_id, label) for image_id, fooled in listed.items() for label in (None, *fooled)]
    write_magnification(
        run, magnification, {key: np.full((16, 16, 3), 9 * i, np.uint8) for i, key in enumerate(keys)}
    )


def section_of(page) -> str:
    source = page.read_text(encoding="utf-8").replace("&nbsp;", " ")
    (section,) = re.findall(r'<section id="magnification".*?</section>', source, re.DOTALL)
    return section


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_a_page_of_a_run_without_magnified_pictures_has_no_section(make_run):
    run = make_run()
    assert build({"run": run}, 24).magnified == ()
    assert 'id="magnification"' not in write_page([run.directory]).read_text(encoding="utf-8")


def test_each_image_has_a_row_with_the_stored_pictures(make_run):
    run = make_run()
    magnify(run)
    (found,) = build({"run": run}, 24).magnified
    assert [row.id for row in found.rows] == ["photo 1", "photo 3"]
    for row in found.rows:
        assert row.shape == (16, 16)
        assert [panel.series for panel in row.panels] == [0, 1]
        urls = [(None, row.url), *((run.manifest.labels[panel.series], panel.url) for panel in row.panels)]
        for label, url in urls:
            if url is not None:
                stored = magnified_path(run, row.id, label).read_bytes()
                assert base64.b64decode(url.split(",", 1)[1]) == stored
    assert [panel.fooled for row in found.rows for panel in row.panels] == [True, True, False, True]
    section = section_of(write_page([run.directory]))
    assert section.count("<img") == 5
    assert section.count("not fooled") == 1


def test_under_each_picture_stand_its_distances_from_the_records(make_run, record):
    rows = {"ddn": [record(0, "a", l2=0.5, ssim=0.98, mad=12.3), record(1, "b", l2=0.7, ssim=0.9, mad=None)]}
    run = make_run(rows=rows)
    magnify(run, a=("ddn",), b=("ddn",))
    (found,) = build({"run": run}, 24).magnified
    stated = [dict(panel.distances) for row in found.rows for panel in row.panels]
    assert stated == [{"L₂": "0.5", "SSIM": "0.980", "MAD": "12.3"}, {"L₂": "0.7", "SSIM": "0.900"}]
    assert "ddn L₂ 0.5 · SSIM 0.980 · MAD 12.3" in words(section_of(write_page([run.directory])))


def test_the_caption_states_how_the_pictures_were_made(make_run):
    run = make_run()
    magnify(run)
    text = words(section_of(write_page([run.directory])))
    assert "β = 0.8, domain 5 pixels, range 0.2, half-window 15." in text
    assert "Figure 2." in text


def test_figures_are_numbered_in_the_order_of_the_page(make_run, evaluate):
    run = make_run()
    evaluate(run)
    magnify(run)
    page = write_page([run.directory]).read_text(encoding="utf-8")
    assert re.findall(r"<b>Figure (\d)\.</b>", page) == ["1", "2", "3", "4", "5"]


def test_of_two_runs_each_shows_its_own_under_its_name(make_run):
    first, second = make_run("first"), make_run("second")
    magnify(second)
    runs = {"first": first, "second": second}
    (found,) = build(runs, 24).magnified
    assert found.run == "second"
    assert [panel.series for panel in found.rows[0].panels] == [2, 3]
    text = words(section_of(write_page([first.directory, second.directory])))
    assert "photo 1 second" in text


def test_no_more_images_are_shown_than_asked_for(make_run):
    run = make_run()
    magnify(run)
    for count in (0, 1):
        (found,) = magnified({"run": run}, series_of(run, "run"), count)
        assert len(found.rows) == count


@pytest.mark.parametrize("label", [None, PGD])
def test_a_lost_picture_costs_only_itself(make_run, label):
    run = make_run()
    magnify(run)
    magnified_path(run, "photo 1", label).unlink()
    section = section_of(write_page([run.directory]))
    assert section.count("<img") == 4
    assert section.count("image missing") == 1


def test_names_are_text_and_never_markup(make_run, record):
    label = f"fgsm:{EVIL}"
    run = make_run(rows={label: [record(0, EVIL)]})
    magnify(run, **{EVIL: (label,)})
    section = section_of(write_page([run.directory]))
    assert "<script" not in section
    assert section.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_a_broken_list_of_pictures_is_an_error_that_names_it(make_run):
    run = make_run()
    magnify(run)
    (run.directory / "evaluation" / "magnification.json").write_text("{")
    with pytest.raises(RunError, match=r"magnification\.json"):
        write_page([run.directory])

"""The section on attention: its numbers, its charts, its pictures, and what a damaged run makes of them."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from limen.pictures import outline, overlaid
from limen.report import write_page
from limen.report.attention import attention
from limen.report.series import series_of
from limen.report.view import build
from limen.runs import RunError, attention_path
from limen.runs.overlap import MEASURES

EVIL = '"><script>alert(1)</script>'


def pixels(url: str | None, mode: str = "RGB") -> np.ndarray:
    assert url is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert(mode))


def text_of(page) -> str:
    """The words of the section, without tags and entities."""
    source = page.read_text(encoding="utf-8").replace("&nbsp;", " ")
    (section,) = re.findall(r'<section id="attention".*?</section>', source, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", section).split())


def test_a_page_of_a_run_without_an_evaluation_has_no_section(make_run):
    run = make_run()
    assert build({"run": run}, 24).attention is None
    assert "Where perturbations fall" not in write_page([run.directory]).read_text()


def test_the_table_has_the_means_and_their_intervals(make_run, evaluate):
    run = make_run()
    evaluate(run)
    section = build({"run": run}, 24).attention
    first, second = section.rows
    # Under the first attack, the fourth of six images failed: values 0.1, 0.2, 0.3, 0.5, 0.6.
    assert (first.images, second.images) == (5, 6)
    for name in MEASURES:
        mean, low, high = first.means[name]
        assert mean == pytest.approx(0.34)
        assert 0.1 < low < mean < high < 0.6
        assert second.means[name][0] == pytest.approx(0.35)
    assert first.empty == 0
    text = text_of(write_page([run.directory]))
    assert "Grad-CAM++ at layer net.features exceeds 0.75" in text
    assert "Where 1 − SSIM exceeds 0.11" in text
    assert re.search(r"pgd_l2:eps=3, steps=40 5 0\.34 0\.\d+ to 0\.\d+ 0\.34", text)


def test_the_charts_have_a_line_an_attack_in_the_order_of_the_page(make_run, evaluate):
    run = make_run()
    evaluate(run)
    section = build({"run": run}, 24).attention
    assert len(section.charts) == len(MEASURES) + 1
    for chart in section.charts:
        assert [line.name for line in chart.lines] == ["pgd_l2:eps=3,steps=40", "ddn"]
        assert chart.lines[0].x == (0.01, 0.11, 0.5)
    precision, pixels_ = section.charts[:2]
    assert np.isnan(precision.lines[0].y[2])
    assert pixels_.lines[1].y == pytest.approx((0.35, 0.35, 0.35))
    assert pixels_.lines[1].low < pixels_.lines[1].y < pixels_.lines[1].high
    assert section.charts[-1].lines[0].y == pytest.approx((1, 1, 0))


def test_an_attack_added_after_the_evaluation_keeps_the_colours_and_has_no_line(make_run, evaluate):
    run = make_run()
    evaluation = evaluate(run, pictured=())
    evaluate(run, overlaps=evaluation.overlaps[1:], pictured=())
    section = build({"run": run}, 24).attention
    assert [row.series for row in section.rows] == [1]
    assert [len(line.x) for line in section.charts[0].lines] == [0, 3]


def test_the_pictures_show_the_attention_and_each_attacks_map(make_run, evaluate):
    run = make_run()
    evaluation = evaluate(run)
    looks = build({"run": run}, 24).attention.looks
    assert [look.id for look in looks] == list(evaluation.pictured) == ["photo 0", "photo 1"]
    region = pixels(looks[0].url)
    assert region.shape == (16, 16, 3)
    original = run.original("photo 0")
    assert np.array_equal(region[12:, 12:], original[12:, 12:])
    assert not np.array_equal(region[:2, :2], original[:2, :2])
    for panel in looks[0].panels:
        assert panel.fooled
        # The one changed value is at (2, 3); far from it and from the outline nothing is lost.
        drawn = pixels(panel.url).astype(int)
        assert drawn[14, 14].sum() < 10
        assert drawn[2, 4].sum() > 100


def test_an_attack_that_did_not_fool_has_no_map(make_run, evaluate):
    run = make_run()
    evaluate(run, pictured=("photo 3",))
    (look,) = build({"run": run}, 24).attention.looks
    assert [(panel.fooled, panel.url is None) for panel in look.panels] == [(False, True), (True, False)]
    assert "not fooled" in text_of(write_page([run.directory]))


def test_the_outline_is_the_same_in_all_pictures_of_an_image(make_run, evaluate):
    run = make_run()
    evaluation = evaluate(run)
    look = build({"run": run}, 24).attention.looks[0]
    inside = np.asarray(Image.open(attention_path(run, evaluation, look.id))) / 255 > 0.75
    for url in (look.url, *(panel.url for panel in look.panels)):
        cyan = (pixels(url) == (0, 229, 255)).all(-1)
        assert np.array_equal(cyan, outline(inside))
        assert cyan.any()


def test_an_overlay_leaves_what_is_not_looked_at_and_colours_what_is():
    original = np.full((4, 4, 1), 100, np.uint8)
    attention_map = np.zeros((4, 4))
    attention_map[0, 0] = 1
    mixed = np.asarray(overlaid(original, attention_map, np.zeros((4, 4), bool)))
    assert (mixed[1:] == 100).all()
    assert mixed[0, 0].tolist() == [round(0.35 * 100 + 0.65 * c) for c in (0xFC, 0xFF, 0xA4)]


def test_a_region_is_outlined_inside_it_and_not_along_the_borders_of_the_image():
    region = np.zeros((6, 6), bool)
    region[:4, :4] = True
    expected = np.zeros((6, 6), bool)
    expected[3, :4] = expected[:4, 3] = True
    assert np.array_equal(outline(region), expected)


@pytest.mark.parametrize("damage", ["original", "attention", "size"])
def test_a_lost_picture_costs_only_its_own_image(make_run, evaluate, damage):
    run = make_run()
    evaluation = evaluate(run)
    path = attention_path(run, evaluation, "photo 0")
    if damage == "size":
        Image.new("L", (5, 5)).save(path)
    else:
        (run.original_path("photo 0") if damage == "original" else path).unlink()
    first, second = build({"run": run}, 24).attention.looks
    assert (first.url, first.panels) == (None, ())
    assert second.url is not None
    assert "A picture of this image is missing" in text_of(write_page([run.directory]))


def test_a_lost_adversarial_image_costs_only_its_map(make_run, evaluate):
    run = make_run()
    evaluate(run)
    run.image_path("ddn", "photo 0").unlink()
    look = build({"run": run}, 24).attention.looks[0]
    assert [panel.url is None for panel in look.panels] == [False, True]
    assert "image missing" in text_of(write_page([run.directory]))


def test_no_more_images_are_shown_than_asked_for(make_run, evaluate):
    run = make_run()
    evaluate(run)
    for count in (0, 1):
        section = attention({"run": run}, series_of(run, "run"), count)
        assert section is not None
        assert len(section.looks) == count
    page = write_page([run.directory], gallery=0)
    assert "Figure 3" not in text_of(page)


def test_images_below_the_window_of_ssim_have_attention_without_maps(make_run, record, evaluate):
    run = make_run(rows={"fgsm": [record(0, "a")]}, size=10)
    evaluate(run, size=10)
    (look,) = build({"run": run}, 24).attention.looks
    assert look.url is not None
    assert look.panels[0].url is None


def test_several_runs_are_told_apart(make_run, evaluate):
    first, second = make_run("first"), make_run("second")
    evaluate(first)
    evaluate(second, method="cam", layer="other")
    section = build({"first": first, "second": second}, 24).attention
    assert [(each.run, each.method, each.layer) for each in section.evaluated] == [
        ("first", "Grad-CAM++", "net.features"),
        ("second", "CAM", "other"),
    ]
    assert [row.series for row in section.rows] == [0, 1, 2, 3]
    assert section.charts[0].lines[3].name == "ddn (second)"
    assert [panel.series for panel in section.looks[2].panels] == [2, 3]
    text = text_of(write_page([first.directory, second.directory]))
    assert "Attention in second is where CAM at layer other" in text


def test_an_evaluated_run_without_successes_has_a_section(make_run, record, evaluate):
    run = make_run(rows={"fgsm": [record(0, "a", success=False)]})
    evaluate(run)
    section = build({"run": run}, 24).attention
    assert section.rows[0].images == 0
    assert set(section.rows[0].means.values()) == {None}
    assert "fgsm 0 – – – – – 0" in text_of(write_page([run.directory]))


def test_text_from_the_evaluation_is_never_markup(make_run, record, evaluate):
    run = make_run(rows={f"fgsm:{EVIL}": [record(0, EVIL)]})
    evaluate(run, method=EVIL, layer=EVIL)
    page = write_page([run.directory]).read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_broken_evaluation_is_an_error_that_names_the_file(make_run, evaluate):
    run = make_run()
    evaluate(run)
    (run.directory / "evaluation" / "overlap.parquet").write_bytes(b"broken")
    with pytest.raises(RunError, match=r"overlap\.parquet: cannot be read"):
        write_page([run.directory])

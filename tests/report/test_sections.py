"""The sections of evaluations: all that is stored is shown, runs side by side, and damage costs little."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from limen.identity import Identity
from limen.report import write_page
from limen.report.shelf import Plain
from limen.report.view import build
from limen.runs import RunError

PGD, DDN = "pgd_l2:eps=3,steps=40", "ddn"
EVIL = '"><script>alert(1)</script>'


def section_of(page: Path, number: int = 1) -> str:
    source = page.read_text(encoding="utf-8")
    (section,) = re.findall(rf'<section id="evaluation-{number}".*?\n</section>\n\n', source, re.DOTALL)
    return section


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_a_page_of_a_run_without_an_evaluation_has_no_section(make_run):
    run = make_run()
    assert build({"run": run}, 24, Plain()).sections == ()
    assert "evaluation-1" not in write_page([run.directory]).read_text(encoding="utf-8")


def test_a_stored_document_is_a_section_with_all_its_blocks(make_run, evaluate):
    run = make_run()
    stored = evaluate(run)
    page = write_page([run.directory])
    section, text = section_of(page), words(section_of(page))
    assert '<a href="#evaluation-1">What is seen? plain</a>' in page.read_text(encoding="utf-8")
    assert text.startswith("What is seen? plain Layer features Means plain Attack mean")
    assert "ddn 0.5 0.4 to 0.6" in text
    assert section.count('class="chart"') == 2
    source = page.read_text(encoding="utf-8")
    held = dict(re.findall(r'<script type="text/plain" id="picture-(\d+)">([^<]+)</script>', source))
    urls = [held[number] for number in re.findall(r'<img data-picture="(\d+)"', section)]
    files = [stored.picture(*key) for key in [(None, "photo 0"), (PGD, "photo 0"), (DDN, "photo 0")]]
    assert [base64.b64decode(url) for url in urls[:3]] == [path.read_bytes() for path in files]
    assert (len(urls), section.count("not fooled")) == (5, 1)


def test_charts_of_the_same_lines_have_one_legend_above_them(make_run, evaluate):
    run = make_run()
    evaluate(run)
    section = section_of(write_page([run.directory]))
    assert '<div class="charts shared">' in section
    legend = section.partition('<ul class="key">')[2].partition("</ul>")[0]
    assert words(legend) == "pgd_l2:eps=3, steps=40 ddn"


def lines_of(section: str) -> list[str]:
    """The colours of the lines of a section's charts, in order."""
    return re.findall(r"fill: none; stroke: var\(--c(\d)\); stroke-width: 2.25", section)


def test_attacks_have_the_colours_of_the_page(make_run, evaluate):
    run = make_run()
    evaluate(run)
    section = section_of(write_page([run.directory]))
    for label, colour in ((PGD, "s0"), (DDN, "s1")):
        shown = label.replace(",", ",<wbr>")
        rows = re.findall(
            rf'swatch (s\d)"[^>]*><line[^>]*/></svg>\s*<span><code>{re.escape(shown)}</code>', section
        )
        assert set(rows) == {colour}
    assert lines_of(section) == ["0", "1"] * 2


def test_the_budgets_of_one_attack_have_colours_of_their_own_where_each_is_named(make_run, evaluate, record):
    labels = ("fgsm:eps=0.1", "fgsm:eps=0.2", "ddn")
    run = make_run(rows={label: [record(0, "photo 0"), record(3, "photo 3")] for label in labels})
    evaluate(run)
    section = section_of(write_page([run.directory]))
    assert lines_of(section) == ["0", "1", "2"] * 2


def test_runs_with_the_same_evaluation_stand_side_by_side(make_run, evaluate):
    first, second = make_run("first"), make_run("second")
    evaluate(first)
    evaluate(second, layer="conv")
    page = write_page([first.directory, second.directory])
    section, text = section_of(page), words(section_of(page))
    assert "evaluation-2" not in page.read_text(encoding="utf-8")
    assert "Layer (first) features Layer (second) conv" in text
    assert section.count("<table>") == 1
    assert section.count('<th scope="rowgroup"') == 2
    assert section.count('class="chart"') == 2
    assert lines_of(section) == ["0", "1", "2", "3"] * 2
    assert "photo 0 (first)" in text
    assert "photo 0 (second)" in text


def test_unlike_evaluations_are_sections_of_their_own_and_say_whose_they_are(make_run, evaluate):
    first, second = make_run("first"), make_run("second")
    evaluate(first)
    evaluate(second, Identity("seen", {"size": 5}, stated=("size",)))
    page = write_page([first.directory, second.directory])
    assert "Run first Layer" in words(section_of(page, 1))
    assert "Run second Layer" in words(section_of(page, 2))
    assert lines_of(section_of(page, 2)) == ["2", "3"] * 2


def test_no_more_images_are_shown_than_asked_for(make_run, evaluate):
    run = make_run()
    evaluate(run)
    for count in (0, 1):
        section = section_of(write_page([run.directory], gallery=count))
        assert section.count('<article class="pictures">') == count
        assert ("Maps" in section) == (count > 0)


def test_a_page_holds_no_more_pixels_than_it_can(make_run, evaluate, monkeypatch):
    run = make_run()
    evaluate(run)
    monkeypatch.setattr("limen.report.sections.PIXELS", 16 * 16 * 4)
    assert section_of(write_page([run.directory])).count('<article class="pictures">') == 1


@pytest.mark.parametrize("damage", ["lost", "no png"])
def test_a_lost_picture_costs_only_itself(make_run, evaluate, damage):
    run = make_run()
    path = evaluate(run).picture(None, "photo 0")
    path.unlink() if damage == "lost" else path.write_bytes(b"GIF89a")
    section = section_of(write_page([run.directory]))
    assert section.count("<img") == 4
    assert section.count("image missing") == 1


def test_text_from_an_evaluation_is_never_markup(make_run, evaluate, record):
    label = f"fgsm:{EVIL}"
    run = make_run(rows={label: [record(0, "photo 0"), record(3, "photo 3")]})
    evaluate(run, layer=EVIL, text=EVIL)
    page = write_page([run.directory]).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_broken_evaluation_is_an_error_that_names_the_file(make_run, evaluate):
    run = make_run()
    (evaluate(run).folder / "document.json").write_text("{")
    with pytest.raises(RunError, match=r"document\.json: not valid JSON"):
        write_page([run.directory])

"""Figures and tables of documents and runs as files for papers."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from limen.document import (
    Box,
    BoxPlot,
    Cell,
    Chart,
    Charts,
    Document,
    Group,
    Line,
    Picture,
    Pictures,
    Row,
    Table,
)
from limen.errors import LimenError, UsageError
from limen.report.figures import strip, write_figures, write_run_figures
from limen.report.figures.latex import _SPECIAL, escaped, tabular
from limen.report.figures.of_runs import _parts
from limen.runs.files import encode_png

CHART = Chart("L₂", "x", "fooled", [Line("pgd", [0, 1], [0, 1], series="pgd")])
TABLE = Table(
    "Attacks & more",
    "50 % of all",
    ["attack", "fooled", "fooled"],
    [Group("", [[Cell("=1+1"), Cell(value=0.5, low=0.25, high=0.75, form="share"), Cell("–")]])],
)


def document(*blocks) -> Document:
    return Document("", blocks=blocks)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_block_is_files_under_names_that_say_what_it_is(tmp_path: Path):
    pictures = Pictures(
        "Maps", "", [Row("cat.png", [Picture(encode_png(np.zeros((8, 8, 3), np.uint8)), "a")])]
    )
    charts = Charts(
        "Success against distortion", "", [CHART, BoxPlot("L∞", "x", [Box("a", (1, 2, 3), (0, 4))])]
    )
    written = write_figures(document(charts, pictures, TABLE), tmp_path / "out")
    assert [path.name for path in written] == [
        *(f"success-against-distortion-l2.{form}" for form in ("pdf", "svg", "png")),
        *(f"success-against-distortion-linf.{form}" for form in ("pdf", "svg", "png")),
        *(f"maps-cat-png.{form}" for form in ("pdf", "svg", "png")),
        *("attacks-more.csv", "attacks-more.tex", "figures.tex"),
    ]
    assert names(tmp_path / "out") == sorted([*(path.name for path in written), "figures.json"])
    assert all(path.stat().st_size > 50 for path in written)
    included = (tmp_path / "out" / "figures.tex").read_text("utf-8")
    assert r"\limenfit{\includegraphics{\limenfolder success-against-distortion-l2}}" in included
    assert r"\caption{Attacks \& more. 50 \% of all.}" in included
    assert included.count(r"\begin") == included.count(r"\end") == 4


def test_a_table_is_read_back_from_csv_and_has_the_rules_of_booktabs(tmp_path: Path):
    write_figures(document(TABLE), tmp_path)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "attacks-more.csv").read_text("utf-8")))
    assert row == {
        "attack": "'=1+1",
        "fooled": "0.5",
        "fooled, low": "0.25",
        "fooled, high": "0.75",
        "fooled'": "–",
    }
    lines = (tmp_path / "attacks-more.tex").read_text("utf-8").splitlines()
    assert lines[3:6] == [
        r"\midrule",
        r"=1+1 & 50.0~\% & -- \\",
        r" & {\scriptsize [25.0~\%, 75.0~\%]} &  \\",
    ]


def wide_table(columns: int) -> Table:
    rows = [[Cell("pgd_l2:eps=1"), *[Cell(value=place / 10, low=0, high=1) for place in range(columns)]]]
    return Table(
        "Wide", "One.\nTwo", ["attack", *(f"c{place}" for place in range(columns))], [Group("", rows)]
    )


def test_columns_that_do_not_fit_on_a_page_stand_below_the_others_behind_the_first():
    lines = tabular(wide_table(20)).splitlines()
    parts = [line.removesuffix(r" \\").split(" & ") for line in lines if line.startswith("attack")]
    assert [part[0] for part in parts] == ["attack"] * 2
    assert [name for part in parts for name in part[1:]] == [f"c{place}" for place in range(20)]


def test_what_is_wider_than_a_column_is_of_both_columns(tmp_path: Path):
    picture = Picture(encode_png(np.zeros((8, 8, 3), np.uint8)), "a")
    strips = Pictures("Maps", "", [Row("three", [picture] * 3), Row("four", [picture] * 4)])
    write_figures(document(strips, wide_table(3), wide_table(9)), tmp_path, ["svg"])
    included = (tmp_path / "figures.tex").read_text("utf-8")
    assert re.findall(r"\\begin{(.*?)}", included) == ["figure", "figure*", "table", "table*"]
    assert included.count(r"\caption{Wide. One. Two.}") == 2


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
def test_latex_takes_every_character_and_no_line_is_too_long(tmp_path: Path):
    odd = Table('"a" & <b>', "[c]", ["[x]", "λ, φ"], [Group("", [[Cell("[q]"), Cell("".join(_SPECIAL))]])])
    write_figures(document(odd, wide_table(20), Charts("d", "", [CHART])), tmp_path / "made", ["pdf"])
    text = r"\documentclass{article}\usepackage{booktabs,graphicx}\newcommand{\limenfolder}{made/}"
    (tmp_path / "paper.tex").write_text(rf"{text}\begin{{document}}\input{{made/figures}}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    assert "Overfull" not in said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"a\b", r"a\textbackslash{}b"),
        ("{x}_$1^2#", r"\{x\}\_\$1\textasciicircum{}2\#"),
        ("1 − L₂ × ∞ ~", r"1 $-$ L$_2$ $\times$ $\infty$ \textasciitilde{}"),
        ("日本", "日本"),
        ("a--b,,c", "a-{}-b,{},c"),
        ("a\n\x1b", r"a \textbackslash{}x1b"),
    ],
    ids=["backslash", "special", "symbols", "letters", "ligatures", "control"],
)
def test_latex_prints_what_is_written(text, shown):
    assert escaped(text) == shown


EVIL = ["../../etc/passwd", "/", "con", "figures", "a\nb\0c", "日本", "", "x" * 300, "A", "a"]


def test_names_of_files_stay_in_the_folder_and_are_unlike_on_any_system(tmp_path: Path):
    charts = [Chart(text, "x", "y", []) for text in EVIL]
    written = write_figures(
        document(*(Charts("", "", [chart]) for chart in charts)), tmp_path / "out", ["svg"]
    )
    assert [path.stem for path in written] == [
        *("etc-passwd", "figure", "figure-con", "figure-figures", "a-b-c", "figure-2", "figure-3"),
        *("x" * 64, "a", "a-2", "figures"),
    ]
    assert names(tmp_path) == ["out"]
    for path in written[:-1]:
        ElementTree.parse(path)


@pytest.mark.parametrize(
    "text", ["$x_", "<script>&\"'", "\x1b[2J\u202e", "\ufffe\uffff", "a\r\nb"], ids=range(5)
)
def test_hostile_words_leave_files_sound(tmp_path: Path, text: str):
    table = Table(text, text, [text], [Group(text, [[Cell(text)]])])
    pictures = Pictures(text, text, [Row(text, [Picture(b"no picture", text, text, text)], scale=text)])
    chart = Chart(text, text, text, [Line(text, [0, 1], [0, 1])])
    written = write_figures(document(table, pictures, Charts(text, text, [chart])), tmp_path, ["svg"])
    for path in written:
        if path.suffix == ".svg":
            ElementTree.parse(path)
    assert "\x1b" not in "".join(path.read_text("utf-8") for path in written if path.suffix == ".svg")


def test_the_same_figures_are_written_again_and_what_is_gone_is_removed(tmp_path: Path):
    other = Chart("L1", "x", "y", [])
    write_figures(document(Charts("c", "", [CHART, other])), tmp_path, ["svg"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_figures(document(Charts("c", "", [CHART, other])), tmp_path, ["svg"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write_figures(document(Charts("c", "", [CHART])), tmp_path, ["svg"])
    assert names(tmp_path) == ["c-l2.svg", "figures.json", "figures.tex"]


@pytest.mark.parametrize("change", ["foreign", "edited", "link", "folder"])
def test_files_that_are_not_limens_are_kept_and_nothing_is_written(tmp_path: Path, change: str):
    out = tmp_path / "out"
    if change == "edited":
        write_figures(document(Charts("c", "", [CHART])), out, ["svg"])
    out.mkdir(exist_ok=True)
    path, secret = out / "c-l2.svg", tmp_path / "secret"
    secret.write_text("kept")
    if change == "link":
        path.symlink_to(secret)
    elif change == "folder":
        path.mkdir()
    else:
        path.write_text("mine")
    there = names(out)
    changed = Charts("c", "", [Chart("L1", "x", "y", []), CHART])
    with pytest.raises(
        LimenError, match=r"c-l2\.svg: is no figure of Limen's, or was changed since, and is kept"
    ):
        write_figures(document(changed), out, ["svg"])
    assert names(out) == there
    assert secret.read_text() == "kept"


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"kind": "other"}', "[" * 9999], ids=["list", "broken", "other", "deep"]
)
def test_a_list_of_figures_that_is_none_is_kept(tmp_path: Path, content: str):
    (tmp_path / "figures.json").write_text(content)
    with pytest.raises(LimenError, match=r"figures\.json"):
        write_figures(document(TABLE), tmp_path)
    assert (tmp_path / "figures.json").read_text() == content


def test_a_list_of_figures_names_nothing_elsewhere(tmp_path: Path):
    (tmp_path / "kept.svg").write_text("mine")
    out = tmp_path / "out"
    write_figures(document(TABLE), out)
    index = json.loads((out / "figures.json").read_text())
    index["files"] |= {"../kept.svg": "0" * 64, "/etc/x.svg": "", "a.svg": 3}
    (out / "figures.json").write_text(json.dumps(index))
    write_figures(document(TABLE), out)
    assert (tmp_path / "kept.svg").read_text() == "mine"


def test_folders_and_formats_that_cannot_be_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="give some of pdf, svg, png"):
        write_figures(document(), tmp_path, ["gif"])
    with pytest.raises(UsageError, match="give some of"):
        write_figures(document(), tmp_path, [])
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(LimenError, match="is no folder"):
            write_figures(document(), tmp_path / name)


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path, monkeypatch):
    def denied(*given, **named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    said = f"{tmp_path / 'new'}: no figures can be written there (Permission denied)"
    with pytest.raises(LimenError, match=re.escape(said)):
        write_figures(document(), tmp_path / "new")


def test_a_strip_has_its_pictures_pixel_by_pixel_and_names_those_that_are_missing():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 3), np.uint8)
    row = Row(
        "cat",
        [
            Picture(encode_png(pixels), "original"),
            Picture(None, "ddn:steps=10", absent="not fooled"),
            Picture(b"", "b"),
            Picture(encode_png(pixels)[:40], "half"),
        ],
        scale="1 − SSIM",
        top=0.2,
    )
    made = strip(row)
    first, second, third, fourth, scale = made.axes
    assert (np.asarray(first.images[0].get_array()) == pixels).all()
    titles = [axes.get_title() for axes in (first, second, third, fourth)]
    assert titles == ["original", "ddn:steps=10", "b", "half"]
    assert [text.get_text() for axes in (second, third, fourth) for text in axes.texts] == [
        "not fooled",
        "image missing",
        "image missing",
    ]
    assert ([tick.get_text() for tick in scale.get_xticklabels()], scale.get_xlabel()) == (
        ["0", "0.2"],
        "1 − SSIM",
    )
    boxes = [axes.get_position() for axes in made.axes]
    assert all(0 <= box.x0 < box.x1 <= 1.001 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
    many = strip(Row("cat", [Picture(None, str(i)) for i in range(9)]))
    assert len({round(axes.get_position().y0, 3) for axes in many.axes}) == 2


def test_runs_become_figures_of_all_their_page_shows(make_run, evaluate, tmp_path: Path):
    runs = [make_run(name) for name in ("first", "second")]
    evaluate(runs[0])
    written = write_run_figures([run.directory for run in runs], tmp_path / "out", ["svg"])
    found = [path.name for path in written]
    assert found[:4] == ["attacks-first.csv", "attacks-first.tex", "attacks-second.csv", "attacks-second.tex"]
    assert "success-against-distortion-ssim.svg" in found
    assert "what-is-seen-plain-sweep-plain-a.svg" in found
    assert "what-is-seen-plain-maps-photo-0.svg" in found
    drawn = (tmp_path / "out" / "success-against-distortion-l2.svg").read_text("utf-8")
    for name in ("pgd_l2:eps=3,", "ddn (first)", "ddn (second)"):
        assert name in drawn
    assert "dc:date" not in drawn


def test_an_attack_under_several_values_becomes_a_figure(make_run, record):
    rows = {f"pgd_l2:eps={eps}": [record(0, "photo 0", success=eps > 1)] for eps in (1, 2)}
    charts = [block for part, _ in _parts({"run": make_run("swept", rows)}, 0) for block in part.blocks]
    (chart,) = [each for block in charts[2:] if isinstance(block, Charts) for each in block.charts]
    (line,) = chart.lines
    assert (chart.title, chart.x_label, tuple(line.y)) == ("pgd_l2", "eps", (1, 0))


def test_a_png_has_300_dots_an_inch(tmp_path: Path):
    (path, _) = write_figures(document(Charts("c", "", [CHART])), tmp_path, ["png"])
    with Image.open(path) as opened:
        assert opened.info["dpi"] == pytest.approx((300, 300), abs=0.1)

"""`limen report` makes the page of runs that are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from inspect import signature

import pytest

from limen.cli.report import report
from limen.report.page import GALLERY

ATTACK = ("attack", "--model", "python:nets.py:lamp", "--data", "folder:photos", "--attack", "fgsm:eps=0.1")


@pytest.fixture
def runs(limen, workshop):
    assert limen(*ATTACK, "--out", "first", "--no-report").exit_code == 0
    shutil.copytree("first", "second")


def test_the_page_of_one_run_lies_in_its_folder(limen, workshop, runs):
    result = limen("report", "first")
    assert result.exit_code == 0, result.stderr
    assert (workshop / "first" / "report.html").read_text().startswith("<!doctype html>")
    assert result.stdout.rstrip().endswith("first/report.html")


def test_the_page_of_two_runs_goes_where_it_is_told(limen, workshop, runs):
    result = limen("report", "first", "second", "--out", "both.html", "--gallery", 1)
    assert result.exit_code == 0, result.stderr
    page = (workshop / "both.html").read_text()
    assert "first" in page
    assert "second" in page
    assert page.count('<article class="tile"') == 2  # one image in each run
    assert result.stdout == "page both.html\n"


def test_pictures_go_beside_the_page_if_asked_to(limen, workshop, runs):
    result = limen("report", "first", "--pictures", "beside")
    assert result.exit_code == 0, result.stderr
    made = {path.name for path in (workshop / "first").glob("report.*")}
    assert made == {"report.html", "report.pictures", "report.summary.json"}
    assert limen("report", "first", "--pictures", "apart").exit_code == 2


def test_a_file_that_a_run_names_runs_only_when_more_is_measured_and_the_user_names_it_too(
    limen, workshop, runs
):
    (workshop / "given.py").write_text("open('ran', 'w').close()\n")
    manifest = workshop / "first" / "run.json"
    manifest.write_text(manifest.read_text().replace("folder:photos", "python:given.py:photos"))
    for command in ("evaluate", "report"):
        assert limen(command, "first").exit_code == 0
    for command in (["evaluate", "first", "-e", "fairness"], ["fairness", "first"]):
        refused = limen(*command)
        assert refused.exit_code == 1
        assert "first names code in given.py" in refused.stderr
    assert not (workshop / "ran").exists()
    assert "unknown function in given.py 'photos'" in limen(*command, "--trust", "given.py").stderr
    assert (workshop / "ran").exists()


def test_as_many_images_are_shown_as_in_python_unless_told_otherwise():
    assert signature(report).parameters["gallery"].default == GALLERY


def test_a_page_is_made_without_what_takes_seconds_to_import(workshop, runs):
    code = (
        "import sys, limen.cli\n"
        "try: limen.cli.app(['report', 'first'])\n"
        "except SystemExit as end: print(end.code, {'torch', 'scipy.stats'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("0 set()\n")


def test_no_run_there_is_one_clear_message(limen, workshop):
    result = limen("report", "photos")
    assert result.exit_code == 2
    assert "photos: no run here (run.json is missing)" in result.stderr


def test_a_broken_run_is_one_clear_message(limen, workshop, runs):
    (workshop / "first" / "run.json").write_text("{")
    result = limen("report", "first")
    assert result.exit_code == 1
    assert "run.json: not valid JSON" in result.stderr


def test_figures_are_written_into_their_folder_in_the_formats_asked_for(limen, workshop, runs):
    result = limen("report", "first", "--figures", "paper", "--format", "svg")
    assert result.exit_code == 0, result.stderr
    found = sorted(path.name for path in (workshop / "paper").iterdir())
    assert {"attacks.csv", "attacks.tex", "figures.tex", "success-against-distortion-l2.svg"} <= {*found}
    assert not [name for name in found if name.endswith((".pdf", ".png"))]
    assert f"figures paper ({len(found) - 1} files)" in result.stdout  # the list of them is none


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "pdf"), "give their folder, too: --figures DIR"),
        (("--figures", "paper", "--format", "pfd"), "unknown format of figures 'pfd'; did you mean 'pdf'?"),
    ],
    ids=["no folder", "unknown"],
)
def test_formats_are_judged_before_anything_is_written(limen, workshop, runs, arguments, message):
    result = limen("report", "first", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (workshop / "first" / "report.html").exists()

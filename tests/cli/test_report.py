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


def test_as_many_images_are_shown_as_in_python_unless_told_otherwise():
    assert signature(report).parameters["gallery"].default == GALLERY


def test_a_page_is_made_without_torch(workshop, runs):
    code = (
        "import sys, limen.cli\n"
        "try: limen.cli.app(['report', 'first'])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("0 False\n")


def test_no_run_there_is_one_clear_message(limen, workshop):
    result = limen("report", "photos")
    assert result.exit_code == 2
    assert "photos: no run here (run.json is missing)" in result.stderr


def test_a_broken_run_is_one_clear_message(limen, workshop, runs):
    (workshop / "first" / "run.json").write_text("{")
    result = limen("report", "first")
    assert result.exit_code == 1
    assert "run.json: not valid JSON" in result.stderr

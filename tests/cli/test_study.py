"""`limen study` end to end: made from a run, and refused where it makes no sense."""

from __future__ import annotations

import re

from limen.study import default_texts, read_key

from ..study.simulated import sheet, write


def test_a_study_is_made_of_a_run_by_the_command(run, limen, tmp_path):
    done = limen("study", "make", "run", "--out", "study", "--trials", 4, "--observers", 3, "--same", 0.25)
    assert done.exit_code == 0, done.stderr
    key = read_key(tmp_path / "study")
    assert done.stdout.splitlines() == [
        "2 attacks, 4 pairs per observer, 1 of them identical; 2 attention checks",
        "page study/page/index.html (give people its folder)",
        "key  study/key.json (keep it to yourself)",
    ]
    assert (key.design.trials, key.design.same, len(key.schedules)) == (4, 1, 3)
    assert (tmp_path / "study" / "page" / "index.html").is_file()


def test_the_texts_that_make_takes_are_printed(limen):
    assert limen("study", "texts").stdout == default_texts()


def test_what_cannot_be_made_is_one_line(run, limen):
    done = limen("study", "make", "run", "--out", "study", "--attack", "fgsm")
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.fullmatch(r"error: unknown attack of this run 'fgsm'. Known: ddn.*\n", done.stderr)


def test_answers_are_read_by_the_command(run, limen, tmp_path):
    assert limen("study", "make", "run", "--out", "study").exit_code == 0
    key = read_key(tmp_path / "study")
    write(
        tmp_path / "answers",
        *(sheet(key, n + 1, lambda picture, draw: picture is not None) for n in range(6)),
    )
    done = limen("study", "read", "answers", "--study", "study", "--without", "6")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"fgsm:eps=0.06 .* 100\s%", done.stdout)
    assert "page                        study/results/study.html\n" in done.stdout
    assert "warning: 5 people and 2 photographs are few" in done.stderr
    refused = limen("study", "read", "nothing.json", "--study", "study")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "error: nothing.json: cannot be read (No such file or directory)\n",
    )

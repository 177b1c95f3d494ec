"""What the evaluations of a run share; what each does with it is tested at each."""

from __future__ import annotations

import pytest

from limen.runs import RunError, create_or_resume, open_run
from limen.runs.evaluations import check_attacks, check_format, write_evaluation
from limen.runs.files import decode_png


def test_the_file_comes_after_its_pictures_and_replaces_an_older_one(tmp_path, manifest, pixels, monkeypatch):
    with create_or_resume(tmp_path / "run", manifest):
        run = open_run(tmp_path / "run")
    folder = run.directory / "evaluation" / "seen"
    path = write_evaluation(run, "seen.json", b"1", {folder / "a.png": pixels(0)})
    assert path.read_bytes() == b"1"
    assert (decode_png(folder / "a.png") == pixels(0)).all()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(RunError, match="the disk is full"):
        write_evaluation(run, "seen.json", b"2", {folder / "b.png": pixels(1)})
    assert path.read_bytes() == b"1"


def test_a_newer_format_and_no_format_are_refused():
    check_format("3", 3, "answer")
    with pytest.raises(RunError, match="has format 4, this Limen reads up to 3; upgrade Limen"):
        check_format("4", 3, "answer")
    with pytest.raises(RunError, match="has format none, expected 3: not the answer of a run"):
        check_format("none", 3, "answer")


def test_attacks_that_the_run_lacks_or_that_come_twice_are_refused():
    check_attacks(["ddn"], ["fgsm", "ddn"])
    with pytest.raises(RunError, match=r"is of attack 'pgd', which run\.json does not list"):
        check_attacks(["pgd"], ["fgsm", "ddn"])
    with pytest.raises(RunError, match="names an attack twice"):
        check_attacks(["ddn", "ddn"], ["fgsm", "ddn"])

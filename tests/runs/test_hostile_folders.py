"""Runs from anywhere: a link in one leads nobody out of it, to read or to write; claims are bounded."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from limen.errors import LimenError, RunError, UsageError
from limen.identity import Identity
from limen.report import write_page
from limen.runs import DataEntry, Manifest, ModelEntry, create_or_resume, open_run, read_evaluations
from limen.runs.files import make_folders, reading_png, write_whole

FGSM = Identity("fgsm", {"eps": 0.1}, budget="eps", stated=("eps",))
MANIFEST = Manifest(model=ModelEntry("m", "ab"), data=DataEntry("d", 2)).with_attacks([FGSM])
PIXELS = np.zeros((4, 4, 3), np.uint8)
ROW = {"index": 0, "id": "a", "label": 0, "target": None, "clean_prediction": 0, "clean_confidence": 0.9}
ROW |= {"prediction": 1, "confidence": 0.9, "success": True, "success_in_memory": True, "steps": 1}
ROW |= {"forwards": 1, "backwards": 1, "seconds": 0.1}


@pytest.fixture
def run(tmp_path) -> Path:
    with create_or_resume(tmp_path / "run", MANIFEST) as writer:
        writer.write_originals({"a": PIXELS})
        writer.write(FGSM.label, [ROW], {"a": PIXELS})
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "run"


def lead_out(path: Path, target: Path) -> None:
    """Let a link to another place stand where something of a run was."""
    if path.exists():
        path.rename(target)
    path.symlink_to(target)


FOLDERS = ["images", "images/original", "images/fgsm-eps=0.1", "records"]


@pytest.mark.parametrize("place", FOLDERS)
def test_nothing_is_written_through_a_link_out_of_a_run(run, tmp_path, place):
    target = tmp_path / "target"
    lead_out(run / place, target)
    before = sorted(path.name for path in target.rglob("*"))
    more = Identity("ddn", {})
    with pytest.raises(RunError, match="links to a place outside of"):
        create_or_resume(run, MANIFEST.with_attacks([more]))
    assert sorted(path.name for path in target.rglob("*")) == before


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays(run, tmp_path):
    (tmp_path / "kept").write_text("kept")
    (run / "run.lock").unlink(missing_ok=True)
    (run / "run.lock").symlink_to(tmp_path / "kept")
    with pytest.raises(RunError, match=r"run\.lock is a link, where the lock of this folder belongs"):
        create_or_resume(run, MANIFEST)
    assert (tmp_path / "kept").read_text() == "kept"


def test_a_page_that_is_a_link_is_not_written_through(run, tmp_path):
    (tmp_path / "kept").write_text("kept")
    (run / "report.html").symlink_to(tmp_path / "kept")
    with pytest.raises(LimenError, match=r"report\.html: is no page of Limen's, and is kept"):
        write_page([run])
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize(
    "place", ["images/original/a.png", "images/original", "images/fgsm-eps=0.1/a.png", "images"]
)
def test_no_image_is_read_through_a_link_out_of_a_run(run, tmp_path, place):
    lead_out(run / place, tmp_path / "target")
    opened = open_run(run)
    read = opened.image if "fgsm" in place else None
    with pytest.raises(RunError, match="links to a place outside of"):
        opened.original("a") if read is None else read(FGSM.label, "a")
    if read is None:
        with pytest.raises(RunError, match="links to a place outside of"):
            opened.original_size("a")


@pytest.mark.parametrize("place", ["run.json", "records/00000000.parquet", "records"])
def test_nothing_else_is_read_through_a_link_out_of_a_run(run, tmp_path, place):
    lead_out(run / place, tmp_path / "target")
    with pytest.raises(RunError, match="links to a place outside of"):
        open_run(run).table()


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder"])
@pytest.mark.parametrize("place", ["run.json", "records/00000000.parquet", "images/original/a.png"])
def test_no_reader_of_a_run_waits(run, place, kind):
    path = run / place
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)

    def read() -> None:
        open_run(run).table()
        open_run(run).original("a")

    with pytest.raises(RunError):
        read()


def test_a_link_to_the_folder_of_a_run_is_the_user_s_own_and_is_followed(run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    assert open_run(tmp_path / "link").table().num_rows == 1
    assert open_run(tmp_path / "link").original_size("a") == (4, 4, 3)
    with create_or_resume(tmp_path / "link", MANIFEST) as writer:
        assert writer.finished(FGSM.label) == {"a"}


@pytest.mark.parametrize("place", ["evaluation/x", "evaluation/x/evaluation.json", "evaluation"])
def test_evaluations_are_not_read_through_a_link_out_of_a_run(run, tmp_path, place):
    folder = run / "evaluation" / "x"
    folder.mkdir(parents=True)
    known = {"name": "x", "parameters": {}, "budget": None, "stated": [], "code": None}
    header = {"format": 1, "limen": "1", "identity": known, "attacks": [], "limit": None, "notes": {}}
    (folder / "evaluation.json").write_text(json.dumps(header))
    assert len(read_evaluations(open_run(run))) == 1
    lead_out(run / place, tmp_path / "target")
    with pytest.raises(RunError, match="links to a place outside of"):
        read_evaluations(open_run(run))


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "/proc/nothing/here", "/dev/null/run"])
def test_a_place_where_no_run_can_be_is_one_line(name):
    for call in (
        lambda: create_or_resume(name, MANIFEST),
        lambda: open_run(name),
        lambda: write_page([name]),
    ):
        with pytest.raises(LimenError) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_only_files_are_replaced_and_folders_stay_inside(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="a pipe or device, where a file belongs"):
        write_whole(tmp_path / "pipe", b"")
    (tmp_path / "out").symlink_to("/tmp")
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="links to a place outside of"):
        make_folders(tmp_path / "run", [tmp_path / "out" / "deep"])
    with pytest.raises(RunError, match="missing"), reading_png(tmp_path / "none.png"):
        pass


def test_an_attack_goes_by_its_name_alone_where_there_is_no_other_of_it(run):
    opened = open_run(run)
    assert opened.image("fgsm", "a").shape == (4, 4, 3)
    two = MANIFEST.with_attacks([Identity("fgsm", {"eps": 0.2}, budget="eps", stated=("eps",))])
    with pytest.raises(UsageError, match=r"no attack 'fgsm'; it has: fgsm:eps=0\.1, fgsm:eps=0\.2"):
        two.attack("fgsm")

"""Where a page's pictures lie, and that nothing foreign is touched there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from limen.errors import LimenError, UsageError
from limen.report import write_page
from limen.report.shelf import Beside, Inside, Plain, remove_others

PNG = b"\x89PNG one"
NAME = hashlib.sha256(PNG).hexdigest()[:32] + ".png"


def test_what_a_page_holds_it_holds_once():
    shelf = Inside()
    assert [str(shelf.place(each)) for each in (PNG, b"two", PNG)] == [
        'data-picture="0"',
        'data-picture="1"',
        'data-picture="0"',
    ]
    assert len(shelf.held) == 2
    assert str(Plain().place(b"a")) == 'src="data:image/png;base64,YQ=="'


def test_files_are_named_by_what_they_hold_in_a_folder_whose_name_is_quoted(tmp_path: Path):
    shelf = Beside(tmp_path / 'a "b" & c.pictures')
    assert str(shelf.place(PNG)) == f'src="a%20%22b%22%20%26%20c.pictures/{NAME}"'
    assert (shelf.folder / NAME).read_bytes() == PNG
    odd = Beside(tmp_path / os.fsdecode(b"a\xff"))
    assert str(odd.place(PNG)) == f'src="a%FF/{NAME}"'


def test_the_pictures_of_an_older_page_go_and_all_else_stays(tmp_path: Path):
    old = Beside(tmp_path / "pictures")
    old.place(PNG)
    (old.folder / "notes.txt").write_text("mine")
    (old.folder / "photo.png").write_text("mine")
    new = Beside(tmp_path / "pictures")
    new.place(b"two")
    remove_others(new.folder, new.placed)
    names = {path.name for path in new.folder.iterdir()}
    assert names == {"notes.txt", "photo.png", hashlib.sha256(b"two").hexdigest()[:32] + ".png"}


def test_no_link_is_followed(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "victim"
    victim.write_text("mine")
    (tmp_path / "linked").symlink_to(outside)
    (outside / NAME).write_text("mine")
    remove_others(tmp_path / "linked")
    assert (outside / NAME).exists()
    with pytest.raises(LimenError, match="linked: lies where the page's pictures go"):
        Beside(tmp_path / "linked")
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / NAME).symlink_to(victim)
    Beside(folder).place(PNG)
    assert victim.read_text() == "mine"
    assert not (folder / NAME).is_symlink()
    assert (folder / NAME).read_bytes() == PNG


def test_what_is_in_the_way_is_one_error_and_stays(tmp_path: Path, make_run):
    run = make_run().directory
    for name, told in {
        "page.html": "page.html: is no page of Limen's, and is kept; choose another --out",
        "page.summary.json": "page.summary.json: is no summary of Limen's",
        "page.pictures": "page.pictures: lies where the page's pictures go",
    }.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(LimenError, match=re.escape(told)):
            write_page([run], folder / "page.html", pictures="beside")
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "mine"
    with pytest.raises(UsageError, match="pictures is 'apart'; give inside or beside"):
        write_page([run], pictures="apart")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="names no file"):
        write_page([run], "/")


def test_a_page_beside_its_pictures_is_small_and_made_again_is_the_same(make_run, evaluate):
    run = make_run()
    evaluate(run)
    inside = write_page([run.directory]).read_text(encoding="utf-8")
    page = write_page([run.directory], pictures="beside")
    text, folder = page.read_text(encoding="utf-8"), page.with_name("report.pictures")
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(text) < len(inside)
    # Those of the evaluation, too.
    shown = set(re.findall(r'<img src="report\.pictures/([0-9a-f]{32}\.png)"', text))
    assert shown == {path.name for path in written}
    assert set(re.findall(r"<img (\S+?)=", text)) == {"src"}
    assert write_page([run.directory], pictures="beside").read_text(encoding="utf-8") == text
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    assert write_page([run.directory]).read_text(encoding="utf-8") == text
    write_page([run.directory], pictures="inside")
    assert not folder.exists()


def test_the_summary_has_the_figures_of_the_page(make_run, record):
    rows = [record(0, "a", psnr=float("inf")), record(1, "b"), record(2, "c", clean_prediction=1)]
    run = make_run(rows={"fgsm:eps=1": rows, "fgsm:eps=2": rows})
    page = write_page([run.directory])
    summary = json.loads(page.with_name("report.summary.json").read_text(encoding="utf-8"))
    (told,) = summary["runs"]
    assert (told["model"], told["data"], told["name"]) == ("demo:photos", "folder:photos", "run")
    verdict = told["verdict"]
    assert (verdict["images"], verdict["correct"], verdict["counted"], verdict["fooled"]) == (3, 2, 2, 2)
    assert verdict["changes"]["l2"]["value"] == pytest.approx(0.15)
    for sentence in verdict["sentences"]:
        assert sentence in page.read_text(encoding="utf-8")
    assert [each["label"] for each in told["attacks"]] == ["fgsm:eps=1", "fgsm:eps=2"]
    assert [(each["label"], each["budgets"]) for each in told["families"]] == [("fgsm", ["1", "2"])]
    figures = {(each["metric"], each["statistic"]): each for each in told["attacks"][0]["figures"]}
    assert (figures[None, "success"]["value"], figures[None, "success"]["images"]) == (1, 2)
    assert (figures["psnr", "mean"]["value"], figures["psnr", "unmeasured"]["value"]) == (58, 1)
    assert figures["l2", "mean"]["low"] is None


def test_a_picture_that_cannot_be_written_or_removed_is_one_error(tmp_path: Path, monkeypatch):
    def denied(*given, **named):
        raise PermissionError(13, "Permission denied")

    shelf = Beside(tmp_path / "pictures")
    shelf.place(PNG)
    monkeypatch.setattr(Path, "unlink", denied)
    said = "the pictures of an older page cannot be removed (Permission denied)"
    with pytest.raises(LimenError, match=re.escape(f"{shelf.folder}: {said}")):
        remove_others(shelf.folder)
    said = "this picture of the page cannot be written (Permission denied); choose another --out"
    with pytest.raises(LimenError, match=re.escape(said)):
        shelf.place(b"another")

"""Stored evaluations that are broken, hostile, or of another time: one line each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limen.document import Cell, Document, Group, Picture, Pictures, Row, Table
from limen.errors import UsageError
from limen.identity import Identity
from limen.runs import Part, Run, RunError, Stored, create_or_resume, measuring, open_run, read_evaluations
from limen.runs.evaluations import folder_of, picture_name
from limen.runs.files import decode_png

FGSM, DDN = "fgsm:eps=0.1", "ddn"
BRIGHT = Identity("bright", {"scale": 2.0, "shades": (1.0, 2.0), "name": None}, stated=("scale",))


@pytest.fixture
def run(tmp_path, manifest, pixels, row) -> Run:
    with create_or_resume(tmp_path / "run", manifest) as writer:
        writer.write_originals({key: pixels(0) for key in "ab"})
        for label in (FGSM, DDN):
            writer.write(label, [row("a", 0), row("b", 1)], {key: pixels(1) for key in "ab"})
    return open_run(tmp_path / "run")


def rows(*pairs: tuple[str, str], value: float = 1.0) -> pa.Table:
    return pa.table(
        {"attack": [a for a, _ in pairs], "id": [b for _, b in pairs], "value": [value] * len(pairs)}
    )


def describe(stored: Stored) -> Document:
    table = Table(
        "T",
        "",
        ("id", "value"),
        [Group("", [[Cell(row["id"]), Cell(value=row["value"])]]) for row in stored.records().to_pylist()],
    )
    shown = Row("a", [Picture(stored.picture(None, "a"), "original"), Picture(stored.picture(DDN, "a"), DDN)])
    return Document("How bright?", blocks=[table, Pictures("P", "", [shown])])


def store(run: Run, identity: Identity = BRIGHT) -> Stored:
    with measuring(run, identity) as measurement:
        measurement.write(
            Part(rows((DDN, "a"), (FGSM, "b")), {(DDN, "a"): pixels(5), (None, "a"): pixels(6)})
        )
        measurement.write(Part(rows((FGSM, "a"))))
        return measurement.finish(measurement.finished, describe)


def pixels(level: int) -> np.ndarray:
    return np.full((8, 9, 3), level, np.uint8)


def test_rows_stand_in_the_order_of_the_runs_attacks_and_images(run):
    stored = store(run)
    assert [(row["attack"], row["id"]) for row in stored.records().to_pylist()] == [
        (FGSM, "a"),
        (FGSM, "b"),
        (DDN, "a"),
    ]
    assert read_evaluations(run) == [stored]
    assert stored.identity == BRIGHT
    assert stored.identity.parameters == BRIGHT.parameters
    assert (decode_png(stored.picture(DDN, "a")) == 5).all()
    assert stored.picture(FGSM, "a") is None


def test_a_later_part_replaces_rows_and_what_is_not_wanted_goes(run):
    store(run)
    with measuring(run, BRIGHT) as measurement:
        assert measurement.finished == {(DDN, "a"), (FGSM, "a"), (FGSM, "b")}
        measurement.write(Part(rows((FGSM, "a"), value=7.0)))
        stored = measurement.finish(frozenset({(FGSM, "a"), (DDN, "a")}), describe)
    assert [row["value"] for row in stored.records().to_pylist()] == [7.0, 1.0]


def test_a_disk_that_is_full_leaves_the_older_evaluation_whole(run, monkeypatch):
    before = {path: path.read_bytes() for path in store(run).folder.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with measuring(run, BRIGHT) as measurement:
        monkeypatch.setattr("os.rename", full)
        with pytest.raises(RunError, match="the disk is full"):
            measurement.finish(measurement.finished, describe)
    assert {path: path.read_bytes() for path in before} == before


def test_a_document_may_only_name_pictures_that_were_made(run):
    def strange(stored: Stored) -> Document:
        shown = [Picture(run.original_path("a"), "another file of the run")]
        return Document("t", blocks=[Pictures("P", "", [Row("a", shown)])])

    with measuring(run, BRIGHT) as measurement, pytest.raises(UsageError, match="was not made"):
        measurement.finish(measurement.finished, strange)
    assert read_evaluations(run) == []


@pytest.mark.parametrize("image_id", ["../../etc/passwd", "..", "", "a\\b", "/etc", "x" * 400, ".hidden"])
def test_no_name_leads_out_of_the_folder(run, image_id):
    name = picture_name(run, DDN, image_id)
    assert Path(name).name == name
    assert len(name.encode()) < 256
    assert name[0] != "."


def test_an_evaluation_under_other_options_is_kept_beside_the_first(run):
    other = Identity("bright", {**BRIGHT.parameters, "scale": 3.0}, stated=("scale",))
    assert read_evaluations(run) == []
    stored = [store(run, BRIGHT), store(run, other)]
    assert {each.identity for each in read_evaluations(run)} == {each.identity for each in stored}
    assert len(read_evaluations(run)) == 2


def test_unlike_evaluations_have_unlike_folders(run):
    names = [
        "bright",
        "bright:scale=1",
        "bright:scale=2",
        "attention:method=gradcam",
        "attention:method=gradcam++",
    ]
    folders = {
        folder_of(run, Identity(name, {})).name for name in [*names, "python:../my.py:bright", "x" * 300]
    }
    assert len(folders) == 7
    assert all(len(name) < 100 and Path(name).name == name and name[0] not in ".-" for name in folders)


def read(run: Run) -> None:
    for stored in read_evaluations(run):
        stored.records()
        stored.document()


def header(**changes: object):
    def change(folder: Path) -> None:
        path = folder / "evaluation.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def replaced(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def written(table: pa.Table):
    return lambda folder: pq.write_table(table, folder / "records.parquet")


def document(**changes: object):
    def change(folder: Path) -> None:
        path = folder / "document.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (header(format=2), "evaluation.json: has format 2, this Limen reads up to 1; upgrade Limen"),
        (header(format=True), "evaluation.json: has format True, expected 1"),
        (header(attacks=["pgd"]), r"evaluation.json: is of attack 'pgd', which run.json does not list"),
        (header(attacks=[DDN, DDN]), "evaluation.json: names an attack twice"),
        (header(attacks=DDN), "evaluation.json: attacks is .*: expected a valid array"),
        (header(identity={"name": "x"}), "evaluation.json: identity lacks parameters"),
        (
            header(identity=json.loads('{"name":1,"parameters":{},"budget":null,"stated":[],"code":null}')),
            "identity.name is 1: expected a valid string",
        ),
        (header(notes={"a": 1}), "notes.a is 1: expected a valid string"),
        (replaced("evaluation.json", b"{"), "evaluation.json: not valid JSON"),
        (replaced("evaluation.json", b"[" * 100_000), "evaluation.json: not valid JSON"),
        (replaced("records.parquet", b"broken"), "records.parquet: cannot be read"),
        (written(pa.table({"id": ["a"]})), "records.parquet: needs a column attack"),
        (written(pa.table({"attack": [1], "id": ["a"]})), "records.parquet: needs a column attack"),
        (written(pa.table({"attack": [DDN], "id": pa.array([None], pa.string())})), "needs a column id"),
        (written(pa.table({"attack": ["pgd"], "id": ["a"]})), "has rows of attack 'pgd'"),
        (replaced("document.json", b"\xff"), "document.json: not valid JSON"),
        (document(format=9), "document.json: has format 9, this Limen reads up to 1; upgrade Limen"),
        (document(blocks=[{"kind": "Script"}]), "document.json: blocks"),
        (lambda folder: (folder / "document.json").unlink(), "document.json: cannot be read"),
        (lambda folder: (folder / "records.parquet").unlink(), "records.parquet: cannot be read"),
    ],
)
def test_a_broken_or_hostile_evaluation_is_one_line_that_names_the_file(run, damage, message):
    damage(store(run).folder)
    with pytest.raises(RunError, match=message) as caught:
        read(run)
    assert "\n" not in str(caught.value)
    assert "remove the folder, then evaluate again" in str(caught.value)


def test_a_broken_one_is_measured_again_and_strangers_are_passed_over(run):
    stored = store(run)
    (stored.folder / "records.parquet").write_bytes(b"broken")
    (stored.folder.parent / "notes.txt").write_text("mine")
    (stored.folder.parent / "attention").mkdir()
    with measuring(run, BRIGHT) as measurement:
        assert measurement.finished == frozenset()
    store(run)
    assert len(read_evaluations(run)) == 1


def test_another_limen_begins_anew(run):
    header(limen="0.0.1")(store(run).folder)
    with measuring(run, BRIGHT) as measurement:
        assert measurement.finished == frozenset()


def test_parts_of_unlike_columns_are_refused(run):
    with measuring(run, BRIGHT) as measurement:
        measurement.write(Part(rows((DDN, "a"))))
        text = pa.table({"attack": [DDN], "id": ["b"], "value": ["bright"]})
        measurement.write(Part(text))
        with pytest.raises(UsageError, match="unlike columns"):
            measurement.finish(measurement.finished, describe)


def test_a_file_system_without_links_gets_copies(run, monkeypatch):
    def refuse(source, target):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    picture = store(run).picture(DDN, "a")
    assert picture is not None
    assert decode_png(picture).tolist() == pixels(5).tolist()


def test_a_label_that_is_no_unicode_has_no_folder_and_the_file_is_named(run):
    with pytest.raises(
        UsageError, match=r"my\\udcff.py:bright' is no Unicode; rename the file that it names"
    ):
        folder_of(run, Identity("python:my\udcff.py:bright", {}))

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limen.errors import UsageError
from limen.runs import Overlap, OverlapEvaluation, Run, RunError, create_or_resume, open_run
from limen.runs.files import decode_png
from limen.runs.overlap import MEASURES
from limen.runs.overlap_store import FILE, FOLDER, attention_path, read_overlap, write_overlap

from ..named import identity

THRESHOLDS = np.array([0.01, 0.11, 0.5])


def overlap(label: str, ids: tuple[str, ...], seed: int) -> Overlap:
    values = np.random.default_rng(seed).random((len(MEASURES), len(ids), len(THRESHOLDS)))
    values[0, :, 2:] = np.nan
    return Overlap(label, ids, THRESHOLDS, *values)


@pytest.fixture
def run(tmp_path, manifest) -> Run:
    with create_or_resume(tmp_path / "run", manifest):
        return open_run(tmp_path / "run")


@pytest.fixture
def evaluation() -> OverlapEvaluation:
    overlaps = (overlap("fgsm:eps=0.1", ("a/é", "b", "../c"), 0), overlap("ddn", (), 1))
    return OverlapEvaluation("gradcam++", "net.features.18", 0.75, overlaps, ("b",))


@pytest.fixture
def maps(pixels) -> dict[str, np.ndarray]:
    return {"b": pixels(0, 1)}


def test_an_evaluation_survives_the_round_trip(run, evaluation, maps):
    path = write_overlap(run, evaluation, maps)
    assert path == run.directory / "evaluation" / "overlap.parquet"
    found = read_overlap(run)
    assert found is not None
    for name in ("method", "layer", "attention_threshold", "pictured"):
        assert getattr(found, name) == getattr(evaluation, name)
    for mine, theirs in zip(found.overlaps, evaluation.overlaps, strict=True):
        assert (mine.label, mine.ids) == (theirs.label, theirs.ids)
        for name in ("thresholds", *MEASURES):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    np.testing.assert_array_equal(decode_png(attention_path(run, found, "b")), maps["b"])


def test_a_run_without_an_evaluation_has_none(run):
    assert read_overlap(run) is None


def test_an_evaluation_without_attacks_is_one(run):
    write_overlap(run, OverlapEvaluation("cam", "f", 0.75, ()), {})
    found = read_overlap(run)
    assert found is not None
    assert found.overlaps == ()


def test_the_table_opens_with_pandas(run, evaluation, maps):
    frame = pd.read_parquet(write_overlap(run, evaluation, maps))
    assert list(frame.columns) == ["attack", "id", "threshold", *MEASURES]
    assert len(frame) == 9
    row = frame[(frame.id == "b") & (frame.threshold == 0.11)].iloc[0]
    assert row.recall == evaluation.overlaps[0].recall[1, 1]


def test_a_later_evaluation_takes_the_place_of_the_first(run, evaluation, maps):
    write_overlap(run, evaluation, maps)
    other = replace(evaluation, method="gradcam", pictured=())
    write_overlap(run, other, {})
    assert read_overlap(run).method == "gradcam"
    assert attention_path(run, evaluation, "b").is_file()
    assert attention_path(run, other, "b") != attention_path(run, evaluation, "b")


def test_a_failed_write_leaves_the_older_evaluation_whole(run, evaluation, maps, monkeypatch):
    write_overlap(run, evaluation, maps)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(RunError, match="the disk is full"):
        write_overlap(run, replace(evaluation, layer="other"), maps)
    monkeypatch.undo()
    assert read_overlap(run).layer == evaluation.layer
    assert [path.name for path in (run.directory / FOLDER).rglob("*.tmp")] == []


def test_a_resumed_run_keeps_its_evaluation(run, evaluation, maps):
    write_overlap(run, evaluation, maps)
    with create_or_resume(run.directory, run.manifest.with_attacks([identity("pgd")])):
        pass
    assert read_overlap(open_run(run.directory)).method == "gradcam++"


@pytest.mark.parametrize("image_id", ["../../etc/passwd", "..", "", "a\\b", "/etc"])
@pytest.mark.parametrize("layer", ["../../..", "/", "", "a/b", "..", "x" * 300])
def test_no_name_leads_out_of_the_folder(run, evaluation, image_id, layer):
    path = attention_path(run, replace(evaluation, layer=layer), image_id)
    base = (run.directory / FOLDER / "attention").resolve()
    assert path.resolve().parent.parent == base


def test_what_does_not_fit_together_is_refused(run, evaluation, maps):
    with pytest.raises(UsageError, match="needs the maps of the images that it pictures"):
        write_overlap(run, evaluation, {})
    other = replace(evaluation.overlaps[1], thresholds=THRESHOLDS + 0.1)
    with pytest.raises(UsageError, match="the same thresholds"):
        write_overlap(run, replace(evaluation, overlaps=(evaluation.overlaps[0], other)), maps)
    assert read_overlap(run) is None


def settings(**changed: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        metadata = dict(table.schema.metadata)
        content = json.loads(metadata[b"limen.overlap"]) | changed
        return table.replace_schema_metadata(metadata | {b"limen.overlap": json.dumps(content).encode()})

    return change


def metadata(**changed: bytes) -> Callable[[pa.Table], pa.Table]:
    keys = {f"limen.overlap{'.' if name else ''}{name}".encode(): value for name, value in changed.items()}
    return lambda table: table.replace_schema_metadata(table.schema.metadata | keys)


def column(name: str, values: Callable[[list], list]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.column_names.index(name)
        field = pa.field(name, table.schema.field(name).type)
        return table.set_column(place, field, pa.array(values(table[name].to_pylist()), field.type))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (metadata(format=b"2"), "has format 2, this Limen reads up to 1; upgrade Limen"),
        (metadata(format=b"x"), "has format x, expected 1"),
        (lambda table: table.replace_schema_metadata(None), "has format none"),
        (metadata(**{"": b"{"}), "cannot be read as an overlap"),
        (metadata(**{"": b"[" * 100_000}), "nested too deeply|cannot be read"),
        (settings(method=3), "overlap.method is int, expected str"),
        (settings(attacks=["fgsm:eps=0.1", "pgd"]), "is of attack 'pgd', which run.json does not list"),
        (settings(attacks=["ddn", "ddn"]), "names an attack twice"),
        (settings(attacks=["ddn"]), "has rows of attacks that it does not name"),
        (settings(thresholds=[0.1, 0.1, 0.2]), "do not rise"),
        (settings(thresholds=[0.1, float("nan"), 0.2]), "not finite"),
        (settings(thresholds=[]), "has no thresholds"),
        (settings(attention_threshold=float("inf")), "not finite"),
        (settings(pictured=[None]), r"overlap.pictured\[0\] is NoneType"),
        (lambda table: table.slice(1), "not one for each image and threshold"),
        (lambda table: pa.concat_tables([table, table]), "not one for each image and threshold"),
        (column("threshold", lambda values: values[::-1]), "not one for each image and threshold"),
        (column("iou", lambda values: [2.0, *values[1:]]), r"has values of iou outside \[0, 1\]"),
        (column("id", lambda values: [None, *values[1:]]), "cannot be read as an overlap"),
        (lambda table: table.drop_columns(["iou"]), "cannot be read as an overlap"),
        (lambda table: table.set_column(3, "precision", pa.array(["x"] * 9)), "cannot be read as an overlap"),
    ],
)
def test_a_hostile_table_is_one_error_that_names_the_file(run, evaluation, maps, change, message):
    path = write_overlap(run, evaluation, maps)
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(RunError, match=rf"overlap\.parquet: .*({message})"):
        read_overlap(run)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 1000])
def test_a_file_that_is_no_table_is_one_error_that_names_it(run, content):
    path: Path = run.directory / FOLDER / FILE
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"overlap\.parquet: cannot be read as an overlap"):
        read_overlap(run)

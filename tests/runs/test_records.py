from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limen.analysis import rows_of, table
from limen.errors import UsageError
from limen.report import write_page
from limen.runs import RunError, create_or_resume, open_run, record_schema
from limen.runs.records import encode_part, part_paths, read_part

from .conftest import COLUMNS

NAMES = tuple(each.key for each in COLUMNS)


@pytest.fixture
def part(tmp_path, row):
    path = tmp_path / "00000000.parquet"
    path.write_bytes(encode_part({"ddn": [row("a"), row("b", 1, success=False, target=2)]}, COLUMNS))
    return path


def test_a_part_gives_back_its_rows(part, row):
    assert read_part(part, COLUMNS).to_pylist() == [
        {"attack": "ddn", **row("a")},
        {"attack": "ddn", **row("b", 1, success=False, target=2)},
    ]
    assert read_part(part, COLUMNS, ("id", "l2")).to_pydict() == {"id": ["a", "b"], "l2": [0.25, None]}


def test_a_part_says_which_format_it_has(part):
    assert pq.read_schema(part).metadata[b"limen.format"] == b"3"


def test_a_row_with_wrong_columns_or_values_is_refused(row):
    with pytest.raises(UsageError, match="seconds"):
        encode_part({"ddn": [{key: value for key, value in row("a").items() if key != "seconds"}]}, COLUMNS)
    with pytest.raises(UsageError, match="colour"):
        encode_part({"ddn": [row("a", colour=1)]}, COLUMNS)
    with pytest.raises(UsageError, match="does not fit"):
        encode_part({"ddn": [row("a", steps="many")]}, COLUMNS)
    with pytest.raises(UsageError, match="column label has empty values"):
        encode_part({"ddn": [row("a", label=None)]}, COLUMNS)


def _without(*names):
    return lambda table: table.drop_columns(names)


def _cast(name, kind):
    def cast(table):
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, table[name].cast(kind))

    return cast


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("id"), "lacks the columns id"),
        (_without("seconds"), "lacks the columns seconds"),
        (_cast("ssim", pa.float32()), "column ssim is float, expected double"),
        (lambda table: table.append_column("mad", table["mad"]), "mad, or has them twice"),
        (_cast("index", pa.float64()), "column index is double, expected int64"),
        (_cast("success", pa.int8()), "column success is int8, expected bool"),
        (lambda table: table.append_column("id", table["id"]), "twice"),
        (lambda table: table.replace_schema_metadata({"limen.format": "4"}), "upgrade Limen"),
        (lambda table: table.replace_schema_metadata(None), "not the records of a run"),
        (
            lambda table: table.set_column(2, pa.field("id", pa.string()), pa.array([None, "b"])),
            "column id has empty values",
        ),
    ],
)
def test_a_part_with_other_columns_is_one_error_that_names_the_file(part, change, message):
    pq.write_table(change(pq.read_table(part)), part)
    with pytest.raises(RunError, match=rf"00000000\.parquet: .*{message}"):
        read_part(part, COLUMNS)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"", lambda data: data[:4] + data[40:]]
)
def test_a_damaged_part_is_one_error_that_names_the_file(part, damage):
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(RunError, match=r"00000000\.parquet: cannot be read"):
        read_part(part, COLUMNS)


def test_a_metric_that_was_not_measured_is_null(part, row):
    measured = {key: value for key, value in row("c").items() if key not in ("mad", "wpsnr")}
    part.write_bytes(encode_part({"ddn": [measured]}, COLUMNS))
    assert read_part(part, COLUMNS, ("mad", "l2", "id")).to_pydict() == {
        "mad": [None],
        "l2": [0.25],
        "id": ["c"],
    }


@pytest.mark.parametrize("missing", [("wpsnr", "mad"), NAMES])
def test_a_part_from_before_a_metric_was_measured_reads_as_null_there(part, row, missing):
    pq.write_table(_without(*missing)(pq.read_table(part)), part)
    found = read_part(part, COLUMNS)
    assert found.schema.equals(record_schema(COLUMNS))
    assert found.to_pylist() == [
        {"attack": "ddn", **each, **dict.fromkeys(missing)}
        for each in (row("a"), row("b", 1, success=False, target=2))
    ]
    assert read_part(part, COLUMNS, ("mad", "id")).to_pydict() == {"mad": [None, None], "id": ["a", "b"]}


def test_a_run_from_before_a_metric_was_measured_is_summed_up_shown_and_resumed(
    tmp_path, manifest, row, pixels
):
    with create_or_resume(tmp_path, manifest) as run:
        run.write_originals({"a": pixels(0)})
        run.write("ddn", [row("a")], {"a": pixels(1)})
    (old,) = part_paths(tmp_path)
    pq.write_table(_without("wpsnr", "mad")(pq.read_table(old)), old)
    found = table({"run": open_run(tmp_path)})
    asked = [rows_of(found, attack="ddn", statistic="mean", metric=name) for name in ("l2", "mad", "wpsnr")]
    assert [row["value"] for (row,) in asked] == [0.25, None, None]
    page = write_page([tmp_path]).read_text(encoding="utf-8")
    assert "MAD" in page
    with create_or_resume(tmp_path, manifest) as run:
        assert run.finished("ddn") == {"a"}
        run.write_originals({"b": pixels(2)})
        run.write("ddn", [row("b", 1)], {"b": pixels(3)})
    assert ["mad" in pq.read_schema(path).names for path in part_paths(tmp_path)] == [False, True]
    run = open_run(tmp_path)
    assert run.table()["mad"].to_pylist() == [None, 0.25]
    (mad,) = rows_of(table({"run": run}), attack="ddn", statistic="median", metric="mad")
    assert mad["value"] == 0.25
    assert write_page([tmp_path]).is_file()


def test_columns_that_a_later_limen_adds_are_passed_over(part):
    table = pq.read_table(part)
    pq.write_table(table.append_column("later", pa.array([0.1, 0.2])), part)
    assert read_part(part, COLUMNS).schema.names == record_schema(COLUMNS).names


def test_every_column_and_manifest_key_is_documented(manifest):
    page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()
    for name in (*record_schema([]).names, *NAMES, *json.loads(manifest.to_json())):
        assert f"`{name}`" in page

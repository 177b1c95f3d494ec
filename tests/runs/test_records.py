from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limen.errors import UsageError
from limen.runs import RunError
from limen.runs.records import SCHEMA, encode_part, read_part


@pytest.fixture
def part(tmp_path, row):
    path = tmp_path / "00000000.parquet"
    path.write_bytes(encode_part("ddn", [row("a"), row("b", 1, success=False, target=2)]))
    return path


def test_a_part_gives_back_its_rows(part, row):
    assert read_part(part).to_pylist() == [
        {"attack": "ddn", **row("a")},
        {"attack": "ddn", **row("b", 1, success=False, target=2)},
    ]
    assert read_part(part, ("id", "l2")).to_pydict() == {"id": ["a", "b"], "l2": [0.25, None]}


def test_a_part_says_which_format_it_has(part):
    assert pq.read_schema(part).metadata[b"limen.format"] == b"1"


def test_a_row_with_wrong_columns_or_values_is_refused(row):
    with pytest.raises(UsageError, match="seconds"):
        encode_part("ddn", [{key: value for key, value in row("a").items() if key != "seconds"}])
    with pytest.raises(UsageError, match="colour"):
        encode_part("ddn", [row("a", colour=1)])
    with pytest.raises(UsageError, match="does not fit"):
        encode_part("ddn", [row("a", steps="many")])
    with pytest.raises(UsageError, match="column label has empty values"):
        encode_part("ddn", [row("a", label=None)])


def _without(name):
    return lambda table: table.drop_columns([name])


def _cast(name, kind):
    def cast(table):
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, table[name].cast(kind))

    return cast


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("id"), "lacks the columns id"),
        (_without("ssim"), "lacks the columns ssim"),
        (_cast("index", pa.float64()), "column index is double, expected int64"),
        (_cast("success", pa.int8()), "column success is int8, expected bool"),
        (lambda table: table.append_column("id", table["id"]), "twice"),
        (lambda table: table.replace_schema_metadata({"limen.format": "2"}), "upgrade Limen"),
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
        read_part(part)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"", lambda data: data[:4] + data[40:]]
)
def test_a_damaged_part_is_one_error_that_names_the_file(part, damage):
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(RunError, match=r"00000000\.parquet: cannot be read"):
        read_part(part)


def test_columns_that_a_later_limen_adds_are_passed_over(part):
    table = pq.read_table(part)
    pq.write_table(table.append_column("lpips", pa.array([0.1, 0.2])), part)
    assert read_part(part).schema.names == SCHEMA.names


def test_every_column_and_manifest_key_is_documented(manifest):
    page = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()
    for name in (*SCHEMA.names, *json.loads(manifest.to_json())):
        assert f"`{name}`" in page

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from limen.decoding import ByKind, Gap, NeverInJson, decode, read_json
from limen.errors import RunError, UsageError


@dataclass(frozen=True)
class Entry:
    name: str
    sizes: tuple[int, ...]
    note: str | None
    more: str = "none yet"


@dataclass(frozen=True)
class Circle:
    radius: float

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise UsageError("a circle needs a radius of at least 0")


@dataclass(frozen=True)
class Square:
    side: float


@dataclass(frozen=True)
class Drawing:
    format: int
    shapes: Sequence[Annotated[Circle | Square, ByKind()]] = ()
    file: Path | Annotated[bytes, NeverInJson()] | None = None


GOOD = {"name": "a", "sizes": [1, 2], "note": None}


def drawing(**changed: object) -> str:
    return json.dumps({"format": 1, "shapes": [], "file": None} | changed)


def test_annotations_are_the_format_and_unknown_keys_are_left_alone():
    assert decode(Entry, json.dumps({**GOOD, "colour": "red"})) == Entry("a", (1, 2), None)
    assert decode(dict[str, Entry], json.dumps({"x": GOOD})) == {"x": Entry("a", (1, 2), None)}
    assert decode(Entry, json.dumps({**GOOD, "more": "b"})).more == "b"


def test_a_list_of_texts_is_told_from_one_of_numbers():
    kind = str | tuple[float, ...] | tuple[str, ...]
    assert decode(kind, '["a", "b"]') == ("a", "b")
    assert decode(kind, "[1, 0.5]") == (1.0, 0.5)
    assert decode(kind, "[]") == ()
    with pytest.raises(RunError, match=r"^\[0\] is 'a': expected a valid number$"):
        decode(kind, '["a", 1]')


def test_the_kind_of_one_type_is_kept():
    kind = str | int | float | bool | None
    for value in ("1", 1, 1.5, True, None):
        read = decode(kind, json.dumps(value))
        assert (type(read), read) == (type(value), value)
    assert math.isnan(decode(Gap, "null"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "^name is 3: expected a valid string"),
        ({"sizes": [1, True]}, r"^sizes\[1\] is True: expected a valid integer"),
        ({"sizes": "12"}, "^sizes is '12': expected a valid array"),
        ({"note": 1.5}, "^note is 1.5: expected a valid string"),
        ({"sizes": ["1"]}, r"^sizes\[0\] is '1': expected a valid integer"),
        ({"more": 1}, "^more is 1: expected a valid string"),
    ],
)
def test_a_wrong_value_is_named(change, message):
    with pytest.raises(RunError, match=message):
        decode(Entry, json.dumps({**GOOD, **change}))


def test_missing_values_are_named_where_they_belong():
    with pytest.raises(RunError, match=r"^the file lacks sizes, note$"):
        decode(Entry, '{"name": "a"}')
    with pytest.raises(RunError, match=r"^entry lacks sizes, note$"):
        decode(dict[str, Entry], '{"entry": {"name": "a"}}')
    with pytest.raises(RunError, match=r"^the file lacks shapes, file$"):
        read_json(Drawing, '{"format": 1}', 1, "a drawing")


def test_one_of_several_dataclasses_is_told_by_its_kind():
    shapes = [{"kind": "Square", "side": 2}, {"kind": "Circle", "radius": 1}]
    assert read_json(Drawing, drawing(shapes=shapes), 1, "a drawing").shapes == [Square(2.0), Circle(1.0)]
    with pytest.raises(RunError, match=r"^shapes\[0\] is .*'Cube' found using 'kind' .* 'Circle', 'Square'"):
        read_json(Drawing, drawing(shapes=[{"kind": "Cube"}]), 1, "a drawing")
    with pytest.raises(RunError, match=r"^shapes\[0\] lacks side$"):
        read_json(Drawing, drawing(shapes=[{"kind": "Square"}]), 1, "a drawing")
    with pytest.raises(UsageError, match=r"^a circle needs a radius of at least 0$"):
        read_json(Drawing, drawing(shapes=[{"kind": "Circle", "radius": -1}]), 1, "a drawing")


def test_a_text_is_no_bytes():
    assert read_json(Drawing, drawing(file="a.png"), 1, "a drawing").file == Path("a.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1', "not valid JSON"),
        (b'{"format": 1, "file": "\xff"}', "not valid JSON"),
        ('{"format": 1, "file": "\\ud83d"}', r"not valid JSON \(.*hex escape"),
        ("[" * 100_000 + "]" * 100_000, "not valid JSON .*recursion"),
        ('{"format": 1, "file": NaN}', "not valid JSON"),
        ('{"format": 1, "file": -Infinity}', "not valid JSON"),
        ("[]", "has format None, expected 1: not a drawing"),
        ('{"format": true}', "has format True, expected 1: not a drawing"),
        ('{"format": 2}', "has format 2, this Limen reads up to 1; upgrade Limen"),
        ('{"format": 0}', "of old"),
    ],
    ids=["cut", "bytes", "half", "deep", "nan", "infinity", "list", "true", "newer", "older"],
)
def test_what_is_no_json_of_a_known_format_is_refused(text, message):
    with pytest.raises(RunError, match=message):
        read_json(Drawing, text, 1, "a drawing", {0: "of old"})


def test_a_text_of_no_format_that_is_no_json_is_refused_too():
    with pytest.raises(RunError, match=r"not valid JSON \(EOF while parsing a value"):
        decode(tuple[int, ...], "[1,")


def test_the_command_line_starts_without_pydantic():
    code = "import sys, limen.cli; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

from __future__ import annotations

from dataclasses import dataclass

import pytest

from limen.decoding import decode, later, load_json
from limen.errors import RunError


@dataclass(frozen=True)
class Entry:
    name: str
    sizes: tuple[int, ...]
    note: str | None


GOOD = {"name": "a", "sizes": [1, 2], "note": None}


def test_a_list_of_texts_is_told_from_one_of_numbers():
    kind = str | tuple[float, ...] | tuple[str, ...]
    assert decode(kind, ["a", "b"], ".x") == ("a", "b")
    assert decode(kind, [1, 0.5], ".x") == (1.0, 0.5)
    assert decode(kind, [], ".x") == ()
    with pytest.raises(RunError, match=r"x\[0\] is str, expected float"):
        decode(kind, ["a", 1], ".x")


def test_annotations_are_the_format():
    assert decode(Entry, GOOD, "") == Entry("a", (1, 2), None)
    assert decode(dict[str, Entry], {"x": GOOD}, ".all") == {"x": Entry("a", (1, 2), None)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "name is int, expected str"),
        ({"sizes": [1, True]}, r"sizes\[1\] is bool, expected int"),
        ({"sizes": "12"}, "sizes is str, expected list"),
        ({"note": 1.5}, "note is float, expected str"),
    ],
)
def test_a_wrong_value_is_named(change, message):
    with pytest.raises(RunError, match=message):
        decode(Entry, {**GOOD, **change}, "")


def test_a_missing_value_is_named():
    with pytest.raises(RunError, match="entry lacks sizes, note"):
        decode(Entry, {"name": "a"}, ".entry")


def test_a_field_that_came_later_may_be_missing_and_is_checked_where_it_is_there():
    @dataclass(frozen=True)
    class Grown:
        name: str
        note: str = later("none yet")

    assert decode(Grown, {"name": "a"}, "") == Grown("a", "none yet")
    assert decode(Grown, {"name": "a", "note": "b"}, "") == Grown("a", "b")
    with pytest.raises(RunError, match="note is int, expected str"):
        decode(Grown, {"name": "a", "note": 1}, ".entry")
    with pytest.raises(RunError, match="entry lacks name"):
        decode(Grown, {"note": "b"}, ".entry")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (str, "half \ud83d", "holds half of a character"),
        (float, 10**400, "is too large a number"),
        (int | str, 1.5, "is float, expected int or str"),
    ],
)
def test_what_json_can_hold_and_nothing_can_use_is_refused(kind, value, message):
    with pytest.raises(RunError, match=message):
        decode(kind, value, ".entry")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_are_refused(number):
    with pytest.raises(RunError, match=f"{number} is no number of JSON"):
        load_json(f'{{"format": 1, "value": {number}}}', 1, "a test")

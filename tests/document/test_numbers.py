from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.document import near_one, number
from limen.document.numbers import written


@given(st.floats(0, 1, exclude_max=True))
def test_a_value_below_one_is_never_shown_as_one_unless_it_is_within_a_millionth(value: float):
    assert float(near_one(value)) < 1 or 1 - value < 1e-6


@given(st.floats(1e-12, 1e12))
def test_a_number_shown_is_within_half_a_percent(value: float):
    assert math.isclose(float(number(value).replace(",", "").replace("−", "-")), value, rel_tol=0.005)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1.5, "−1.5"),
        (-12345.6, "−12,346"),
        (-0.0, "0"),
        (-2e-5, "−2e-5"),
        (-math.inf, "−∞"),
        (999.4, "999"),
        (999.7, "1,000"),
    ],
)
def test_numbers_are_written_with_signs_and_digits_for_people(value: float, shown: str):
    assert number(value) == shown


def test_a_count_that_is_not_finite_is_written_as_any_number():
    assert [written(value, "count") for value in (math.nan, math.inf, 1234.0)] == ["–", "∞", "1,234"]

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from limen.document import near_one, number


@given(st.floats(0, 1, exclude_max=True))
def test_a_value_below_one_is_never_shown_as_one_unless_it_is_within_a_millionth(value: float):
    assert float(near_one(value)) < 1 or 1 - value < 1e-6


@given(st.floats(1e-12, 1e12))
def test_a_number_shown_is_within_half_a_percent(value: float):
    assert math.isclose(float(number(value).replace(",", "").replace("−", "-")), value, rel_tol=0.005)


def test_a_negative_number_has_a_minus_sign():
    assert number(-1.5) == "−1.5"

"""McNemar's test, against enumeration and an independent implementation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as published

from limen.analysis import mcnemar


def of_counts(better: int, worse: int, same: int = 3) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([False] * better + [True] * worse + [True] * same)
    return first, np.array([True] * better + [False] * worse + [True] * same)


@pytest.mark.parametrize(("better", "worse"), [(5, 0), (4, 2), (9, 3), (7, 6)])
def test_half_of_the_two_sided_test_where_the_second_is_better(better, worse):
    two_sided = published([[3, worse], [better, 0]], exact=True).pvalue
    assert mcnemar(*of_counts(better, worse)) == pytest.approx(two_sided / 2)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (0, 4), (2, 3), (3, 1)])
def test_equals_the_share_of_all_sides_that_favour_it_as_clearly(better, worse):
    sides = [sum(each) for each in itertools.product((0, 1), repeat=better + worse)]
    assert mcnemar(*of_counts(better, worse)) == pytest.approx(np.mean([each >= better for each in sides]))

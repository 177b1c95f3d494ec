"""What is no chart is refused when it is made."""

from __future__ import annotations

import pytest

from limen.document import Box, BoxPlot, Chart, Line, Mark
from limen.errors import UsageError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Line("a", [0], [1], low=[0]), "both low and high"),
        (lambda: Line("a", [0, 1], [1]), "equally many"),
        (lambda: Box("a", (3, 2, 1), (0, 4)), "do not rise"),
        (lambda: BoxPlot("t", "x", [], x_range=(0, 1), log_x=True), "no range"),
        (lambda: Chart("t", "x", "y", [], y_range=(1, 1)), "no range"),
        (lambda: Chart("t", "x", "y", [], log_x=True, marks=[Mark(0, "zero")]), "outside the axis"),
    ],
    ids=["half a band", "unequal", "falling", "log of zero", "no length", "mark"],
)
def test_what_is_no_chart_is_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()

"""Small runs to make studies of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from limen.runs import Run

from ..report.conftest import row, write_run

HOSTILE = "<img src=x onerror=alert(1)>"
"""The name of an image that would run if it were not escaped."""


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """A run of two attacks on images of 16 pixels, the first of which has a hostile name."""

    @cache
    def make(images: int = 6, **failed: int) -> Run:
        names = [HOSTILE, *(f"photo {i}" for i in range(1, images))]
        rows = {
            label: [
                row(i, name, success=i >= failed.get(label, 0), mad=0.01 * i) for i, name in enumerate(names)
            ]
            for label in ("ddn", "fgsm")
        }
        return write_run(tmp_path_factory.mktemp("runs") / "run", rows)

    return make

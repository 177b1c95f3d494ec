"""A small effort, so that an audit takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import pytest

from limen.audit import Attempt, Effort, page
from limen.audit import effort as efforts
from limen.audit.effort import LINF, UNBOUNDED


@pytest.fixture(scope="module")
def small() -> Iterator[Effort]:
    """The effort `quick` with a few attacks of few steps, and a page with one curve."""
    made = Effort(
        8,
        (
            Attempt("L∞", "apgd_linf:steps=5,loss=margin,early_stop=true", 7, "linf", (LINF[1], UNBOUNDED)),
            Attempt("L2", "apgd_l2:steps=5,loss=margin,early_stop=true", 7, "l2"),
            Attempt("L2", "ddn:steps=10", 12),
            Attempt("black box", "square:steps=5", 7, "linf", (8 / 255,), gradient=False),
        ),
        ("defenses:defense=jpeg",),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efforts, "EFFORTS", MappingProxyType({**efforts.EFFORTS, "quick": made}))
        patch.setattr(page, "CURVES", ("l2",))
        yield made

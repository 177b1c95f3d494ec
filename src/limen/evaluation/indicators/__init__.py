"""Indicators of a failed attack: what each one is, what it found in a run, and what that means.

`INDICATORS` has every indicator by its key; a new one is a function under `indicator`, in a file that is
imported here. `findings` reads what the evaluation `indicators` of a run found, each with a sentence of
evidence and what to do.
"""

from __future__ import annotations

from limen.evaluation.indicators import of_gradient, of_model, of_path, of_rivals
from limen.evaluation.indicators.indicator import (
    INDICATORS,
    Finding,
    Indicator,
    findings,
    indicator,
    summary,
)
from limen.evaluation.indicators.measure import indicators, of_model_alone
from limen.evaluation.indicators.of_gradient import NO_GRADIENT

__all__ = [
    "INDICATORS",
    "NO_GRADIENT",
    "Finding",
    "Indicator",
    "findings",
    "indicator",
    "indicators",
    "of_gradient",
    "of_model",
    "of_model_alone",
    "of_path",
    "of_rivals",
    "summary",
]

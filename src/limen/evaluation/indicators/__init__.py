"""Indicators of a failed attack: what each one is, what it found in a run, and what that means.

`INDICATORS` has every indicator of Limen by its key; a new one is a function under `indicator`, in a file of
this room or of one's own. `findings` reads what the evaluation `indicators` of a run found, each with a
sentence of evidence and what to do.
"""

from __future__ import annotations

from limen.evaluation.indicators import of_gradient, of_model, of_path, of_rivals
from limen.evaluation.indicators.indicator import Finding, Indicator, indicator
from limen.evaluation.indicators.measure import indicators, of_model_alone
from limen.evaluation.indicators.of_gradient import NO_GRADIENT
from limen.evaluation.indicators.table import INDICATORS, SPECS, findings, summary
from limen.evaluation.indicators.trial import Subject, Trial

__all__ = [
    "INDICATORS",
    "NO_GRADIENT",
    "SPECS",
    "Finding",
    "Indicator",
    "Subject",
    "Trial",
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

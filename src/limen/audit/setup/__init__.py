"""What must be right before an attack says anything: each check one function that yields findings.

A check takes the `Subject`, a model with some images and its answers to them, and yields a finding whether or
not anything is wrong. What stops an audit is only what leaves nothing to attack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from limen.audit.finding import Finding
from limen.audit.setup.accuracy import accuracy
from limen.audit.setup.gradients import NO_GRADIENT, attacked, gradients
from limen.audit.setup.labels import labels
from limen.audit.setup.names import names
from limen.audit.setup.outputs import outputs
from limen.audit.setup.preprocessing import preprocessing
from limen.audit.setup.steadiness import steadiness
from limen.audit.setup.subject import Subject, subject_of

__all__ = ["CHECKS", "NO_GRADIENT", "Subject", "attacked", "check", "names", "subject_of"]

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    accuracy,
    labels,
    preprocessing,
    steadiness,
    outputs,
    gradients,
)
"""The checks, in the order in which a page names them."""


def check(subject: Subject) -> tuple[Finding, ...]:
    """What every check finds.

    Raises:
        LimenError: If the model cannot answer.

    Example:
        >>> import limen
        >>> classifier, data = limen.catalog.model("demo:digits"), limen.catalog.data("demo:digits,count=20")
        >>> [each.title for each in check(subject_of(classifier, data, range(20), 20)) if each.counts]
        []
    """
    return tuple(finding for each in CHECKS for finding in each(subject))

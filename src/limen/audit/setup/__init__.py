"""What must be right before an attack says anything: each check one function that yields findings.

What is wrong with the model alone is for the indicators to say, as where a run is doubted; here stands what
is about the data, and about how model and data fit.

A check takes the `Subject`, a model with some images and its answers to them, and yields a finding whether or
not anything is wrong. What stops an audit is only what leaves nothing to attack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from limen.audit.finding import Finding
from limen.audit.setup.accuracy import accuracy
from limen.audit.setup.labels import labels
from limen.audit.setup.model import given, indicated
from limen.audit.setup.names import names
from limen.audit.setup.preprocessing import preprocessing
from limen.audit.setup.subject import Subject, subject_of

__all__ = ["CHECKS", "Subject", "check", "names", "subject_of"]

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    accuracy,
    labels,
    preprocessing,
    given,
    indicated,
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

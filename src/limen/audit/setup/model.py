"""Whether the model can be attacked as it is: how it was given, and what stands in the way of any attack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from limen.audit.finding import Finding
from limen.audit.finding import indicated as indicator_says
from limen.audit.setup.subject import Subject
from limen.defenses import defenses_of
from limen.evaluation.indicators import Finding as Indicated
from limen.evaluation.indicators import of_model_alone
from limen.evaluation.indicators.trial import Effort
from limen.evaluation.indicators.trial import Subject as Asked
from limen.runs import Settings

_IMAGES, _SIDE_BY_SIDE = 16, 8
_EFFORT = Effort(draws=10)


def given(subject: Subject) -> Iterator[Finding]:
    """A network left in training mode, and a defence in front."""
    made = subject.classifier.identity is not None  # of a spec, so that nobody left it in any mode
    if not made and any(part.training for part in subject.classifier.module.modules()):
        yield Finding(
            "mode",
            "Mode",
            "note",
            "The network was given in training mode. It is audited in evaluation mode, and left as it was.",
        )
    shields = ", then ".join(each.label for each in defenses_of(subject.classifier))
    if shields:
        yield Finding(
            "defense",
            "A defence stands in front of the network",
            "weakens",
            f"Images pass {shields} first. The attacks know of it, through its gradient or what stands in "
            "for that, and what stands in for a gradient is a guess.",
            "Audit the network without the defence, too, and see what the defence adds.",
        )


def indicated(subject: Subject) -> Iterator[Finding]:
    """What the indicators of the model say, on images that it has right, or on any if it has none."""
    places = np.flatnonzero(subject.right if subject.right.any() else ~subject.right)[:_IMAGES].tolist()
    settings = Settings(adaptive=1 if defenses_of(subject.classifier) else None)
    asked = []
    for begin in range(0, len(places), _SIDE_BY_SIDE):
        rows = places[begin : begin + _SIDE_BY_SIDE]
        images, ids = subject.images[rows], [subject.ids[row] for row in rows]
        goals = subject.logits[rows].argmax(1).to(images.device)
        asked.append(Asked(subject.classifier, images, goals, ids, settings, _EFFORT))
    yield from map(_finding, of_model_alone(asked))


def _finding(of: Indicated) -> Finding:
    state = "weakens" if of.found else "sound"
    found = indicator_says(of.indicator, state, of.evidence, "setup")
    return found if of.images else replace(found, state="note")

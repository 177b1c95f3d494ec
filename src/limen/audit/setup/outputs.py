"""Whether the model returns logits, and is held as it is meant to be used."""

from __future__ import annotations

from collections.abc import Iterator

from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.defenses import defenses_of

_SUM = 1e-4


def outputs(subject: Subject) -> Iterator[Finding]:
    """Probabilities instead of logits, a network left in training mode, a defence in front."""
    logits = subject.logits
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < _SUM).all()):
        yield Finding(
            "outputs",
            "The model returns probabilities",
            "weakens",
            "Every answer is at least 0 and sums to 1, as after a softmax, whose gradient fades where it is "
            "sure.",
            "Leave the softmax out, so that the model returns logits.",
        )
    else:
        yield Finding(
            "outputs", "Outputs", "sound", "Answers are no probabilities, so that they can be logits."
        )
    if any(part.training for part in subject.classifier.module.modules()):
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

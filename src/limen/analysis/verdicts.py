"""What a run comes to, in plain sentences: what the model knew, what fooled it, and whether people see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis.chance import clean_answers, clean_warning
from limen.analysis.comparison import figures
from limen.analysis.intervals import Measured, wilson
from limen.analysis.notes import source_of
from limen.analysis.outcomes import Outcomes, outcomes_by_name
from limen.document import percent
from limen.runs import MetricColumn, Run

CHANGES = ("l2", "linf", "ssim")
"""The metrics that a verdict states the change by, where a run has them."""

_WHY = "what stands beside the figures says why"


@dataclass(frozen=True)
class Verdict:
    """What a run comes to. An image that the model had wrong before any attack is never one that was fooled.

    Attributes:
        images: How many images have been attacked.
        clean: The share of them that the model had right before any attack, with Wilson's interval.
        attacks: How many attacks there are; those that differ in their budget alone are one.
        targeted: Whether to be fooled means to see the target.
        strongest: The attack that fooled most, and of equals the one with the least change; None where none
            fooled any image.
        equals: Other attacks that fooled as many.
        counted: How many images the model had right, of those that the strongest attack is done with.
        success: The share of these that it fooled, with Wilson's interval.
        stuck: How many of them it did not fool as no gradient, or no step, could move it there; where none
            fooled any image, the most among the attacks.
        unconfirmed: On how many that it fooled this did not hold when the model was asked again.
        changes: Its median change by each metric of `CHANGES` over the images that it fooled, with the
            bootstrap interval.
        noticed: The share of people who would notice, a mean over these images; None where it is not known.
        source: By which study.
        faint: On how many of them the change is 0 by what that share is read off.
        warning: What to say where the model knew its images no better than by chance.
        labelled: Whether the data has labels of its own.
    """

    images: int
    clean: Measured
    attacks: int
    targeted: bool
    strongest: str | None
    equals: tuple[str, ...]
    counted: int
    success: Measured
    stuck: int
    unconfirmed: int
    changes: tuple[tuple[MetricColumn, Measured], ...]
    noticed: Measured | None
    source: str
    faint: int
    warning: str | None
    labelled: bool = True

    @property
    def correct(self) -> int:
        """How many images the model had right before any attack."""
        return round(self.clean.value * self.images) if self.images else 0

    @property
    def fooled(self) -> int:
        """How many images the strongest attack fooled."""
        return round(self.success.value * self.counted) if self.counted else 0

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict for people, each a line; `warning` is to stand beside them."""
        if not self.images:
            return ("No image has been attacked yet.",)
        right = f"{_of(self.correct, self.images)} right{_sure(self.clean, self.images)}"
        if self.labelled:
            said = [f"Before any attack the model had {right}."]
        else:
            which = "the image" if self.images == 1 else f"the {self.images:,} images"
            said = [f"What counts as right is what the model itself said of {which} before any attack."]
        if not self.counted:
            said.append("So none is left to fool: an image that was wrong before does not count.")
        elif self.strongest is None:
            tried = "The attack" if self.attacks == 1 else f"None of {self.attacks} attacks"
            verb = "fooled it on none" if self.attacks == 1 else "fooled it on any"
            said.append(f"{tried} {verb} of these{_sure(self.success, self.counted)}.")
        else:
            said.append(self._success(self.strongest))
        if self.unconfirmed:
            said.append(f"On {self.unconfirmed:,} of these it did not hold when the model was asked again.")
        if self.stuck:
            which = "the others" if self.fooled else "these"
            said.append(f"On {self.stuck:,} of {which} it could not move, which is no robustness; {_WHY}.")
        if self.fooled:
            said.append(self._notice())
        return tuple(said)

    def _success(self, name: str) -> str:
        first = f"The strongest of {self.attacks} attacks, {name}," if self.attacks > 1 else name
        goal = "led it to the target" if self.targeted else "fooled it"
        of = f"{self.fooled:,} of the {self.counted:,} that" if self.counted > 1 else "the one that"
        which = f"{goal} on {of} it had right"
        said = f"{first} {which}{_sure(self.success, self.counted)}{self._change()}."
        if not self.equals:
            return said
        others = "Another fooled" if len(self.equals) == 1 else f"{len(self.equals)} others fooled"
        return f"{said} {others} as many, with no less change."

    def _change(self) -> str:
        told = []
        for metric, median in self.changes:
            shown = [metric.shown(each) for each in (median.value, median.low, median.high)]
            ends = f" ({shown[1]} to {shown[2]})" if shown[1] != shown[2] else ""
            unit = metric.unit if metric.unit.startswith("/") else f" {metric.unit}".rstrip()
            told.append(f"{metric.title}\N{NO-BREAK SPACE}{shown[0]}{unit}{ends}")
        which = "median change" if self.fooled > 1 else "change"
        return f", at a {which} of {_listed(told)}" if told else ""

    def _notice(self) -> str:
        if self.noticed is None:
            return "Whether people would notice is not known: the run does not tell it of these images."
        share = f"{percent(self.noticed.value)} of people"
        ends = f" (95 % interval {percent(self.noticed.low)} to {percent(self.noticed.high)})"
        source = f"{self.source}, whose limits stand beside the figures"
        said = f"Would people notice? Side by side with the original, {share} would{ends}, {source}."
        if self.fooled == 1:
            return f"{said} That is a mean over images, and a single one may differ from it widely."
        if not self.faint:
            return said
        return f"{said} On {self.faint} of the {self.fooled} the change is too faint for it to tell apart."


def verdict(run: Run) -> Verdict:
    """What a run comes to.

    Raises:
        RunError: If the run's records cannot be read.
    """
    records, metrics = run.table(), {each.key: each for each in run.manifest.metrics}
    right = [label == prediction for label, prediction in clean_answers(records)]
    found = list(outcomes_by_name(records, run.manifest.families()).values())
    first = strongest(found, next((key for key in (*CHANGES, *metrics) if key in metrics), None))
    fooled, counted = (int(first.fooled.sum()), int(first.correct.sum())) if first else (0, 0)
    best = first if fooled else None
    changes, noticed, source, faint, unconfirmed = (), None, "", 0, 0
    if best:
        changes = tuple((metrics[key], figures(best, key).median) for key in CHANGES if key in metrics)
        noticed, source, faint = _noticed(best)
        unconfirmed = int(np.count_nonzero(best.fooled & (best.unconfirmed == 1)))
    return Verdict(
        images=len(right),
        clean=wilson(sum(right), len(right)),
        attacks=len(found),
        targeted=run.manifest.settings.targeted,
        strongest=best.name if best else None,
        equals=tuple(one.name for one in found if best and one is not best and one.fooled.sum() == fooled),
        counted=counted,
        success=wilson(fooled, counted),
        stuck=max(map(_stuck, [best] if best else found), default=0),
        unconfirmed=unconfirmed,
        changes=changes,
        noticed=noticed,
        source=source,
        faint=faint,
        warning=clean_warning(run),
        labelled=run.manifest.data.labelled,
    )


def strongest(found: Sequence[Outcomes], metric: str | None) -> Outcomes | None:
    """The attack that fooled most of what was right before; of equals, the one with the least change."""

    def rank(one: Outcomes) -> tuple[int, float]:
        values = one.measured(metric) if metric else np.full(1, np.nan)
        known = one.metric(metric).distortion(values[~np.isnan(values)]) if metric else values[:0]
        return -int(one.fooled.sum()), float(np.median(known)) if known.size else np.inf

    return min(found, key=rank) if found else None


def _noticed(found: Outcomes) -> tuple[Measured | None, str, int]:
    """The share of people who would notice, by which study, and on how many images it cannot tell."""
    read = [metric for metric in found.metrics.values() if metric.calibration is not None]
    mean = figures(found, read[0].key).mean if read else None
    if mean is None or np.isnan(mean.value):
        return None, "", 0
    by_mad = read[0].code is None and "mad" in found.metrics  # a curve of one's own may be over any metric
    faint = int(np.count_nonzero(found.measured("mad") == 0)) if by_mad else 0
    return mean, source_of(read[0]), faint


def _stuck(one: Outcomes) -> int:
    return int(np.count_nonzero(one.correct & ~one.success & ((one.stuck == 1) | (one.still == 1))))


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,} image{'' if total == 1 else 's'}"


def _sure(share: Measured, total: int) -> str:
    """A share in brackets, with its interval where one image more could tell."""
    if total < 2:
        return ""
    return f" ({percent(share.value)}, 95 % interval {percent(share.low)} to {percent(share.high)})"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)

"""What an audit comes to, in plain sentences: what holds, how noticeable it is, and what weakens that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import Least, Measured, WorstCase, share, source_of
from limen.analysis.intervals import curve_generator, interval, resampled_means, resamples
from limen.audit.finding import Finding
from limen.audit.judging import Judged
from limen.audit.plan import Plan
from limen.document import number, percent
from limen.runs import MetricColumn, Run

BUDGETS = {
    "linf": (1 / 255, 2 / 255, 4 / 255, 8 / 255),
    "l2": (0.25, 0.5, 1.0, 2.0, 4.0),
    "l1": (4.0, 16.0, 64.0),
    "l0": (10.0, 100.0, 1000.0),
}
"""The budgets that a table of robust accuracy has, beside those that rules ask about."""

_DRAWS = 1000
_SPOKEN = ("linf", "l2")
RANKED = ("mad", "l2")
"""What the least noticeable change is least by: MAD, and of equals the length in L2."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What an audit comes to.

    Attributes:
        plan: What was to be done.
        worst: All attacks together; None where none was run.
        findings: What set-up checks and records say.
        rules: What became of each rule.
        least: For each image that falls, the least noticeable change.
        run: The run; None where there is none.
    """

    plan: Plan
    worst: WorstCase | None
    findings: tuple[Finding, ...]
    rules: tuple[Judged, ...]
    least: tuple[Least, ...] = ()
    run: Run | None = None

    @property
    def done(self) -> bool:
        """Whether the model could be audited at all."""
        return self.worst is not None

    @property
    def passed(self) -> bool:
        """Whether the audit was done, and every rule holds."""
        return self.done and all(each.holds for each in self.rules)

    @property
    def noticed(self) -> Measured | None:
        """The share of people who would notice the least noticeable changes, a mean over the images."""
        return None if (curve := self._curve) is None else mean_of(self.least, curve)

    @property
    def _curve(self) -> MetricColumn | None:
        """The metric that says who would notice."""
        known = () if self.worst is None else self.worst.metrics.values()
        return next((each for each in known if each.calibration is not None), None)

    @property
    def weak(self) -> tuple[Finding, ...]:
        """The findings that weaken the verdict."""
        return tuple(each for each in self.findings if each.counts)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict for people, each a line."""
        said = [*(self._attacked() if self.worst is not None else self._stopped()), self._weakened()]
        return (*said, self._ruled()) if self.rules else tuple(said)

    def _stopped(self) -> list[str]:
        reasons = [each.title for each in self.findings if each.state == "stops"]
        cause = f"{reasons[0]}." if reasons else "No image could be attacked."
        return [f"The model could not be audited. {cause} No attack was run."]

    def _attacked(self) -> list[str]:
        assert self.worst is not None  # noqa: S101 - who calls has asked
        worst = self.worst
        clean, fooled = share(worst.correct), share(worst.fooled[worst.correct])
        right, total = int(worst.correct.sum()), len(worst.correct)
        said = [f"Before any attack the model had {right:,} of {total:,} images right{_sure(clean)}."]
        if not right:
            return [*said, "So there was nothing to attack."]
        said += [self._holding(worst.metrics[key]) for key in _SPOKEN if key in worst.metrics]
        count = int(worst.fooled.sum())
        if count == right:
            said.append(
                f"Of the {right:,} that it had right, every one falls to some attack, if it may change "
                "enough."
            )
        else:
            said.append(
                f"Of the {right:,} that it had right, {count:,} fall to some attack{_sure(fooled)}, if it "
                "may change enough; on the others nothing was found."
            )
        return [*said, *self._noticeable()]

    def _holding(self, metric: MetricColumn) -> str:
        """How much stays right within each budget of a metric."""
        assert self.worst is not None  # noqa: S101
        told = []
        for budget in budgets_of(self, metric.key):
            found = self.worst.robust_accuracy(metric.key, budget)
            ends = f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"
            if found.value == 0:  # nor is there any beyond
                told.append(f"{ends} from {shown(metric, budget)} on")
                break
            told.append(f"{ends} at {shown(metric, budget)}")
        return (
            f"Within {metric.title}, at most this share of all images stays right: {', '.join(told)}; "
            "95 % intervals over the images."
        )

    def _noticeable(self) -> list[str]:
        if not self.least:
            return []
        found, curve = self.noticed, self._curve
        if found is None or curve is None:
            return ["Whether people would notice is not known: the images are too small for the measure."]
        said = (
            f"Taking for each image the least noticeable change that fools, {percent(found.value)} of "
            f"people would notice side by side with the original (95 % interval {percent(found.low)} to "
            f"{percent(found.high)}), {source_of(curve)}, whose limits stand below."
        )
        if curve.code is not None:  # which may be over another measure than MAD
            return [said]
        faint = sum(each.values.get("mad", np.nan) == 0 for each in self.least)
        which = "all of them" if faint == len(self.least) else f"{faint:,} of the {len(self.least):,}"
        more = f" On {which} that measure cannot tell it from no change."
        return [said + more * bool(faint)]

    def _weakened(self) -> str:
        weak = self.weak
        if not weak:
            return "No finding weakens this verdict; more steps or other attacks may still find more."
        names = "; ".join(f"{each.title[0].lower()}{each.title[1:]}" for each in weak)
        count = "One finding weakens" if len(weak) == 1 else f"{len(weak)} findings weaken"
        return f"{count} this verdict: {names}."

    def _ruled(self) -> str:
        failed = [each for each in self.rules if not each.holds]
        if not self.done:
            return "No rule could be judged, so that none holds."
        if not failed:
            return "The rule holds." if len(self.rules) == 1 else f"All {len(self.rules)} rules hold."
        told = "; ".join(f"{each.rule.text}, found {each.said}" for each in failed)
        verb = "fails" if len(failed) == 1 else "fail"
        return f"{len(failed)} of {len(self.rules)} rule{'s' * (len(self.rules) > 1)} {verb}: {told}."


def budgets_of(verdict: Verdict, metric: str) -> tuple[float, ...]:
    """The budgets of a metric that a table has: the usual ones, and those of rules; none where all are asked.

    Those of L0 and L1 that exceed what an image holds are left out by who knows its size.
    """
    asked = [each.rule.budget for each in verdict.rules if each.rule.metric == metric]
    return tuple(sorted({*BUDGETS.get(metric, ()), *asked}))


def shown(metric: MetricColumn, budget: float) -> str:
    """A budget for people, in the metric's unit.

    Example:
        >>> shown(MetricColumn("linf", "L∞", unit="/255", scale=255.0), 2 / 255)
        '2/255'
    """
    value = number(budget * metric.scale)
    return (
        f"{value}{metric.unit}"
        if metric.unit.startswith("/") or not metric.unit
        else f"{value} {metric.unit}"
    )


def mean_of(least: Sequence[Least], metric: MetricColumn) -> Measured | None:
    """The mean of a metric over least changes with its bootstrap interval; None where not all have a value.

    Of a share that was read off a curve, the interval holds what the curve leaves uncertain, too.
    """
    values = np.array([each.values.get(metric.key, np.nan) for each in least], float)
    if not values.size or not np.isfinite(values).all():
        return None
    generator, curve = curve_generator(0), metric.calibration
    drawn = [
        resampled_means(weights, values[None], curve, generator)
        for weights in resamples(len(values), _DRAWS, 0)
    ]
    low, high = interval(np.concatenate(drawn))
    return Measured(float(values.mean()), float(low[0]), float(high[0]))


def _sure(found: Measured) -> str:
    return f" ({percent(found.value)}, 95 % interval {percent(found.low)} to {percent(found.high)})"

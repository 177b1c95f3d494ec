"""What the records of attacks say of how far their failures can be trusted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from limen.analysis import Outcomes, WorstCase, mcnemar, outcomes_by_name
from limen.audit.effort import UNBOUNDED
from limen.audit.finding import Finding, State, indicated
from limen.document import percent
from limen.runs import Run

_SHARE = 0.1
_LEVEL = 0.05
_LEFT = 0.05

ASKED: tuple[str, ...] = (
    "unavailable_gradients",
    "black_box_stronger",
    "unconstrained_failure",
    "no_growth_with_budget",
)
"""The indicators of attacks that records answer: of all images, all attacks together, and at no cost."""

_CAUSES: Mapping[str, Collection[str]] = {
    "unavailable_gradients": ("no_gradient", "zero_gradients", "nonfinite_gradients"),
    "unconfirmed": ("random_answers",),
}
"""By the key of a finding, those of the set-up that say why: what weakens is then said by them, once."""

Names = Sequence[str]


def afterwards(
    run: Run, records: pa.Table, worst: WorstCase, gradient_free: Names, before: Iterable[Finding] = ()
) -> Iterator[Finding]:
    """Everything that makes robustness look greater than it is, as the records show it.

    Args:
        run: The run.
        records: Its records.
        worst: All of its attacks together.
        gradient_free: The labels of the attacks that take no gradient.
        before: What was found before any attack.
    """
    found = outcomes_by_name(records, run.manifest.families())
    named = {each.key: each for each in before if each.counts}
    for each in (
        _unmoved(found),
        _unconfirmed(found),
        _black_box(worst, gradient_free),
        _unbounded(run, worst),
        _growing(run, worst),
    ):
        causes = [named[key] for key in _CAUSES.get(each.key, ()) if key in named]
        if each.counts and causes:
            said = f"{each.evidence} This is what the set-up shows: {causes[0].title}."
            yield replace(each, state="note", evidence=said, advice="")
        else:
            yield each


def _seen(key: str, state: State, evidence: str) -> Finding:
    return indicated(key, state, evidence, "attacks")


def _counts(outcomes: Mapping[str, Outcomes], statistic: str) -> Mapping[str, tuple[int, int]]:
    """By attack, on how many of its images that were right something is so."""
    found = {}
    for name, each in outcomes.items():
        told = getattr(each, statistic)[each.correct]
        found[name] = int(np.nansum(told)), int(np.count_nonzero(~np.isnan(told)))
    return found


def _unmoved(outcomes: Mapping[str, Outcomes]) -> Finding:
    """Whether attacks stood still for want of a gradient."""
    key = "unavailable_gradients"
    odd = {
        name: (count, of) for name, (count, of) in _counts(outcomes, "stuck").items() if count > _SHARE * of
    }
    if not odd:
        return _seen(key, "sound", "No attack stood still for want of a gradient.")
    worst = max(odd, key=lambda name: odd[name][0])
    count, of = odd[worst]
    said = (
        f"On {count} of {of} images {worst} saw a gradient of zero, or none that is finite, in every pass"
        f"{_others(odd)}."
    )
    return _seen(key, "weakens", said)


def _others(odd: Mapping[str, object]) -> str:
    return f", and so it was under {len(odd) - 1} other attacks" if len(odd) > 1 else ""


def _unconfirmed(outcomes: Mapping[str, Outcomes]) -> Finding:
    """Whether successes held when the model was asked again, of which no indicator tells."""
    odd = {name: each for name, each in _counts(outcomes, "unconfirmed").items() if each[0]}
    if not odd:
        said = "Every success held when the model was asked again, or the model answers alike each time."
        return Finding("unconfirmed", "Unconfirmed", "sound", said, of="attacks")
    worst = max(odd, key=lambda name: odd[name][0])
    return Finding(
        "unconfirmed",
        "Successes did not hold when the model was asked again",
        "weakens",
        f"On {odd[worst][0]} of {odd[worst][1]} images under {worst}{_others(odd)}.",
        "Turn off what is random in the model, or count a success only where it holds every time.",
        of="attacks",
    )


def _black_box(worst: WorstCase, gradient_free: Names) -> Finding:
    """Whether random search without a gradient finds what attacks with one do not, within its own budget."""
    key, blind = "black_box_stronger", worst.rows(gradient_free)
    if not blind.any() or blind.all():
        return _not_asked(key, "Not both were run, so that they were not compared.")
    budget = _budgets(worst, blind)
    seen = worst.within("linf", budget)
    alone = seen[blind].any(0) & ~seen[~blind].any(0)
    count, of = int(alone.sum()), int(worst.correct.sum())
    said = (
        f"On {count} of {of} images random squares found what no attack with a gradient did, within "
        f"{255 * budget:.3g}/255."
    )
    return _seen(key, "weakens" if count > 1 and count > 0.02 * of else "sound", said)


def _not_asked(key: str, why: str) -> Finding:
    return replace(_seen(key, "sound", why), state="note")


def _budgets(worst: WorstCase, rows: np.ndarray) -> float:
    """The greatest change in L∞ that these attacks made."""
    values = worst.values["linf"][rows]
    return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def _of_budget(run: Run) -> dict[float, str]:
    """The labels of Auto-PGD in L∞ by their budgets, rising."""
    entries = [each.identity for each in run.manifest.attacks if each.identity.name == "apgd_linf"]
    plain = [each for each in entries if not each.parameters.get("targets")]
    return dict(sorted((float(each.parameters["eps"]), each.label) for each in plain))  # type: ignore[arg-type]


def _unbounded(run: Run, worst: WorstCase) -> Finding:
    """Whether a budget that leaves nothing of an image fools nearly always, as it must."""
    key, labels = "unconstrained_failure", _of_budget(run)
    label = labels.get(UNBOUNDED)
    if label is None:
        return _not_asked(key, "No attack without a bound was run.")
    left = worst.correct & worst.ran[worst.rows([label])].all(0) & ~worst.success[worst.rows([label])].any(0)
    count, of = int(left.sum()), int(worst.correct.sum())
    said = (
        f"With a budget of 128/255 in L∞, {label.partition(':')[0]} left {count} of {of} images as they were."
    )
    return _seen(key, "weakens" if count > _LEFT * of else "sound", said)


def _growing(run: Run, worst: WorstCase) -> Finding:
    """Whether more images fall where the budget is greater, or as many."""
    key, labels = "no_growth_with_budget", _of_budget(run)
    found = {
        eps: np.any(worst.success[worst.rows([label])], axis=0)[worst.correct]
        for eps, label in labels.items()
    }
    budgets = list(found)
    for small, large in pairwise(budgets):
        if mcnemar(found[large], found[small]) < _LEVEL / max(1, len(budgets) - 1):
            said = (
                f"Auto-PGD fooled {percent(float(found[small].mean()))} at {255 * small:.3g}/255 and "
                f"{percent(float(found[large].mean()))} at {255 * large:.3g}/255."
            )
            return _seen(key, "weakens", said)
    return _seen(key, "sound", "At no budget did Auto-PGD fool fewer images than at a smaller one.")

"""What the records of attacks say of how far their failures can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from limen.analysis import Outcomes, WorstCase, mcnemar, outcomes_by_name
from limen.audit.effort import UNBOUNDED
from limen.audit.finding import Finding
from limen.document import percent
from limen.runs import Run

_SHARE = 0.1
_LEVEL = 0.05
_LEFT = 0.05

Names = Sequence[str]


def afterwards(run: Run, records: pa.Table, worst: WorstCase, gradient_free: Names) -> Iterator[Finding]:
    """Everything that makes robustness look greater than it is, as the records show it.

    Args:
        run: The run.
        records: Its records.
        worst: All of its attacks together.
        gradient_free: The labels of the attacks that take no gradient.
    """
    found = outcomes_by_name(records, run.manifest.families())
    yield from _unmoved(found)
    yield from _unconfirmed(found)
    yield _black_box(worst, gradient_free)
    yield _unbounded(run, worst)
    yield _growing(run, worst)


def _found(key: str, title: str, evidence: str, advice: str) -> Finding:
    return Finding(key, title, "weakens", evidence, advice, of="attacks")


def _sound(key: str, title: str, evidence: str) -> Finding:
    return Finding(key, title, "sound", evidence, of="attacks")


def _counts(outcomes: Mapping[str, Outcomes], statistic: str) -> Mapping[str, tuple[int, int]]:
    """By attack, on how many of its images that were right something is so."""
    found = {}
    for name, each in outcomes.items():
        told = getattr(each, statistic)[each.correct]
        found[name] = int(np.nansum(told)), int(np.count_nonzero(~np.isnan(told)))
    return found


def _unmoved(outcomes: Mapping[str, Outcomes]) -> Iterator[Finding]:
    odd = {
        name: (count, of) for name, (count, of) in _counts(outcomes, "stuck").items() if count > _SHARE * of
    }
    if not odd:
        yield _sound("stuck", "Attacks could move", "No attack stood still for want of a gradient.")
        return
    worst = max(odd, key=lambda name: odd[name][0])
    count, of = odd[worst]
    yield _found(
        "stuck",
        "Gradients are masked: attacks could not move",
        f"On {count} of {of} images {worst} saw a gradient of zero, or none that is finite, in every pass"
        f"{_others(odd)}.",
        "What withstands is no robustness. Leave out what hides the gradient, or let it pass straight "
        "through.",
    )


def _others(odd: Mapping[str, object]) -> str:
    return f", and so it was under {len(odd) - 1} other attacks" if len(odd) > 1 else ""


def _unconfirmed(outcomes: Mapping[str, Outcomes]) -> Iterator[Finding]:
    odd = {name: each for name, each in _counts(outcomes, "unconfirmed").items() if each[0]}
    if odd:
        worst = max(odd, key=lambda name: odd[name][0])
        yield _found(
            "unconfirmed",
            "Successes did not hold when the model was asked again",
            f"On {odd[worst][0]} of {odd[worst][1]} images under {worst}{_others(odd)}.",
            "Turn off what is random in the model, or count a success only where it holds every time.",
        )


def _black_box(worst: WorstCase, gradient_free: Names) -> Finding:
    """Whether random search without a gradient finds what attacks with one do not, within its own budget."""
    title, blind = "Gradients against random search", worst.rows(gradient_free)
    if not blind.any() or blind.all():
        return Finding(
            "black_box", title, "note", "Not both were run, so that they were not compared.", of="attacks"
        )
    budget = _budgets(worst, blind)
    seen = worst.within("linf", budget)
    alone = seen[blind].any(0) & ~seen[~blind].any(0)
    count, of = int(alone.sum()), int(worst.correct.sum())
    if count > 1 and count > 0.02 * of:
        return _found(
            "black_box",
            "Gradients are masked: random search without one finds more",
            f"On {count} of {of} images square found what no attack with a gradient did, within "
            f"{255 * budget:.3g}/255.",
            "Attack the network without what hides its gradient; what withstands here is no robustness.",
        )
    said = (
        f"On {count} of {of} images random search found what no gradient did, within {255 * budget:.3g}/255."
    )
    return _sound("black_box", title, said)


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
    title, labels = "Attacks without a bound", _of_budget(run)
    label = labels.get(UNBOUNDED)
    if label is None:
        return Finding("unbounded", title, "note", "None was run.", of="attacks")
    left = worst.correct & worst.ran[worst.rows([label])].all(0) & ~worst.success[worst.rows([label])].any(0)
    count, of = int(left.sum()), int(worst.correct.sum())
    said = (
        f"With a budget of 128/255 in L∞, {label.partition(':')[0]} left {count} of {of} images as they were."
    )
    if count > _LEFT * of:
        return _found(
            "unbounded",
            "Attacks fail even without a bound",
            said,
            "So they fail for another reason than robustness: look for rounding, saturation or noise in the "
            "model.",
        )
    return _sound("unbounded", title, said)


def _growing(run: Run, worst: WorstCase) -> Finding:
    """Whether more images fall where the budget is greater, or as many."""
    title, labels = "Success grows with the budget", _of_budget(run)
    found = {
        eps: np.any(worst.success[worst.rows([label])], axis=0)[worst.correct]
        for eps, label in labels.items()
    }
    budgets = list(found)
    for small, large in pairwise(budgets):
        if mcnemar(found[large], found[small]) < _LEVEL / max(1, len(budgets) - 1):
            return _found(
                "growing",
                "Success falls where the budget grows",
                f"Auto-PGD fooled {percent(float(found[small].mean()))} at {255 * small:.3g}/255 and "
                f"{percent(float(found[large].mean()))} at {255 * large:.3g}/255.",
                "So at the greater budget it did not find what is there: steps are too few, or gradients "
                "masked.",
            )
    return _sound("growing", title, "At no budget did Auto-PGD fool fewer images than at a smaller one.")

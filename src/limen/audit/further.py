"""What an audit measures of its run besides: indicators, defences, detection, transfer, groups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from limen.audit.effort import Effort
from limen.audit.finding import Finding
from limen.data import Dataset
from limen.evaluation.indicators import INDICATORS, findings
from limen.evaluation.indicators import Finding as Indicated
from limen.runs import Stored
from limen.spec import write_spec

INDICATORS_NAME = "indicators"
"""The evaluation whose findings are an audit's, too."""

_IMAGES, _DRAWS, _QUERIES = 8, 20, 100

_KNOWN = {
    "random_answers": "steadiness",
    "probabilities": "outputs",
    "saturation": "saturation",
    "rounding": "flat",
    "misleading_gradients": "misleading",
}
"""By an indicator, the key of the set-up check that says the same."""


def evaluations_of(dataset: Dataset, effort: Effort, transfer: Sequence[str]) -> Iterator[str]:
    """The specs of what is measured of a run.

    Args:
        dataset: What was attacked; where its samples are in groups, these are compared.
        effort: What is measured anyway, and whether indicators of attacks are sought, too.
        transfer: Specs of other models that see what fools this one.
    """
    of_model = tuple(key for key, each in INDICATORS.items() if each.of == "model")
    wanted: list[tuple[str, object]] = [("images", _IMAGES), ("draws", _DRAWS)]
    wanted.append(("queries", _QUERIES) if effort.indicators == "all" else ("only", of_model))
    yield write_spec(INDICATORS_NAME, wanted)
    yield from effort.evaluations
    if transfer:
        yield write_spec("transfer", [("model", tuple(transfer))])
    if dataset.groups is not None and len(set(dataset.groups)) > 1:
        yield "fairness"


def indicated(stored: Stored, found: Collection[str]) -> Iterator[Finding]:
    """The findings that indicators are, each once, but for those that a set-up check has found already.

    The verdict rests on the worst of all attacks. So what is wrong with some of them is to know, and weakens
    it only where it is so of every attack of which the indicator says anything, and of several.

    Args:
        stored: The evaluation `indicators` of the run.
        found: The keys of the findings that are known and weaken the verdict.
    """
    said: dict[str, list[Indicated]] = {}
    for each in findings(stored):
        if each.images:
            said.setdefault(each.indicator, []).append(each)
    for key, of in said.items():
        shown = [each for each in of if each.found]
        if not shown or _KNOWN.get(key) in found:
            continue
        about, worst = INDICATORS[key], max(shown, key=lambda each: each.count)
        whole = about.of == "model" or len(shown) == len(of) > 1
        others = f", and so it is of {len(shown) - 1} others" if about.of == "attack" and shown[1:] else ""
        evidence = worst.evidence if about.of == "model" else f"{worst.attack}{others}: {worst.evidence}"
        yield Finding(key, about.title, "weakens" if whole else "note", evidence, about.advice, of="attacks")

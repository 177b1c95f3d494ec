"""What an audit measures of its run besides: indicators, defences, detection, transfer, groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limen.audit.afterwards import ASKED
from limen.audit.effort import DETECTABLE, Effort, indicated_of
from limen.audit.finding import Finding
from limen.audit.finding import indicated as of_indicator
from limen.data import Dataset
from limen.evaluation.indicators import INDICATORS, findings
from limen.evaluation.indicators import Finding as Indicated
from limen.runs import Stored
from limen.spec import write_spec

INDICATORS_NAME = "indicators"
"""The evaluation whose findings are an audit's, too."""

_DRAWS, _QUERIES = 20, 100


def evaluations_of(dataset: Dataset, effort: Effort, transfer: Sequence[str], images: int) -> Iterator[str]:
    """The specs of what is measured of a run.

    Args:
        dataset: What was attacked; where its samples are in groups, these are compared.
        effort: What is measured anyway, and whether indicators of failed attacks are sought.
        transfer: Specs of other models that see what fools this one.
        images: How many images were attacked.
    """
    if effort.indicators:
        of_attack = tuple(key for key, each in INDICATORS.items() if each.of == "attack" and key not in ASKED)
        wanted = [
            ("images", indicated_of(images)),
            ("only", of_attack),
            ("draws", _DRAWS),
            ("queries", _QUERIES),
        ]
        yield write_spec(INDICATORS_NAME, wanted)
    yield from (spec for spec in effort.evaluations if images >= DETECTABLE or not detects(spec))
    if transfer:
        yield write_spec("transfer", [("model", tuple(transfer))])
    if dataset.groups is not None and len(set(dataset.groups)) > 1:
        yield "fairness"


def detects(spec: str) -> bool:
    """Whether an evaluation trains detectors."""
    return spec.partition(":")[0] == "detection"


def indicated(stored: Stored) -> Iterator[Finding]:
    """The findings that indicators of attacks are, each once.

    The verdict rests on the worst of all attacks. So what is wrong with some of them is to know, and weakens
    it only where it is so of every attack of which the indicator says anything, and of several. What the
    run's records answer is not among them.

    Args:
        stored: The evaluation `indicators` of the run.
    """
    said: dict[str, list[Indicated]] = {}
    for each in findings(stored):
        if each.images and each.about.of == "attack":
            said.setdefault(each.indicator, []).append(each)
    for key, of in said.items():
        shown = [each for each in of if each.found]
        if not shown:
            continue
        worst = max(shown, key=lambda each: each.count)
        state = "weakens" if len(shown) == len(of) > 1 else "note"
        others = f", and so it is of {len(shown) - 1} others" if shown[1:] else ""
        evidence = f"{worst.attack}{others}: {worst.evidence}"
        yield of_indicator(key, state, evidence, "attacks")

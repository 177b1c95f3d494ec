"""The page of a study: what people noticed, of what, and who they were."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from limen.document import Block, Cell, Chart, Charts, Document, Group, Line, Mark, Notes, Table
from limen.evaluation.cells import measured_cell, share_cell
from limen.study.curves import OverMetric
from limen.study.findings import Findings

LIMITS = (
    "Shares and d′ are of a random person and a random photograph, and intervals say what other people of "
    "the same kind and other photographs of the same kind would give, on screens as these. People who do not "
    "see the original beside the picture will notice less.",
    "d′ is that of noticing a difference: of a scale on which altered pairs lie so many deviations above "
    "others. It is lower than that of the median person and photograph, as people and photographs differ.",
)
"""What no study of this kind says."""

_SHOWN_IMAGES = 40
_POINTS = 80
_TASKS = {
    "same-different": "do the two differ?",
    "2afc": "which of the two was altered?",
    "match": "which of the two equals the original?",
}


def document(findings: Findings) -> Document:
    """What the page says."""
    key, design = findings.key, findings.key.design
    counted = [each for each in findings.observers if each.name not in findings.left_out]
    view = f"{design.view / 1000:g} s, then {design.after}" if design.view else "until the answer"
    settings = [
        ("Observers", f"{len(counted)} of {len(findings.observers)} who answered"),
        ("Answers", f"{sum(each.answers for each in counted):,}"),
        ("Task", f"{design.task}: {_TASKS[design.task]}"),
        ("Seen", view),
        ("Zoom", f"{design.zoom}, in whole pixels of the screen"),
        ("Model", key.model),
        ("Study", key.hash[:16]),
        ("Made", f"with Limen {key.limen}"),
    ]
    return Document(key.title, f"run {key.run}", settings, [*_blocks(findings)])


def _blocks(findings: Findings) -> Iterator[Block]:
    if findings.warnings:
        yield Notes("Beware", findings.warnings)
    yield _attacks(findings)
    known = [each for each in findings.curves if each.curve is not None]
    if known:
        yield _charts(findings, known)
    if findings.curves:
        yield _metrics(findings)
    yield _images(findings)
    yield _observers(findings)
    yield Notes("What this does not say", LIMITS)


def _said(findings: Findings) -> str:
    return "different" if findings.key.design.task == "same-different" else "right"


def _attacks(findings: Findings) -> Table:
    rows = [
        [
            Cell(label, note=f"{each.people} people, {each.images} photographs", series=label),
            Cell(value=each.answers, form="count"),
            share_cell(each.yes),
            measured_cell(each.share, scale=100),
            measured_cell(each.d_prime),
        ]
        for label, each in findings.attacks.items()
    ]
    if not math.isnan(findings.alarms.value):
        alarms = share_cell(findings.alarms, note="false alarms")
        rows.append([Cell("identical pairs"), Cell(), alarms, Cell(), Cell()])
    slips = ""
    if not math.isnan(findings.slips.value):
        slips = "; it and d′ are without slips, which are as frequent as missed attention checks"
        checks = Cell("attention checks", note="missed by who does not seem to guess")
        rows.append([checks, Cell(), share_cell(findings.slips), Cell(), Cell()])
    beyond = "false alarms" if _said(findings) == "different" else "guesses"
    caption = (
        f"Noticed: the share of people beyond {beyond}{slips}. Intervals (95 %) are over other people and "
        "other photographs at once."
    )
    columns = ("attack", "answers", f"said {_said(findings)}", "noticed, %", "d′")
    if _said(findings) == "right":
        columns = ("attack", "answers", "right", "noticed, %", "d′")
    return Table("What people noticed", caption, columns, [Group("", rows)])


def _charts(findings: Findings, known: list[OverMetric]) -> Charts:
    about = (
        "A point is a pair of pictures, and its height the share of people who noticed it beyond chance, "
        "which of few answers may lie below 0. The line is the psychometric curve with its 95 % band, and "
        "the mark is where half of the people notice."
    )
    return Charts("Noticing over metrics", about, [_chart(findings, each) for each in known])


def _chart(findings: Findings, over: OverMetric) -> Chart:
    curve, scale = over.curve, over.scale
    assert curve is not None  # noqa: S101 - only such are drawn
    assert scale is not None  # noqa: S101 - as above
    lines, log = [], scale.offset is not None
    costs = over.metric.plotted(over.values)
    drawn = np.isfinite(costs) & ((costs > 0) | (not log))
    for label in findings.key.attacks:
        places = [n for n, each in enumerate(over.pairs) if each.attack == label and drawn[n]]
        found = [findings.images[label, over.pairs[n].id].share.value for n in places]
        lines.append(Line(label, costs[places].tolist(), found, joined=False, series=label))
    low, high = over.values[drawn].min(), over.values[drawn].max()
    values = np.linspace(low, high, _POINTS)
    if log:
        first, last = (1 - low, 1 - high) if over.metric.complement else (low, high)
        spaced = np.geomspace(first, last, _POINTS)
        values = 1 - spaced if over.metric.complement else spaced
    share, below, above = curve.share(scale.x(values))
    lines.append(
        Line("curve", over.metric.plotted(values).tolist(), share.tolist(), below.tolist(), above.tolist())
    )
    middle = _value(over, curve.threshold.value)
    marks = [Mark(middle, "half notice")] if low <= _raw(over, middle) <= high else []
    return Chart(
        over.metric.title, over.metric.axis, "would notice", lines, log_x=log, percent=True, marks=marks
    )


def _value(over: OverMetric, x: float) -> float:
    """The place on the metric's axis that is at x of its curve."""
    scale = over.scale
    assert scale is not None  # noqa: S101 - only of metrics with a curve
    if scale.offset is None:
        return (-x if scale.falling else x) * over.metric.scale
    return (math.exp(min(x, 700.0)) - scale.offset) * over.metric.scale


def _raw(over: OverMetric, place: float) -> float:
    value = place / over.metric.scale
    return 1 - value if over.metric.complement else value


def _metrics(findings: Findings) -> Table:
    rows = []
    order = sorted(
        findings.curves, key=lambda each: -1 if each.curve is None else each.curve.rank, reverse=True
    )
    for each in order:
        if each.curve is None:
            rows.append(
                [Cell(each.metric.axis, note=f"no curve: {each.why}"), Cell(), Cell(), Cell(), Cell()]
            )
            continue
        found = each.curve.threshold
        ends = sorted(_value(each, end) for end in (found.low, found.high))
        half = Cell(value=_value(each, found.value), low=ends[0], high=ends[1])
        rows.append(
            [
                Cell(each.metric.axis, note=f"{each.curve.pairs} pairs"),
                Cell(value=each.curve.rank),
                half,
                Cell(value=each.curve.calibration.slope),
                Cell(value=each.curve.lapse, form="share"),
            ]
        )
    caption = (
        "Rank: Spearman's correlation of the metric with the share of answers, over the pairs. Half notice: "
        "the value at which half of the people do, beyond chance and slips. Slope: by how much the logit "
        "grows with the logarithm of the value, or with the value itself where that is in decibels. Each "
        "curve is a file beside this page, which the metric noticed takes as its calibration."
    )
    columns = ("metric", "rank", "half notice", "slope", "slips")
    return Table("Metrics", caption, columns, [Group("", rows)])


def _images(findings: Findings) -> Table:
    order = sorted(findings.images.items(), key=lambda each: -each[1].share.value)
    rows = [
        [
            Cell(image),
            Cell(label),
            Cell(value=each.answers, form="count"),
            share_cell(each.yes),
            measured_cell(each.share, scale=100),
            measured_cell(each.d_prime),
        ]
        for (label, image), each in order[:_SHOWN_IMAGES]
    ]
    caption = "What was noticed most comes first; intervals are over other people alone."
    if len(order) > _SHOWN_IMAGES:
        caption += f" The first {_SHOWN_IMAGES} of {len(order)}; images.csv has all."
    columns = ("photograph", "attack", "answers", _said(findings), "noticed, %", "d′")
    return Table("By photograph", caption, columns, [Group("", rows)])


def _observers(findings: Findings) -> Table:
    rows = []
    said, sided = _said(findings), _said(findings) == "right"
    for each in findings.observers:
        shown = [share_cell(each.altered), share_cell(each.alarms), share_cell(each.checks)]
        rows.append(
            [
                Cell(each.name, note="left out" if each.name in findings.left_out else ""),
                Cell(f"{each.answers} of {each.of}"),
                *(shown[::2] if sided else shown),
                Cell(value=each.ms / 1000),
                Cell(value=each.away, form="count"),
                Cell("; ".join(each.guesses) or "–"),
            ]
        )
    about = ["right"] if sided else [f"altered called {said}", f"identical called {said}"]
    caption = "Who seems to guess is told, and counts unless left out: --without NAME, --without-guessers."
    columns = ("observer", "answers", *about, "checks right", "median s", "left the page", "seems to guess")
    return Table("Observers", caption, columns, [Group("", rows)])

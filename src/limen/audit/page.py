"""The page of an audit as a document: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from limen.analysis import caveats, figures, outcomes_by_name, share_interval
from limen.audit.finding import Finding
from limen.audit.gallery import gallery
from limen.audit.verdict import Verdict, budgets_of, shown
from limen.document import Block, Cell, Chart, Charts, Document, Group, Line, Notes, Table
from limen.evaluation.cells import measured_cell, share_cell
from limen.runs import MetricColumn, Run, read_evaluations

LIMITS = (
    "Robust accuracy is an upper bound: it counts what these attacks, with these steps, found. A stronger "
    "attack, or more steps, may find more, and none can find less.",
    "Shares are those of the audited images, and their intervals say what other images of the same kind "
    "would give. Images of another kind, such as of other cameras or places, may give anything.",
    "Every change counts as a file of 8 bits stores it. Changes of light, place or viewpoint, patches, and "
    "corruptions that nobody chose were not tried.",
)
"""What no audit says, beside the limits of what people notice."""

_STATES = {"sound": "sound", "note": "to know", "weakens": "weakens the verdict", "stops": "stops the audit"}
CURVES = ("linf", "l2", "l0", "ssim", "mad")
"""The metrics that robust accuracy is drawn over."""

_SHOWN = ("l0", "l1", "l2", "linf", "ssim", "noticed")
_POINTS = 120
_WIDEST, _LONGEST = 8, 40


def page(verdict: Verdict, geometries: Mapping[str, str]) -> Document:
    """What the page of an audit says.

    Args:
        verdict: What the audit comes to.
        geometries: By an attack's label, what its changes are measured by, or made of.
    """
    asked, plan = verdict.plan.asked, verdict.plan
    source = f"{plan.effort} effort, {plan.images:,} of {plan.of:,} images of {asked['data']}"
    blocks = [*_blocks(verdict, geometries)]
    return Document(f"Audit of {asked['model']}", source, settings=_facts(verdict), blocks=blocks)


def _blocks(verdict: Verdict, geometries: Mapping[str, str]) -> Iterator[Block]:
    if verdict.rules:
        yield _rules(verdict)
    if verdict.weak:
        yield Notes("What weakens the verdict", [each.sentence for each in verdict.weak])
    if verdict.worst is not None and verdict.run is not None:
        yield from _robustness(verdict)
        yield from gallery(verdict.run, verdict.least)
        yield _attacks(verdict.run, geometries)
        yield from _evaluations(verdict.run)
    yield _setup("Set-up", "What was checked before any attack.", verdict, "setup")
    if verdict.done:
        yield _setup("Attacks, by their records", "What makes a failed attack no proof.", verdict, "attacks")
    metrics = [] if verdict.run is None else verdict.run.manifest.metrics
    yield Notes("What this does not say", [*LIMITS, *caveats(metrics)])


def _rules(verdict: Verdict) -> Table:
    rows = [
        [Cell(each.rule.text), Cell("holds" if each.holds else "fails"), Cell(each.said)]
        for each in verdict.rules
    ]
    caption = (
        "A rule is judged by the share on the audited images; one that ends in “confidently” by that end of "
        "the 95 % interval, in brackets, which speaks against it."
    )
    return Table("Rules", caption, ("Rule", "Verdict", "Found"), [Group("", rows)])


def _robustness(verdict: Verdict) -> Iterator[Block]:
    worst = verdict.worst
    assert worst is not None  # noqa: S101 - who calls has asked
    known = [worst.metrics[key] for key in CURVES if key in worst.metrics]
    yield Charts(
        "Robust accuracy over the size of the change",
        "The share of all images that the model has right, and has right still when each attack may change "
        "them by so much: at each size the worst of all attacks counts. True robustness is at most this. "
        "Bands: 95 % Wilson intervals at each size.",
        [chart for metric in known if (chart := _curve(verdict, metric)) is not None],
    )
    groups = []
    for metric in (each for each in worst.metrics.values() if budgets_of(verdict, each.key)):
        rows = [
            [
                Cell(f"{metric.title} up to {shown(metric, budget)}"),
                share_cell(worst.robust_accuracy(metric.key, budget)),
            ]
            for budget in budgets_of(verdict, metric.key)
        ]
        groups.append(Group(metric.title, rows))
    caption = "The same at budgets that papers use, and at those that rules ask about."
    yield Table("Robust accuracy within budgets", caption, ("Budget", "Robust accuracy"), groups)


def _curve(verdict: Verdict, metric: MetricColumn) -> Chart | None:
    worst = verdict.worst
    assert worst is not None  # noqa: S101
    moved = metric.distortion(worst.values[metric.key])
    moved = np.where(worst.success & worst.correct, moved, np.nan)
    least = np.fmin.reduce(moved, axis=0, initial=np.inf)[worst.correct]
    known = least[np.isfinite(least)]
    start = -1.0 if metric.complement else 0.0
    # A metric that says nothing of some change would show what it does not know as robust.
    if not worst.knows(metric.key) or not known.size or known.max() <= start:
        return None
    distances = np.linspace(start, known.max(), _POINTS)
    log = metric.key in ("l0", "l1") and known.min() > 0
    if log:
        distances = np.geomspace(known.min() / 1.5, known.max(), _POINTS)
    heights = np.array([(least > at).sum() for at in distances]) / len(worst.correct)
    x = metric.plotted(metric.distortion(distances))
    low, high = share_interval(heights, len(worst.correct))
    line = Line("all attacks", x.tolist(), heights.tolist(), low.tolist(), high.tolist(), steps=True)
    ends = None if x[0] == x[-1] else (float(x[0]), float(x[-1]))
    return Chart(
        metric.title, metric.axis, "right", [line], x_range=ends, y_range=(0, 1), log_x=log, percent=True
    )


def _attacks(run: Run, geometries: Mapping[str, str]) -> Table:
    """Each attack, those that differ in their budget alone as one, by what its changes are measured by."""
    metrics = [each for each in run.manifest.metrics if each.key in _SHOWN or each.calibration is not None]
    rows: dict[str, list[list[Cell]]] = {}
    families = run.manifest.families()
    for name, found in outcomes_by_name(run.table(), families).items():
        label = families[name][0]
        budgets = [run.manifest.attack(each).budget or "" for each in families[name]]
        note = f"best of {', '.join(budgets)}" if len(budgets) > 1 else ""
        cells = [Cell(name, note=note, series=name), share_cell(figures(found, draws=0).success)]
        for metric in metrics:
            told = figures(found, metric.key, draws=0)
            form = "near_one" if metric.complement else "number"
            value = told.mean if metric.calibration is not None else told.median
            if metric.calibration is not None:
                form = "share"
            cells.append(
                measured_cell(
                    replace(value, low=np.nan, high=np.nan),
                    form,
                    scale=1.0 if form == "share" else metric.scale,
                )
            )
        rows.setdefault(geometries.get(label, "others"), []).append(cells)
    caption = (
        "The share of the images that the model had right that each attack fools, with its 95 % interval, "
        "and the median change over those; who would notice is a mean. An attack under several budgets "
        "counts at the best."
    )
    columns = ("Attack", "Fooled", *(each.heading for each in metrics))
    return Table("Attacks", caption, columns, [Group(geometry, of) for geometry, of in rows.items()])


def _evaluations(run: Run) -> Iterator[Block]:
    """What was measured of the run besides, in words and numbers; the run's own page has the charts."""
    left = []
    for stored in read_evaluations(run):
        document = stored.document()
        for block in document.blocks:
            if isinstance(block, Table | Notes):
                title = f"{document.title}: {block.title}" if block.title else document.title
                if isinstance(block, Notes) or _fits(block):
                    yield replace(block, title=title)
                else:
                    left.append(title)
    if left:
        where = (
            "The page of the run, which limen report makes of the folder run beside this page, has them, too"
        )
        yield Notes("Larger tables", [f"{where}: {'; '.join(left)}."])


def _fits(table: Table) -> bool:
    """Whether a table is short and narrow enough to be read among others."""
    return len(table.columns) <= _WIDEST and sum(len(group.rows) for group in table.groups) <= _LONGEST


def _setup(title: str, caption: str, verdict: Verdict, of: str) -> Table:
    rows = [_check(each) for each in verdict.findings if each.of == of]
    return Table(title, caption, ("Check", "Found"), [Group("", rows)])


def _check(finding: Finding) -> list[Cell]:
    return [Cell(finding.title, note=finding.evidence), Cell(_STATES[finding.state])]


def _facts(verdict: Verdict) -> list[tuple[str, str]]:
    plan = verdict.plan
    hashes = ("weights", "fingerprint")
    facts = [(name, value[:12] if name in hashes else value) for name, value in plan.asked.items()]
    facts += [(f"left out: {spec}", why) for spec, why in plan.left_out.items()]
    if verdict.run is not None:
        facts += [(f"skipped: {each.id}", each.reason) for each in verdict.run.manifest.skipped]
    return [(f"{name[0].upper()}{name[1:]}", value) for name, value in facts]

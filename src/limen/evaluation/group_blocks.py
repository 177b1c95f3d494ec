"""What figures of groups show, in blocks of a document: tables, and the figure with the fitted line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import GroupFigures, Measured, Trend, Variances, gaps, trend
from limen.document import Block, Cell, Chart, Charts, Form, Group, Line, Notes, Table, number, percent
from limen.evaluation.cells import measured_cell, share_cell

LIMITS = (
    "That a figure follows no covariate is necessary for fairness, and not enough: groups can differ in ways "
    "that no line shows.",
    "A trend says that groups differ, and not why: harder images and wrong labels make one, too.",
    "The test takes groups for independent, with variances that fall with their images as it was told. "
    "Where more than chance sets groups apart, variances of 1/n find trends that are none.",
)
"""What must stand beside every test of a trend over groups."""

WITHOUT_TREND = (
    "That chance makes differences as great does not say that there is none: groups of few images hide them.",
    "A difference says that groups differ, and not why: harder images and wrong labels make one, too.",
)
"""What must stand beside groups without a covariate that a figure could follow."""

_INTERVALS = "With 95 % intervals over the images: Wilson's of shares, Student's of means."
_SHADES = 4
_POINTS = 50


@dataclass(frozen=True, eq=False)
class Finding:
    """A figure of groups, and whether it follows the covariate.

    Attributes:
        title: What the figure is, such as `accuracy`.
        figures: The groups.
        covariate: The number of each group; None where none is known.
        trend: The line and its test; None without a covariate.
        share: Whether the figure is a share of images.
    """

    title: str
    figures: GroupFigures
    covariate: Mapping[str, float] | None
    trend: Trend | None
    share: bool = True

    @property
    def form(self) -> Form:
        """How its values are written."""
        return "share" if self.share else "number"


def finding(
    title: str,
    figures: GroupFigures,
    covariate: Mapping[str, float] | None,
    *,
    log: bool,
    variances: Variances,
    share: bool = True,
) -> Finding:
    """Test a figure of the groups that have a covariate; the others are left out.

    Raises:
        UsageError: If too few groups are left, or the covariate carries no line.
    """
    if covariate is None:
        return Finding(title, figures, None, None, share)
    known = figures.take([name for name in figures.names if name in covariate])
    return Finding(title, known, covariate, trend(known, covariate, log=log, variances=variances), share)


def blocks_of(found: Sequence[Finding], name: str, notes: Sequence[str]) -> list[Block]:
    """All that figures of the same groups show.

    Args:
        found: The figures.
        name: What the covariate is called.
        notes: What else must be said, such as which groups were left out.
    """
    lines = [each for each in found if each.trend is not None]
    made: list[Block] = []
    if lines:
        made += [_trends(lines, name), _charts(lines, name)]
    shares = [each for each in found if each.share and len(each.figures.names) > 1]
    if shares:
        made.append(_gaps(shares))
    return [*made, groups_table(found, name), limits(notes, LIMITS if lines else WITHOUT_TREND)]


def limits(notes: Sequence[str], of: Sequence[str] = LIMITS) -> Notes:
    """What must stand beside every test of groups, below other notes."""
    return Notes("What this does and does not say", [*notes, *of])


def _trends(found: Sequence[Finding], name: str) -> Table:
    rows = [
        [
            Cell(each.title),
            Cell(value=len(each.figures.names), form="count"),
            measured_cell(line.slope),
            Cell(value=line.f, note=f"1 and {line.degrees} degrees of freedom"),
            Cell(value=line.p),
        ]
        for each in found
        if (line := each.trend) is not None
    ]
    axis = f"the logarithm of {name}" if found[0].trend is not None and found[0].trend.log else name
    return Table(
        f"Does it follow {name}?",
        f"Slope of the line of generalised least squares over {axis}, with its 95 % interval, and the F-test "
        "that there is no slope.",
        ("Figure", "Groups", "Slope β", "F", "p"),
        [Group("", rows)],
    )


def _charts(found: Sequence[Finding], name: str) -> Charts:
    return Charts(
        f"Groups over {name}",
        "Each point is a group; its colour says of how many images it is. The line is that of generalised "
        "least squares.",
        [scatter(each, name) for each in found],
    )


def scatter(each: Finding, name: str, figure: str = "") -> Chart:
    """Groups as points over the covariate, coloured by their number of images, with the fitted line.

    Args:
        each: The groups.
        name: What the covariate is called.
        figure: What the figure is called, if that is not the title.

    Source:
        Hua et al., Figure 4.1.
    """
    covariate, line = each.covariate, each.trend
    if covariate is None or line is None:
        return Chart(each.title, name, each.title, [])
    x = np.array([covariate[group] for group in each.figures.names])
    spread: Callable[..., np.ndarray] = np.geomspace if line.log else np.linspace
    axis = spread(x.min(), x.max(), _POINTS)
    ends = np.unique(np.quantile(each.figures.images, np.linspace(0, 1, _SHADES + 1)[1:], method="higher"))
    shades, least = [], int(each.figures.images.min())
    for end in ends:
        chosen = (each.figures.images >= least) & (each.figures.images <= end)
        if chosen.any():
            title = f"{least} to {end} images" if least < end else f"{end} images"
            shades.append(Line(title, x[chosen].tolist(), each.figures.values[chosen].tolist(), joined=False))
        least = int(end) + 1
    fitted = Line(
        f"β = {line.slope.value:.3g}, p = {number(line.p, 2)}", axis.tolist(), line.at(axis).tolist()
    )
    return Chart(
        each.title, name, figure or each.title, [*shades, fitted], log_x=line.log, percent=each.share
    )


def _gaps(found: Sequence[Finding]) -> Table:
    rows = []
    for each in found:
        gap = gaps(each.figures)
        rows.append(
            [
                Cell(each.title),
                share_cell(gap.overall),
                Cell(value=gap.mean, form="share"),
                share_cell(gap.least, gap.worst),
                Cell(
                    value=gap.difference,
                    form="share",
                    note=f"to overall: {percent(gap.difference_to_overall)}",
                ),
                Cell(value=gap.expected, form="share", note=f"p = {number(gap.p, 2)}"),
                Cell(value=gap.ratio, note=f"to overall: {number(gap.ratio_to_overall)}"),
            ]
        )
    return Table(
        "How far apart groups are",
        "Over all images, the mean of the groups, and the worst group, with Wilson's 95 % intervals; the "
        "difference between best and worst group and the ratio of worst to best, as fairlearn defines them; "
        "and the difference that chance alone would make between groups of these sizes. The worst of many "
        "small groups is low by chance.",
        ("Figure", "All", "Mean of groups", "Worst group", "Difference", "By chance", "Ratio"),
        [Group("", rows)],
    )


def groups_table(found: Sequence[Finding], name: str, about: str = _INTERVALS) -> Table:
    """The figures of each group, in the order of the covariate where there is one.

    Args:
        found: The figures; the first has all groups.
        name: What the covariate is called.
        about: The caption.
    """
    covariate, figures = found[0].covariate, found[0].figures
    images = dict(zip(figures.names, figures.images.tolist(), strict=True))
    measured = [_by_group(each.figures) for each in found]
    rows = []
    for group in sorted(images, key=lambda group: (0.0 if covariate is None else covariate[group], group)):
        known = [] if covariate is None else [Cell(value=covariate[group])]
        cells = [measured_cell(of.get(group), each.form) for each, of in zip(found, measured, strict=True)]
        rows.append([Cell(group), *known, Cell(value=images[group], form="count"), *cells])
    columns = ("Group", *([] if covariate is None else [name]), "Images", *(each.title for each in found))
    return Table("Groups", about, columns, [Group("", rows)])


def _by_group(figures: GroupFigures) -> dict[str, Measured]:
    ends = map(Measured, figures.values.tolist(), figures.low.tolist(), figures.high.tolist())
    return dict(zip(figures.names, ends, strict=True))

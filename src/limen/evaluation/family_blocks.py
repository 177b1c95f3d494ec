"""What the fairness of families shows, in blocks of a document (Hua et al., Figures 4.1 and 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy

from limen.data import Covariates
from limen.document import Block, Cell, Chart, Charts, Group, Line, Table, number
from limen.evaluation.cells import measured_cell, share_cell
from limen.evaluation.family_fairness import Compared, FamilyFairness
from limen.evaluation.group_blocks import Finding, blocks_of, groups_table, limits, scatter

SEEDS = (
    "The t-test and the permutation ask what other seeds of these trainings would give, on these images and "
    "these groups. Trainings on the same data share what is peculiar to its groups, so that p over seeds "
    "alone is too sure of other groups; the interval over groups and models asks that."
)

_POINTS = 200
_DEPTH = 0.12  # of the highest density, so that no tick of the axis is below 0


def family_blocks(
    families: Sequence[FamilyFairness],
    pairs: Sequence[Compared],
    numbers: Covariates,
    notes: Sequence[str],
) -> list[Block]:
    """All that families show; of a single model, what a run would show.

    Args:
        families: The families, in order.
        pairs: Their comparisons.
        numbers: The covariate.
        notes: What else must be said.
    """
    findings = [_finding(each, numbers) for each in families]
    several = [each for each in families if len(each.trends) > 1]
    if not several and len(findings) == 1:
        return blocks_of(findings, numbers.name, notes)
    made: list[Block] = [_families(families)]
    if pairs:
        made.append(_pairs(pairs))
    if several:
        made.append(_slopes(several))
    figures = Charts(
        f"Groups over {numbers.name}",
        "Each point is a group, with its mean accuracy over the models of the family; its colour says of how "
        "many images it is. The line has the mean slope of the models, and p is the median of theirs.",
        [scatter(each, numbers.name, "accuracy") for each in findings],
    )
    about = (
        "The mean accuracy of each group over the models of a family, and where 95 % of the models lie; of a "
        "single model, Wilson's 95 % interval."
    )
    seeds = [SEEDS] if pairs else []
    return [*made, figures, groups_table(findings, numbers.name, about), limits([*seeds, *notes])]


def _finding(each: FamilyFairness, numbers: Covariates) -> Finding:
    first = each.trends[0]
    if len(each.trends) == 1:
        return Finding(each.family.name, each.groups, numbers.values, first)
    p = float(np.median([line.p for line in each.trends]))
    intercept = float(np.mean([line.intercept for line in each.trends]))
    mean = replace(first, slope=each.mean(each.slopes), intercept=intercept, p=p)
    return Finding(each.family.name, each.groups, numbers.values, mean)


def _families(families: Sequence[FamilyFairness]) -> Table:
    rows = [
        [
            Cell(each.family.name, series=each.family.name),
            Cell(value=len(each.trends), form="count"),
            share_cell(each.mean(each.overall)),
            share_cell(each.mean(each.worst)),
            share_cell(each.mean(each.gap)),
            measured_cell(each.mean(each.slopes)),
            Cell(value=float(np.mean([line.p < 0.05 for line in each.trends])), form="share"),
        ]
        for each in families
    ]
    return Table(
        "Families",
        "Means over the models, with 95 % intervals over them; β is the slope of a model's "
        "accuracy over the covariate, and biased are those of p < 0.05 in the F-test.",
        ("Family", "Models", "Accuracy", "Worst group", "Best less worst", "Mean β", "Biased"),
        [Group("", rows)],
    )


def _pairs(pairs: Sequence[Compared]) -> Table:
    rows = [
        [
            Cell(f"{each.second} less {each.first}"),
            measured_cell(each.test.difference),
            Cell(value=each.test.t, note=f"{each.test.degrees:.1f} degrees of freedom"),
            Cell(value=each.test.p, note=f"one-sided {number(each.test.one_sided, 2)}"),
            Cell(value=each.test.permutation),
            Cell(value=each.test.effect),
            measured_cell(each.over_groups),
        ]
        for each in pairs
    ]
    kind = "the paired" if pairs[0].test.paired else "Welch's"
    return Table(
        "Which family is fairer?",
        f"Difference of the mean slopes with its 95 % interval, by {kind} t-test over the models; p by "
        "permutation of the models; the effect in standard deviations; and the interval of the same "
        "difference over other groups and models, by the bootstrap. One-sided: that the first's slope is not "
        "the lower one.",
        ("Families", "Difference of β", "t", "p", "p by permutation", "Effect", "Over groups, too"),
        [Group("", rows)],
    )


def _slopes(families: Sequence[FamilyFairness]) -> Charts:
    """The distribution of β in each family.

    Source:
        Hua et al., Figure 4.2.
    """
    every = np.concatenate([each.slopes for each in families])
    margin = 0.3 * float(np.ptp(every)) or 0.1
    axis = np.linspace(every.min() - margin, every.max() + margin, _POINTS)
    lines, top = [], 0.0
    for each in families:
        if len(each.slopes) > 2 and np.ptp(each.slopes) > 0:
            heights = scipy.stats.gaussian_kde(each.slopes)(axis)
            top = max(top, float(heights.max()))
            lines.append(Line(each.family.name, axis.tolist(), heights.tolist(), series=each.family.name))
    points = [
        Line(
            f"models of {each.family.name}",
            each.slopes.tolist(),
            [-_DEPTH * (place + 1) / len(families) * (top or 1.0)] * len(each.slopes),
            joined=False,
            series=each.family.name,
        )
        for place, each in enumerate(families)
    ]
    # Where no family has models enough for a density, its axis stays one, with the points below it.
    span = None if lines else (-1.25 * _DEPTH, 1.0)
    return Charts(
        "Slopes of the models",
        "The distribution of β over the models of each family, by a kernel density, for which it needs three "
        "of different β; below it, each model.",
        [Chart("Distribution of β", "slope β", "density", [*lines, *points], y_range=span)],
    )

"""Whether families of models are fair, and which is fairer (Hua et al., Section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from limen.analysis import (
    FamilyTest,
    GroupFigures,
    Measured,
    Trend,
    Variances,
    axis_of,
    compare_families,
    estimate_means,
    gaps,
    group_shares,
    slopes_over_groups,
    trend,
)
from limen.data import Covariates
from limen.errors import UsageError
from limen.evaluation.families import Family


@dataclass(frozen=True, eq=False)
class FamilyFairness:
    """The figures of each of M models of a family, over the G groups that have a covariate.

    Attributes:
        family: The models.
        groups: The accuracy of each group, averaged over the models, of all its images.
        accuracies: The accuracy of each model in each group, (M, G).
        trends: The line of each model.
        overall: The accuracy of each model over the images of these groups, (M,).
        worst: That of its worst group, (M,).
        gap: Its difference between best and worst group, (M,).
    """

    family: Family
    groups: GroupFigures
    accuracies: np.ndarray
    trends: tuple[Trend, ...]
    overall: np.ndarray
    worst: np.ndarray
    gap: np.ndarray

    @property
    def slopes(self) -> np.ndarray:
        """The slope β of each model, (M,)."""
        return np.array([each.slope.value for each in self.trends])

    def mean(self, values: np.ndarray) -> Measured:
        """The mean of a figure (M,) over the models, with its interval over them."""
        (mean,) = estimate_means(values[:, None])
        return mean if len(values) > 1 else Measured(mean.value, math.nan, math.nan)


@dataclass(frozen=True)
class Compared:
    """Two families.

    Attributes:
        first: The name of one.
        second: The name of the other.
        test: Their slopes, the second's less the first's, over the seeds of the trainings.
        over_groups: The same difference, with an interval over other groups and other models.
    """

    first: str
    second: str
    test: FamilyTest
    over_groups: Measured


def family_fairness(
    family: Family, answers: Sequence[pa.Table], numbers: Covariates, *, log: bool, variances: Variances
) -> FamilyFairness:
    """Test each model of a family.

    Args:
        family: The models.
        answers: What each says, as `judgements` gives it.
        numbers: The covariate.
        log: Whether lines are over its logarithm.
        variances: As of `limen.analysis.trend`.

    Raises:
        UsageError: If the groups carry no line over the covariate.
    """
    found = []
    for table in answers:
        shares = group_shares(table["group"].to_pylist(), table["right"].to_numpy())
        found.append(shares.take([name for name in shares.names if name in numbers.values]))
    first = found[0]
    trends = tuple(trend(each, numbers.values, log=log, variances=variances) for each in found)
    apart = [gaps(each, draws=1) for each in found]
    accuracies = np.stack([each.values for each in found])
    mean = accuracies.mean(0)
    low, high = (np.quantile(accuracies, end, axis=0) for end in (0.025, 0.975))
    return FamilyFairness(
        family,
        first if len(found) == 1 else GroupFigures(first.names, first.images, mean, low, high),
        accuracies,
        trends,
        np.array([each.overall.value for each in apart]),
        accuracies.min(1),
        np.array([each.difference for each in apart]),
    )


def compared(
    families: Sequence[FamilyFairness],
    numbers: Covariates,
    *,
    log: bool,
    variances: Variances,
    paired: bool = False,
) -> list[Compared]:
    """Every two families, of those that have several models.

    Args:
        families: The families, in order.
        numbers: The covariate.
        log: Whether lines are over its logarithm.
        variances: As of `limen.analysis.trend`.
        paired: Whether models of equal seeds are compared with each other.

    Raises:
        UsageError: If models are to be paired whose seeds are known and differ.
    """
    several = [each for each in families if len(each.trends) > 1]
    made = []
    for one, other in combinations(several, 2):
        seeds = one.family.seeds, other.family.seeds
        if paired and (len(seeds[0]) != len(seeds[1]) or any(a != b for a, b in zip(*seeds, strict=True))):
            raise UsageError(
                f"{one.family.name} and {other.family.name} have not the same seeds; compare them unpaired"
            )
        x = axis_of(one.groups, numbers.values, log)
        made.append(
            Compared(
                one.family.name,
                other.family.name,
                compare_families(one.slopes, other.slopes, paired=paired),
                slopes_over_groups(
                    one.accuracies,
                    other.accuracies,
                    x,
                    one.groups.images,
                    variances=variances,
                    paired=paired,
                ),
            )
        )
    return made


def summary(families: Sequence[FamilyFairness], pairs: Sequence[Compared], **said: Any) -> dict[str, Any]:
    """All figures, as JSON has them.

    Args:
        families: The families.
        pairs: Their comparisons.
        **said: What else to say, such as the data.
    """
    return {
        **said,
        "families": [
            {
                "name": each.family.name,
                "mean slope": asdict(each.mean(each.slopes)),
                "mean accuracy": asdict(each.mean(each.overall)),
                "mean worst group": asdict(each.mean(each.worst)),
                "mean gap": asdict(each.mean(each.gap)),
                "groups": {
                    name: {"images": int(images), "accuracy": float(value)}
                    for name, images, value in zip(
                        each.groups.names, each.groups.images, each.groups.values, strict=True
                    )
                },
                "models": [
                    {
                        "model": model,
                        "seed": seed,
                        "accuracy": float(each.overall[place]),
                        "worst group": float(each.worst[place]),
                        "gap": float(each.gap[place]),
                        **asdict(each.trends[place]),
                    }
                    for place, (model, seed) in enumerate(
                        zip(each.family.models, each.family.seeds, strict=True)
                    )
                ],
            }
            for each in families
        ],
        "comparisons": [asdict(each) for each in pairs],
    }

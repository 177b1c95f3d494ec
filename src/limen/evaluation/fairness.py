"""Whether a classifier, and its robustness, follow what is known of groups (Hua et al., Section 4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import Variances, group_means, group_shares
from limen.data import Covariates, read_covariates
from limen.document import Block
from limen.errors import UnknownNameError, UsageError
from limen.evaluation.context import Context
from limen.evaluation.group_blocks import Finding, blocks_of, finding
from limen.evaluation.protocol import evaluation
from limen.runs import MetricColumn, Part, Run, Stored

SYNTHETIC = "Groups and covariate are synthetic, made up by a program: they say nothing of the world."


def describe(stored: Stored) -> list[Block]:
    """Accuracy, and under each attack robust accuracy and the least distortion, by group."""
    table, manifest = stored.records(), stored.run.manifest
    said = table.slice(0, 1).to_pylist()[0]
    of = {label: table.filter(pc.field("attack") == label) for label in stored.attacks}
    every = {row["id"]: row for row in table.to_pylist()}.values()
    known = {row["group"]: row["covariate"] for row in every if row["covariate"] is not None}
    options = {
        "covariate": None if said["covariate_name"] is None else known,
        "log": said["log"],
        "variances": said["variances"],
    }
    right = group_shares([row["group"] for row in every], np.array([row["correct"] for row in every]))
    found = [finding("accuracy", right, **options)]
    metric = metric_of(stored.run, said["metric"])
    notes = [*said["notes"].splitlines(), *([SYNTHETIC] if said["synthetic"] else [])]
    for name, labels in manifest.families().items():
        rows = [of[label] for label in labels if label in of and of[label].num_rows]
        under = _under(name, rows, metric, options) if rows else []
        if rows and not under:
            notes.append(f"Left out, as it has images of too few groups: {name}.")
        found += under
    return blocks_of(found, said["covariate_name"] or "the covariate", notes)


@evaluation("Group fairness", describe)
def fairness(
    run: Run,
    context: Context,
    *,
    covariate: Path | None = None,
    value: str | None = None,
    group: str = "group",
    log: bool = True,
    variances: Variances = "root",
    distance: str = "l2",
) -> Iterator[Part]:
    """Accuracy by group, and under each attack accuracy and the least distortion that fools, with tests.

    All images count for accuracy: one that was wrong before counts as wrong under an attack, too. The least
    distortion is that of images that were right before and are fooled. Attacks that differ in their budget
    alone count as one.

    Args:
        run: The run.
        context: What the evaluation is given.
        covariate: A table with a number for each group; if not given, the one that the data brings, if any.
        value: Its column of the numbers; may be left out if there are two columns.
        group: Its column of the groups' names.
        log: Whether lines are over the number's logarithm.
        variances: How the variance of a group's figure falls with its n images: `root` as 1/√n, as in the
            paper, or `binomial` as 1/n.
        distance: The metric of the least distortion.

    Raises:
        UsageError: If the data names no groups, or there is one, or they and the covariate carry no line.
        DataError: If the table cannot be read.

    Source:
        Hua et al., Human imperceptible attacks and applications to improve fairness, Section 4.
    """
    wanted = context.every()
    numbers = context.dataset.covariates if covariate is None else read_covariates(covariate, value, group)
    context.want(wanted)
    records = run.table()
    if context.limit is not None:
        records = records.filter(pc.field("index") < context.limit)
    if not records.num_rows:
        return
    groups, metric = _groups_of(records, context), metric_of(run, distance)
    # Before anything is stored, as what carries no line now never will.
    check_groups(groups.values(), numbers, log=log, variances=variances)
    said = {
        "covariate_name": None if numbers is None else numbers.name,
        "synthetic": numbers is not None and numbers.synthetic,
        "notes": "" if numbers is None else "\n".join(numbers.notes(groups.values())),
        "log": log,
        "variances": variances,
        "metric": metric.key,
    }
    context.note("groups and covariate", digest(groups.values(), numbers))
    for label in wanted:
        rows = records.filter(pc.field("attack") == label).to_pylist()
        left = [row for row in rows if not context.finished(label, row["id"])]
        found = [
            {
                "attack": label,
                "id": row["id"],
                "group": groups[row["id"]],
                "correct": row["clean_prediction"] == row["label"],
                "success": row["success"],
                "distance": row[metric.key],
                "covariate": None if numbers is None else numbers.values.get(groups[row["id"]]),
                **said,
            }
            for row in left
        ]
        if found:
            yield Part(pa.Table.from_pylist(found, _SCHEMA))


def check_groups(
    groups: Iterable[str], numbers: Covariates | None, *, log: bool, variances: Variances
) -> None:
    """Refuse groups that cannot be compared, or carry no line over their numbers.

    Raises:
        UsageError: With the reason.
    """
    names = list(groups)
    if len(set(names)) < 2:
        raise UsageError(f"fairness compares groups, but all images are in {names[0]!r}")
    shares = group_shares(names, np.zeros(len(names), bool))
    finding("", shares, None if numbers is None else numbers.values, log=log, variances=variances)


def digest(groups: Iterable[str], numbers: Covariates | None) -> str:
    """What tells groups and their numbers from others."""
    known = None if numbers is None else sorted(numbers.values.items())
    return hashlib.sha256(repr((sorted(groups), known)).encode()).hexdigest()[:12]


def metric_of(run: Run, name: str) -> MetricColumn:
    """A metric of the run.

    Raises:
        UsageError: If the run has none of this name.
    """
    known = {each.key: each for each in run.manifest.metrics}
    if name not in known:
        raise UnknownNameError("metric of the run", name, known)
    return known[name]


def _groups_of(records: pa.Table, context: Context) -> dict[str, str]:
    """The group of each image, by its id."""
    found = dict(zip(records["id"].to_pylist(), records["group"].to_pylist(), strict=True))
    if None in found.values() and context.dataset.groups is not None:  # a run of an older Limen
        told = dict(zip(context.dataset.ids, context.dataset.groups, strict=True))
        found = {image_id: told[image_id] for image_id in found}
    if None in found.values():
        raise UsageError(
            f"{context.run.directory}: its data, {context.run.manifest.data.spec}, names no groups; "
            "fairness needs that of each image, such as the column group of csv: has it"
        )
    return found


def _under(
    name: str, rows: Sequence[pa.Table], metric: MetricColumn, options: Mapping[str, Any]
) -> list[Finding]:
    """Robust accuracy by group, and the mean least distortion, under an attack at the best of its budgets.

    Either is left out where too few groups have one.
    """
    shared = sorted(set.intersection(*(set(each["id"].to_pylist()) for each in rows)))
    ordered = [dict(zip(each["id"].to_pylist(), each.to_pylist(), strict=True)) for each in rows]
    found = [[of[image_id] for of in ordered] for image_id in shared]
    groups = [each[0]["group"] for each in found]
    correct = np.array([each[0]["correct"] for each in found], bool)
    success = np.array([[row["success"] for row in each] for each in found], bool).reshape(-1, len(rows))
    values = np.array([[row["distance"] for row in each] for each in found], float).reshape(-1, len(rows))
    least = np.fmin.reduce(np.where(success, metric.distortion(values), np.nan), axis=1)
    robust = group_shares(groups, correct & ~success.any(1))
    distance = group_means(groups, np.where(correct, metric.distortion(least) * metric.scale, np.nan))
    made = []
    with suppress(UsageError):
        made.append(finding(f"accuracy under {name}", robust, **options))
        made.append(finding(f"mean {metric.heading} that fools, {name}", distance, **options, share=False))
    return made


_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("attack", "id", "group")),
        *(pa.field(name, pa.bool_()) for name in ("correct", "success")),
        *(pa.field(name, pa.float64()) for name in ("distance", "covariate")),
        *(pa.field(name, pa.string()) for name in ("covariate_name", "notes", "variances", "metric")),
        *(pa.field(name, pa.bool_()) for name in ("synthetic", "log")),
    ]
)

"""Whether the images that fool one classifier fool another (Zhang et al. 2020, Section 5.5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from limen import catalog
from limen.analysis import Outcomes, characteristic, figures, outcomes_by_name
from limen.classifier import Classifier
from limen.document import Block, Cell, Chart, Charts, Group, Line, Table
from limen.errors import UsageError
from limen.evaluation.cells import measured_cell, share_cell
from limen.evaluation.cleans import logits_of
from limen.evaluation.context import Context
from limen.evaluation.measure import distances
from limen.evaluation.protocol import evaluation
from limen.metrics import METRICS
from limen.runs import MetricColumn, Part, Run, Stored
from limen.spec import spec_name

_SHOWN = ("l2", "ssim")
_POINTS = 200


def describe(stored: Stored) -> list[Block]:
    """Success on the model that was attacked, and on the others."""
    families, records = stored.run.manifest.families(), stored.records()
    here = outcomes_by_name(stored.run.table(), families)
    names = dict.fromkeys(records["model"].to_pylist())
    there = {name: outcomes_by_name(records.filter(pc.field("model") == name), families) for name in names}
    details = _details(stored, here, there)
    return [details] if len(there) == 1 else [_matrix(here, there), *_curves(there), details]


Found = Mapping[str, Outcomes]
"""What became of the images, by the attack's name."""


def _details(stored: Stored, here: Found, there: Mapping[str, Found]) -> Table:
    metrics = [metric for metric in stored.run.manifest.metrics if metric.key in _SHOWN]
    return Table(
        "Success on the other classifier" if len(there) == 1 else "Success on each classifier",
        "The attacks saw their own model alone, where they have the first success. Those images count "
        "that both classify correctly without an attack; means are over those that fool the other. With "
        "95 % intervals over the images.",
        (
            "Attack",
            "Success on its model",
            "Images",
            "Success here",
            *(f"Mean {m.heading}" for m in metrics),
        ),
        [
            Group(
                title if len(there) > 1 else "",
                [_row(name, here[name], each, metrics) for name, each in found.items()],
            )
            for title, found in there.items()
        ],
    )


def _matrix(here: Found, there: Mapping[str, Found]) -> Table:
    rows = [
        [
            Cell(name, series=name),
            share_cell(figures(own, draws=0).success),
            *(share_cell(figures(found[name], draws=0).success) for found in there.values()),
        ]
        for name, own in here.items()
    ]
    return Table(
        "Who is fooled by whose images",
        "The attacks saw the first classifier alone. Of each other, those images count that it and the first "
        "classify correctly without an attack.",
        ("Attack", "Its model", *there),
        [Group("", rows)],
    )


def _curves(there: Mapping[str, Found]) -> Iterator[Charts]:
    """Success over the distortion, where any image fools another classifier."""
    charts = [chart for model, found in there.items() if (chart := _chart(model, found)) is not None]
    if charts:
        yield Charts(
            "Success on each classifier within a distortion",
            "The share of images that an attack fools the other classifier on with at most a given "
            "distortion. Bands: 95 % intervals.",
            charts,
        )


def _chart(model: str, found: Found) -> Chart | None:
    curves = {name: characteristic(each) for name, each in found.items()}
    rises = [x for each in curves.values() for x in each.distances.tolist() if 0 < x < math.inf]
    if not rises:
        return None
    x = np.geomspace(min(rises) / 1.1, max(rises) * 1.1, _POINTS)
    lines = []
    for name, curve in curves.items():
        heights = (curve.at(x), *curve.band(curve.at(x)))
        lines.append(Line(name, x.tolist(), *(each.tolist() for each in heights), series=name))
    axis = next(iter(curves.values())).metric.axis
    ends = (float(x[0]), float(x[-1]))
    return Chart(model, axis, "fooled", lines, x_range=ends, y_range=(0, 1), log_x=True, percent=True)


@evaluation("Transfer", describe, by_batch=True)
def transfer(
    run: Run, context: Context, *, model: tuple[str, ...] = (), defense: str | None = None
) -> Iterator[Part]:
    """The records that a run would have if other classifiers had seen its stored images.

    Only images that the attacked model classifies correctly have a record: an attack leaves the others as
    they are, so they say nothing of it. Of these, those count in the paper that the other classifier has
    right without an attack, and `limen.analysis.outcomes` counts so, too. An image on which the attack
    failed is stored as it was before, and so is no success here either. Predictions, confidences, success and
    distances are those of the other classifier; passes, seconds and success in memory remain the attack's.

    Args:
        run: The run.
        context: What the evaluation is given.
        model: Specs of the other classifiers, with the classes of the run's; the run's own if none is given.
        defense: Spec of a defence in front of each, or of a chain of them.

    Raises:
        UsageError: If neither is given, or the images do not fit.

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Section 5.5 and Table 3.
    """
    if not model and defense is None:
        raise UsageError("transfer needs model=SPEC, defense=SPEC, or both")
    others = {name: context.model(name) for name in model} or {run.manifest.model.spec: context.classifier}
    if defense is not None:
        shields = catalog.chain(defense)
        for shield in shields:
            context.note_code(f"defense {shield.identity.name}", shield.identity)
        others = {f"{name} behind {defense}": catalog.behind(each, shields) for name, each in others.items()}
    table, targeted = run.table(), run.manifest.settings.targeted
    for batch in context.batches(context.correct()):
        before = {name: _answers(other, batch.originals) for name, other in others.items()}
        for label, rows, ids in batch.remaining():
            records, originals = _of(table, label, ids), batch.originals[rows]
            stored = context.adversarial(label, ids)
            goals = records["target" if targeted else "label"].to_numpy()
            seen = []
            for name, other in others.items():
                predictions, confidences = _answers(other, stored)
                success = (predictions == goals) == targeted
                columns = {
                    "clean_prediction": before[name][0][rows],
                    "clean_confidence": before[name][1][rows],
                    "prediction": predictions,
                    "confidence": confidences,
                    "success": success,
                    **_distances(run, originals, stored, records, success),
                }
                named = pa.array([name] * len(ids))
                seen.append(_with(records, columns).append_column("model", named))
            yield Part(pa.concat_tables(seen))


def _of(table: pa.Table, label: str, ids: Sequence[str]) -> pa.Table:
    rows = table.filter((pc.field("attack") == label) & pc.field("id").isin(ids))
    places = {image_id: place for place, image_id in enumerate(rows["id"].to_pylist())}
    return rows.take([places[image_id] for image_id in ids])


def _answers(classifier: Classifier, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and confidences (N,)."""
    fit = images.to(classifier.device, classifier.dtype)
    confidences, predictions = logits_of(classifier, fit).softmax(1).max(1)
    return predictions.cpu().numpy(), confidences.cpu().numpy()


def _distances(
    run: Run, originals: Tensor, stored: Tensor, records: pa.Table, success: np.ndarray
) -> dict[str, np.ndarray]:
    """The distances of the images that fool; the run knows them unless its own model was not fooled."""
    missing = success & ~records["success"].to_numpy()
    measures = [catalog.metric(each.key) for each in run.manifest.metrics if spec_name(each.key) in METRICS]
    measured = distances(measures, originals, stored, torch.from_numpy(missing))
    found = {column.key: records[column.key].to_numpy() for column in run.manifest.metrics}
    found |= {key: np.where(missing, np.array(values, float), found[key]) for key, values in measured.items()}
    return {key: np.where(success, values, np.nan) for key, values in found.items()}


def _with(records: pa.Table, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """The records with these columns in place of their own; NaN is null."""
    for name, values in columns.items():
        kind = records.schema.field(name)
        array = pa.array(values, from_pandas=True).cast(kind.type)
        records = records.set_column(records.schema.get_field_index(name), kind, array)
    return records


def _row(name: str, here: Outcomes, there: Outcomes, metrics: Sequence[MetricColumn]) -> list[Cell]:
    means = []
    for metric in metrics:
        form = "near_one" if metric.complement else "number"
        means.append(measured_cell(figures(there, metric.key).mean, form, scale=metric.scale))
    return [
        Cell(name, series=name),
        share_cell(figures(here, draws=0).success),
        Cell(value=int(there.correct.sum()), form="count"),
        share_cell(figures(there, draws=0).success),
        *means,
    ]

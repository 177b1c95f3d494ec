"""The loss gradients of several classifiers beside each other (Tong et al. 2020, Figure 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from limen import pictures
from limen.analysis import estimate_means, share
from limen.document import Block, Cell, Group, Picture, Pictures, Row, Table
from limen.evaluation.cells import measured_cell, share_cell
from limen.evaluation.context import Batch, Context
from limen.evaluation.fooled import most_fooled
from limen.evaluation.gaze import Finder
from limen.evaluation.loss_gradients import LossGradients, loss_gradients, seen_as
from limen.evaluation.protocol import evaluation
from limen.images import to_uint8
from limen.runs import Part, Run, Stored
from limen.structure import Foreground


def describe(stored: Stored) -> list[Block]:
    """The figures of each classifier, and a row of pictures per image."""
    by_model: dict[str, dict[str, dict[str, Any]]] = {}
    for row in stored.records().to_pylist():
        by_model.setdefault(row["model"], {})[row["id"]] = row
    masked = stored.identity.parameters["mask"] is not None
    columns = ("Classifier", "Images", "Classified correctly", "Length of the gradient")
    on = ("Foreground", "Gradient on the foreground", "No gradient") if masked else ()
    about = (
        "The mean length in L₂ of the gradient of the cross-entropy, by values in [0, 1], at the originals, "
        "right and wrong ones alike."
    )
    where = (
        " How much of the image is foreground, and which share of the gradient's energy, the sum of its "
        "squares, lies there; an image without a gradient has no such share."
    )
    table = Table(
        "Gradients of the loss",
        f"{about}{where if masked else ''} With 95 % intervals over the images.",
        (*columns, *on),
        [Group("", [_row(name, [*rows.values()], masked) for name, rows in by_model.items()])],
    )
    return [table, *_pictures(stored, list(by_model))]


@evaluation("Loss gradients", describe, by_batch=True)
def gradients(
    run: Run,
    context: Context,
    *,
    model: tuple[str, ...] = (),
    mask: Foreground | str | None = None,
    images: int = 12,
) -> Iterator[Part]:
    """What the loss of classifiers heeds in originals: pictures of its gradient, and where it lies.

    A classifier that was trained against attacks has gradients that people can read; that of another looks
    like noise (Tsipras et al. 2019). No attack plays a part: the rows of an image are the same under each.

    Args:
        run: The run.
        context: What the evaluation is given.
        model: Specs of classifiers to show beside the run's own, with the same classes.
        mask: What finds the foreground; None for no foreground. `data` for the masks that the data gives.
        images: How many images to picture; the first of the data set.

    Raises:
        UsageError: If a label is none of a classifier's classes, or there is no such foreground.

    Source:
        Tong et al. 2020, Towards robustness against unsuspicious adversarial examples, Section 5.5 and
        Figure 6. Tsipras et al. 2019, Robustness may be at odds with accuracy, Section 3.1 and Figure 2.
    """
    classifiers = {_name(run): context.classifier} | {name: context.model(name) for name in model}
    labels = dict(zip(*(run.table()[name].to_pylist() for name in ("id", "label")), strict=True))
    find, wanted = None if mask is None else Finder(context, mask), context.every()
    shown = most_fooled([dict.fromkeys(each for of_attack in wanted.values() for each in of_attack)], images)
    for batch in context.batches(wanted):
        truth = torch.tensor([labels[image_id] for image_id in batch.ids])
        masks = None if find is None else find(batch.ids, batch.originals)
        found = {name: loss_gradients(each, batch.originals, truth) for name, each in classifiers.items()}
        # Before the rows, by which an evaluation that goes on knows what it has finished.
        yield Part(pictures=_composed(batch, masks, found, shown))
        values = pa.concat_tables([_values(batch.ids, *each, masks) for each in found.items()])
        for label, _, ids in batch.remaining():
            rows = values.filter(pc.field("id").isin(ids))
            yield Part(rows.add_column(0, "attack", pa.array([label] * len(rows))))


def _composed(
    batch: Batch, masks: Tensor | None, found: Mapping[str, LossGradients], shown: Sequence[str]
) -> dict[tuple[str | None, str], np.ndarray]:
    """The pictures of those images of a batch that are shown: the original, and a gradient per classifier."""
    originals = to_uint8(batch.originals)
    first = originals if masks is None else map(pictures.lit, originals, masks[:, 0].cpu().numpy())
    tiles = [first, *(to_uint8(seen_as(each.gradients)) for each in found.values())]
    return {
        (None, _key(place, image_id)): pixels
        for place, of_images in enumerate(tiles)
        for image_id, pixels in zip(batch.ids, of_images, strict=True)
        if image_id in shown
    }


def _name(run: Run) -> str:
    model = run.manifest.model
    return f"{model.spec} behind {model.chain}" if model.defenses else model.spec


def _key(place: int, image_id: str) -> str:
    """What a picture of an image is stored as: the original is at place 0, then come the classifiers."""
    return f"{place}/{image_id}"


def _values(ids: Sequence[str], model: str, found: LossGradients, masks: Tensor | None) -> pa.Table:
    energy = found.gradients.double().square().sum(1)
    nothing = torch.full((len(ids),), torch.nan)
    on = nothing if masks is None else (energy * masks[:, 0].cpu()).sum((1, 2)) / energy.sum((1, 2))
    size = nothing if masks is None else masks.double().mean((1, 2, 3)).cpu()
    columns = {"right": found.right, "length": found.lengths, "energy": on, "share": size}
    made = {name: pa.array(values.numpy(), from_pandas=True) for name, values in columns.items()}
    return pa.table({"id": list(ids), "model": [model] * len(ids), **made})


def _row(name: str, rows: Sequence[Mapping[str, Any]], masked: bool) -> list[Cell]:
    columns = {
        key: np.array([row[key] for row in rows], float) for key in ("right", "length", "energy", "share")
    }
    stacked = np.stack([columns["length"], columns["share"], columns["energy"]], 1)
    length, foreground, energy = estimate_means(stacked)
    cells = [
        Cell(name),
        Cell(value=len(rows), form="count"),
        share_cell(share(columns["right"] == 1)),
        measured_cell(length),
    ]
    if masked:
        blank = Cell(value=int(np.isnan(columns["energy"]).sum()), form="count")
        cells += [share_cell(foreground), share_cell(energy), blank]
    return cells


def _pictures(stored: Stored, models: Sequence[str]) -> Iterator[Pictures]:
    count = stored.identity.parameters["images"]
    ids = list(dict.fromkeys(stored.records()["id"].to_pylist()))[: count if isinstance(count, int) else 0]
    masked = stored.identity.parameters["mask"] is not None
    names = ["original, foreground lit" if masked else "original", *models]
    rows = [
        Row(
            image_id,
            [Picture(stored.picture(None, _key(place, image_id)), name) for place, name in enumerate(names)],
        )
        for image_id in ids
    ]
    if rows:
        yield Pictures(
            "What the loss heeds",
            "The gradient of the loss at the original, image by image within ±3 standard deviations of its "
            "mean, which is mid-grey (Tsipras et al. 2019): a value that raises the loss as it grows is "
            "bright in its colour, one that lowers it is dark.",
            rows,
        )

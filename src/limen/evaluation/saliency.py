"""How far attacks move what people are predicted to look at (Hua et al., Table 3.2 and Figure 3.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from limen import pictures
from limen.errors import UsageError
from limen.evaluation.context import Context
from limen.evaluation.fooled import most_fooled
from limen.evaluation.gaze import Gaze
from limen.evaluation.protocol import evaluation
from limen.evaluation.saliency_distances import DISTANCES, describe
from limen.images import norm
from limen.metrics import dissimilarity
from limen.operators.window import TAPS
from limen.runs import Part, Run
from limen.structure import Saliency

Scale = Literal["peak", "none"]
"""What brings maps to [0, 1]: a division of each by its greatest value, or nothing, as they lie there."""


@evaluation("Saliency before and after", describe, by_batch=True)
def saliency(
    run: Run,
    context: Context,
    *,
    model: Saliency | str = "spectral_residual",
    scale: Scale = "peak",
    failures: bool = False,
    images: int = 12,
) -> Iterator[Part]:
    """Distances between the saliency map of each original and that of what an attack stored.

    Args:
        run: The run.
        context: What the evaluation is given.
        model: What predicts where people look.
        scale: How maps come to [0, 1]. `peak` divides each by its greatest value, which suits densities;
            `none` leaves them, for models whose maps lie there by themselves, as of salient-object networks.
        failures: Whether the images that an attack did not fool count, too: these are stored as they were.
        images: How many images to picture; those that most attacks fooled.

    Raises:
        UsageError: If the model refuses the images, or its maps leave [0, 1] and are not scaled.

    Source:
        Hua et al., Human imperceptible attacks and applications to improve fairness, Table 3.2.
    """
    gaze, fooled = Gaze(context, model), context.fooled()

    def maps(given: Tensor) -> Tensor:
        return scaled(gaze.maps(given), scale)

    for batch in context.batches(context.correct() if failures else fooled):
        before = maps(batch.originals)
        for label, rows, ids in batch.remaining():
            found = map_distances(before[rows], maps(context.adversarial(label, ids)))
            columns = {
                name: pa.array(values.cpu().numpy(), from_pandas=True) for name, values in found.items()
            }
            hits = [image_id in fooled[label] for image_id in ids]
            yield Part(pa.table({"attack": [label] * len(ids), "id": ids, "fooled": hits, **columns}))
    for image_id in most_fooled(fooled.values(), images):
        made = [label for label in fooled if image_id in fooled[label]]
        attacked = (context.adversarial(label, [image_id]) for label in made)
        seen = torch.cat([maps(each) for each in (context.originals([image_id]), *attacked)])
        yield Part(pictures=_composed(run, image_id, made, seen.float().cpu().numpy()))


def scaled(maps: Tensor, scale: Scale) -> Tensor:
    """Maps (N, H, W) of 0 or more, brought to [0, 1]; a map that is 0 everywhere stays so.

    Raises:
        UsageError: If they leave [0, 1] and are not scaled.

    Example:
        >>> scaled(torch.tensor([[[0.0, 0.2], [0.1, 0.0]]]), "peak")
        tensor([[[0.0000, 1.0000],
                 [0.5000, 0.0000]]])
    """
    if scale == "peak":
        peaks = maps.amax((1, 2), keepdim=True)
        return maps / peaks.where(peaks > 0, 1)
    if len(maps) and maps.max() > 1:
        raise UsageError(
            f"with scale=none saliency maps must lie in [0, 1]; these reach {float(maps.max()):.4g}"
        )
    return maps


def map_distances(before: Tensor, after: Tensor) -> dict[str, Tensor]:
    """Distances between saliency maps.

    Args:
        before: Maps (N, H, W) in [0, 1].
        after: Maps of that shape.

    Returns:
        By name, float64 (N,): `l1`, `l2` and `linf` of the values, and `dissimilarity`, which is 1 − SSIM and
        NaN where a side is under 11 pixels.

    Example:
        >>> found = map_distances(torch.zeros(1, 2, 2), torch.full((1, 2, 2), 0.5))
        >>> [float(found[name]) for name in ("l1", "l2", "linf")]
        [2.0, 1.0, 0.5]
    """
    before, after = before.double(), after.double()
    changes = (after - before).flatten(1)
    small = min(before.shape[1:]) < TAPS
    lost = (
        changes.new_full((len(changes),), torch.nan)
        if small
        else dissimilarity(before[:, None], after[:, None])
    )
    columns = (changes.abs().sum(1), norm(changes), changes.abs().amax(1), lost)
    return dict(zip(DISTANCES, columns, strict=True))


def _composed(
    run: Run, image_id: str, labels: Sequence[str], maps: np.ndarray
) -> dict[tuple[str | None, str], np.ndarray]:
    """An image, and what attacks made of it, each above its map (1 + attacks, H, W)."""
    shown = [run.original(image_id), *(run.image(label, image_id) for label in labels)]
    return {
        (label, image_id): pictures.stacked([pixels, np.asarray(pictures.coloured(seen, 1.0).convert("RGB"))])
        for label, pixels, seen in zip((None, *labels), shown, maps, strict=True)
    }

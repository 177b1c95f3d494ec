"""Whether attacks move the predicted gaze off the foreground (Tong et al. 2020, Figures 1 and 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from limen import pictures
from limen.evaluation.context import Context
from limen.evaluation.fooled import most_fooled
from limen.evaluation.foreground_scores import describe
from limen.evaluation.gaze import Finder, Gaze
from limen.evaluation.protocol import evaluation
from limen.runs import Part, Run
from limen.structure import Foreground, Saliency, empty_or_full


@evaluation("Foreground and gaze", describe, by_batch=True)
def foreground(
    run: Run,
    context: Context,
    *,
    mask: Foreground | str = "saliency",
    saliency: Saliency | str = "spectral_residual",
    images: int = 12,
) -> Iterator[Part]:
    """How much of the predicted gaze the foreground holds, before an attack and after it.

    Of the images that the model classified correctly, each row holds the foreground score of the original
    and of what the attack stored. The foreground is that of the original, also after the attack; an image
    that the attack did not fool is stored as it was.

    Args:
        run: The run.
        context: What the evaluation is given.
        mask: What finds the foreground, as an attack with two budgets takes it; `data` for the masks that
            the data gives.
        saliency: What predicts where people look.
        images: How many images to picture; those that most attacks fooled.

    Raises:
        UsageError: If the data was to give masks and gives none, or either method refuses the images.

    Source:
        Tong et al. 2020, Towards robustness against unsuspicious adversarial examples, Sections 3.1 and 5.2.
    """
    find, gaze = Finder(context, mask), Gaze(context, saliency)
    correct, fooled = context.correct(), context.fooled()
    for batch in context.batches(correct):
        masks, before = find(batch.ids, batch.originals), gaze(batch.originals)
        for label, rows, ids in batch.remaining():
            after = gaze(context.adversarial(label, ids))
            hits = [image_id in fooled[label] for image_id in ids]
            yield Part(_records(label, ids, hits, masks[rows], before[rows], after))
    for image_id in most_fooled(fooled.values(), images):
        made = [label for label in fooled if image_id in fooled[label]]
        originals = context.originals([image_id])
        attacked = (context.adversarial(label, [image_id]) for label in made)
        region = find([image_id], originals)[0, 0].cpu().numpy()
        densities = torch.cat([gaze(each) for each in (originals, *attacked)]).double().cpu().numpy()
        yield Part(pictures=_composed(run, image_id, made, region, densities * region.size))


def _records(
    label: str, ids: Sequence[str], fooled: Sequence[bool], masks: Tensor, before: Tensor, after: Tensor
) -> pa.Table:
    empty, full = empty_or_full(masks)
    pixels = masks[0].numel() if len(masks) else 1
    columns = {
        "share": masks.double().mean((1, 2, 3)),
        "empty": empty,
        "full": full,
        "before": (before * masks[:, 0]).double().sum((1, 2)),
        "after": (after * masks[:, 0]).double().sum((1, 2)),
        # In multiples of an even gaze, as pictures show it.
        "peak": before.amax((1, 2)).double() * pixels,
    }
    made = {name: pa.array(values.cpu().numpy()) for name, values in columns.items()}
    return pa.table({"attack": [label] * len(ids), "id": list(ids), "fooled": list(fooled), **made})


def _composed(
    run: Run, image_id: str, labels: Sequence[str], region: np.ndarray, gaze: np.ndarray
) -> dict[tuple[str | None, str], np.ndarray]:
    """The pictures of an image and of what attacks made of it, each above its gaze (1 + attacks, H, W)."""
    # On the original's scale, so that one attack that draws all eyes to a spot leaves the others visible.
    original, top = run.original(image_id), float(gaze[0].max())
    attacked = [run.image(label, image_id) for label in labels]
    changes = [pictures.difference(original, pixels) for pixels in attacked]
    factor = pictures.common_factor(changes)
    middles = [pictures.lit(original, region), *(pictures.magnified(each, factor) for each in changes)]
    return {
        (label, image_id): pictures.stacked(
            [pixels, _rgb(middle), _rgb(pictures.outlined(density, top, region))]
        )
        for label, pixels, middle, density in zip(
            (None, *labels), (original, *attacked), middles, gaze, strict=True
        )
    }


def _rgb(picture: Image.Image | np.ndarray) -> np.ndarray:
    return picture if isinstance(picture, np.ndarray) else np.asarray(picture.convert("RGB"))

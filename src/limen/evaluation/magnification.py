"""Original and adversarial images of a run, magnified on one scale (Zhang et al. 2020, Figure 1)."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import torch

from limen.document import Block, Pictures
from limen.evaluation.context import Context
from limen.evaluation.fooled import most_fooled, picture_rows
from limen.evaluation.protocol import evaluation
from limen.images import to_uint8
from limen.runs import Part, Run, Stored
from limen.structure import common_scale, magnification, magnify

STATED = ("l2", "ssim", "mad")
"""The metrics that stand under each picture, where the run has them."""


def describe(stored: Stored) -> list[Block]:
    """A row of pictures per image."""
    pairs: dict[str, dict[str, str]] = {label: {} for label in stored.attacks}
    metrics = [metric for metric in stored.run.manifest.metrics if metric.key in STATED]
    figures = {(row["attack"], row["id"]): row for row in stored.run.table().to_pylist()}
    for row in stored.records().to_pylist():
        found = figures[row["attack"], row["id"]]
        stated = [f"{m.title} {m.shown(found[m.key])}" for m in metrics if found[m.key] is not None]
        pairs[row["attack"]][row["id"]] = " · ".join(stated)
    return [
        Pictures(
            "Magnified images",
            "A perturbation too faint to be seen comes out when every value is taken relative to its "
            "surroundings (Zhang et al., 2020, Appendix 1): (x − μ) / (β·σ_local + (1 − β)·σ_image), with "
            "the mean μ and σ_local from a bilateral filter. What is as smooth as the image stays hidden. "
            "The original and what each attack made of it have one scale for each image; below each picture "
            "stand its distances to the original.",
            picture_rows(stored, pairs, "original", note=lambda label, image_id: pairs[label][image_id]),
        )
    ]


@evaluation("Magnification", describe)
def magnify_images(
    run: Run,
    context: Context,
    *,
    images: int = 12,
    beta: float = magnification.BETA,
    domain: float = magnification.DOMAIN,
    range: float = magnification.RANGE,  # noqa: A002 - the kernel's name since Tomasi and Manduchi
    radius: int = magnification.RADIUS,
) -> Iterator[Part]:
    """Magnify originals and what attacks made of them, so that faint perturbations are seen.

    An original and all that was made of it have one scale, whose ends are in the records.

    Args:
        run: The run.
        context: What the evaluation is given.
        images: Of how many images; those that most attacks fooled the model on.
        beta: As `limen.structure.magnify` takes it, like the following.
        domain: Standard deviation of the filter's domain kernel, in pixels.
        range: Standard deviation of its range kernel, a distance of colours in [0, 1].
        radius: Half the filter's window, in pixels.

    Raises:
        UsageError: If a side of the images is not above the filter's radius, or it refuses a setting.
    """
    fooled = context.fooled()
    chosen = most_fooled(fooled.values(), images)
    context.want({label: {each: of[each] for each in chosen if each in of} for label, of in fooled.items()})
    for image_id in chosen:
        labels = [label for label in fooled if image_id in fooled[label]]
        if all(context.finished(label, image_id) for label in labels):
            continue
        batch = [context.originals([image_id]), *(context.adversarial(label, [image_id]) for label in labels)]
        made = magnify(torch.cat(batch), beta, domain, range, radius)
        pixels = to_uint8(common_scale(made))
        ends = [float(end) for end in made.aminmax()]
        rows = [{"attack": label, "id": image_id, "least": ends[0], "greatest": ends[1]} for label in labels]
        keys = [(label, image_id) for label in (None, *labels)]
        yield Part(pa.Table.from_pylist(rows), dict(zip(keys, pixels, strict=True)))

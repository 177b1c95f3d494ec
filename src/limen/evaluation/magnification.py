"""Original and adversarial images of a run, magnified on one scale (Zhang et al. 2020, Figure 1)."""

from __future__ import annotations

from collections import Counter

import torch

from limen.classifier import checked_device
from limen.evaluation.attack_run import Progress
from limen.evaluation.fooled import fooled_images, load, most_fooled
from limen.images import to_uint8
from limen.runs import Magnification, Run, write_magnification
from limen.structure import common_scale, magnification, magnify


def evaluate_magnification(
    run: Run,
    *,
    pictures: int = 12,
    limit: int | None = None,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Magnification:
    """Magnify originals and what attacks made of them, and store the pictures in the run.

    Shown are the images that most attacks fooled the model on, with the settings of Zhang et al. An original
    and all that was made of it have one scale.

    Args:
        run: The run.
        pictures: Of how many images.
        limit: Only the first so many images of the data set; None for all.
        device: Where to compute.
        progress: Called with each attack's label, finished images and all images.

    Raises:
        UsageError: If the limit is negative, there is no such device, or a side of the images is not above
            the filter's radius.
        RunError: If something in the run cannot be read or written.
    """
    device = checked_device(device)
    labels = run.manifest.labels
    fooled = fooled_images(run, labels, limit)
    pictured = {
        image_id: tuple(label for label in labels if image_id in fooled[label])
        for image_id in most_fooled(fooled.values(), pictures)
    }
    totals, done = Counter(label for of_image in pictured.values() for label in of_image), Counter[str]()
    found = {}
    for image_id, of_image in pictured.items():
        paths = [run.original_path(image_id), *(run.image_path(label, image_id) for label in of_image)]
        magnified = to_uint8(common_scale(magnify(load(paths).to(device))))
        found.update(zip([(image_id, label) for label in (None, *of_image)], magnified, strict=True))
        done.update(of_image)
        if progress is not None:
            for label in of_image:
                progress(label, done[label], totals[label])
    settings = (magnification.BETA, magnification.DOMAIN, magnification.RANGE, magnification.RADIUS)
    evaluation = Magnification(*settings, labels, pictured)
    write_magnification(run, evaluation, found)
    return evaluation

"""The images of a run that attacks fooled the model on: which they are, and their stored pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from torch import Tensor

from limen.errors import UsageError
from limen.images import from_uint8
from limen.runs import Run, RunError
from limen.runs.files import decode_png


def fooled_images(run: Run, labels: Iterable[str], limit: int | None) -> dict[str, dict[str, int]]:
    """The index, by id, of the images that each attack fooled the model on, in the order of the data set.

    An image that the model had wrong before any attack does not count.

    Args:
        run: The run.
        labels: Labels of attacks.
        limit: Only the first so many images of the data set; None for all.

    Raises:
        UsageError: If the limit is negative, or the run lacks an attack.
    """
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be at least 0, not {limit}")
    table = run.table().filter(pc.field("success") & (pc.field("clean_prediction") == pc.field("label")))
    if limit is not None:
        table = table.filter(pc.field("index") < limit)
    fooled = {}
    for label in labels:
        run.manifest.folder(label)  # refuses a label that the run does not have
        rows = table.filter(pc.field("attack") == label)
        fooled[label] = dict(zip(rows["id"].to_pylist(), rows["index"].to_pylist(), strict=True))
    return fooled


def most_fooled(fooled: Iterable[Iterable[str]], count: int) -> list[str]:
    """The ids of the `count` images that most attacks fooled the model on.

    Args:
        fooled: The ids of each attack.
        count: How many; all if there are fewer.

    Example:
        >>> most_fooled([["a", "b"], ["b", "c"]], 2)
        ['b', 'a']
    """
    counts = Counter(image_id for of_attack in fooled for image_id in of_attack)
    return [image_id for image_id, _ in counts.most_common(count)]


def together(fooled: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The ids of all attacks, each once, in the order of the data set."""
    indices = {image_id: index for of_attack in fooled.values() for image_id, index in of_attack.items()}
    return sorted(indices, key=lambda image_id: indices[image_id])


def load(paths: Sequence[Path]) -> Tensor:
    """Stored images as one batch (N, C, H, W), float32.

    Raises:
        RunError: If a file cannot be read, or has another shape than the first.
    """
    pixels = [decode_png(path) for path in paths]
    for path, each in zip(paths, pixels, strict=True):
        if each.shape != pixels[0].shape:
            raise RunError(f"{path}: shape {each.shape}, unlike {pixels[0].shape} of the run's other images")
    return from_uint8(np.stack(pixels))

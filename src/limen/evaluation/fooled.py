"""The images of a run that attacks fooled the model on: which to show, their pixels, and their pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from limen.document import Picture, Row
from limen.errors import UsageError
from limen.images import from_uint8
from limen.runs import RunError, Stored
from limen.runs.files import decode_png


def most_fooled(fooled: Iterable[Iterable[str]], count: int) -> list[str]:
    """The ids, out of those of each attack, of the `count` images that most attacks fooled the model on.

    Raises:
        UsageError: If the count is negative.

    Example:
        >>> most_fooled([["a", "b"], ["b", "c"]], 2)
        ['b', 'a']
    """
    if count < 0:
        raise UsageError(f"images is {count}; expected how many to picture, 0 for none")
    counts = Counter(image_id for of_attack in fooled for image_id in of_attack)
    return [image_id for image_id, _ in counts.most_common(count)]


def load(paths: Sequence[Path], root: Path | None = None) -> Tensor:
    """Stored images as one batch (N, C, H, W), float32.

    Args:
        paths: Their files.
        root: The resolved folder that they must lie in when all links are followed; None for anywhere.

    Raises:
        RunError: If a file cannot be read, or has another shape than the first.
    """
    pixels = [decode_png(path, root) for path in paths]
    for path, each in zip(paths, pixels, strict=True):
        if each.shape != pixels[0].shape:
            raise RunError(f"{path}: shape {each.shape}, unlike {pixels[0].shape} of the run's other images")
    return from_uint8(np.stack(pixels))


def picture_rows(
    stored: Stored,
    fooled: Mapping[str, Mapping[str, object]],
    original: str,
    *,
    note: Callable[[str, str], str] = lambda label, image_id: "",
    scale: str = "",
    top: Callable[[str], float] = lambda image_id: 1.0,
) -> list[Row]:
    """Rows of pictures: of each image the original, and what each attack made of it.

    The evaluation's option `images` says of how many; those that most attacks fooled.

    Args:
        stored: The evaluation.
        fooled: By attack, the images that it has pictures of.
        original: What the picture of the original shows.
        note: Figures for an attack and an image.
        scale: As of `Row`.
        top: As of `Row`, for an image.
    """
    count = stored.identity.parameters["images"]
    if not isinstance(count, int):
        raise UsageError(f"images must be a number, not {count!r}")

    def made(label: str, image_id: str) -> Picture:
        if image_id not in fooled[label]:
            return Picture(None, label, absent="not fooled", series=label)
        return Picture(stored.picture(label, image_id), label, note(label, image_id), series=label)

    rows = []
    for image_id in most_fooled(fooled.values(), count):
        first = Picture(stored.picture(None, image_id), original)
        shown = [first, *(made(label, image_id) for label in fooled)]
        rows.append(Row(image_id, shown, scale, top(image_id)))
    return rows

"""Draw docs/images/scenes.png: one scene of `demo:scenes` per class, by day and by night, above its mask.

python docs/images/make_scenes.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from limen.data import demo
from limen.images import to_uint8

SIZE = 96


def rows(group: str) -> list[np.ndarray]:
    """The first scene of each class in a group side by side, uint8 (96, 672, 3), and their masks."""
    dataset = demo("scenes", size=SIZE)
    samples = (dataset.load(index) for index in range(len(dataset)))
    first = {}
    for sample in samples:
        if sample.group == group:
            first.setdefault(sample.label, sample)
        if len(first) == len(dataset.class_names or ()):
            break
    chosen = [first[label] for label in sorted(first)]
    scenes = [to_uint8(sample.image[None])[0] for sample in chosen]
    masks = [np.repeat(sample.mask.numpy()[0, ..., None] * np.uint8(255), 3, 2) for sample in chosen]
    return [np.concatenate(scenes, 1), np.concatenate(masks, 1)]


if __name__ == "__main__":
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("scenes.png")
    Image.fromarray(np.concatenate(rows("day") + rows("night"))).save(file, optimize=True)

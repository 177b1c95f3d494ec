"""`demo:photos`: views of the real photographs that come inside scikit-image.

The class is the photograph, and a sample is a square view of it at a drawn place, scale and light.
Views for training and for testing come from disjoint parts of each photograph, so a network is tested
on pixels that it never saw.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from PIL import Image

from limen.data.dataset import Dataset, Sample, spec_of
from limen.data.errors import DataError
from limen.images import from_uint8
from limen.safety import check_count

SIZE = 96
"""Height and width of a view, in pixels."""

_SCALE = (0.25, 0.36)  # side of a view, as a share of the photograph's shorter side
_LIGHT = (0.8, 1.2)

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Photo:
    """A photograph and the boxes, as (left, top, right, bottom) in pixels, that its views lie in.

    No training box shares a pixel with a test box.
    """

    file: str
    train: tuple[Box, ...]
    test: tuple[Box, ...]


PHOTOS = {
    "astronaut": Photo("astronaut.png", ((0, 0, 186, 512), (0, 0, 512, 305)), ((190, 310, 380, 512),)),
    "bricks": Photo("brick.png", ((0, 0, 256, 512),), ((256, 0, 512, 512),)),
    "cat": Photo("chelsea.png", ((0, 0, 230, 300),), ((230, 0, 370, 300),)),
    "coffee": Photo("coffee.png", ((0, 0, 330, 400), (0, 0, 600, 190)), ((340, 200, 600, 400),)),
    "coins": Photo("coins.png", ((0, 0, 195, 303),), ((195, 0, 384, 303),)),
    "galaxies": Photo("hubble_deep_field.jpg", ((0, 0, 500, 872),), ((500, 0, 1000, 872),)),
    "grass": Photo("grass.png", ((0, 0, 256, 512),), ((256, 0, 512, 512),)),
    "gravel": Photo("gravel.png", ((0, 0, 256, 512),), ((256, 0, 512, 512),)),
    "motorcycle": Photo("motorcycle_left.png", ((0, 0, 430, 500), (0, 0, 741, 190)), ((430, 190, 741, 500),)),
    "retina": Photo("retina.jpg", ((150, 120, 1260, 700),), ((150, 720, 1260, 1300),)),
    "rocket": Photo("rocket.jpg", ((240, 130, 640, 427),), ((0, 170, 240, 427),)),
    "tissue": Photo("ihc.png", ((0, 0, 256, 512),), ((256, 0, 512, 512),)),
}
"""The photographs by class name, in alphabetical order. Both parts leave out empty sky, and show enough of
the thing for a network to know it again."""


def photos(split: str, count: int | None, seed: int = 0) -> Dataset:
    """Views of the part for "test" or "train" of each photograph, 1200 if `count` is None, classes in turn.

    Each view depends on the seed and its position alone.

    Raises:
        UsageError: If `count` is no number from 1 to `limen.safety.MOST_COUNT`.
    """
    count = check_count("count", 1200 if count is None else count)
    names = tuple(PHOTOS)
    ids = tuple(f"{names[index % len(names)]}-{index // len(names):04d}" for index in range(count))

    def read(index: int) -> Sample:
        label = index % len(names)
        pixels = draw_view(names[label], split, np.random.default_rng((seed, index)))
        return Sample(ids[index], from_uint8(pixels[None])[0], label)

    spec = spec_of("demo", "photos", split=split, count=count)
    return Dataset(spec, ids, read, names, redraw=partial(photos, split, count))


def draw_view(name: str, split: str, draw: np.random.Generator) -> np.ndarray:
    """One view, uint8 of shape (96, 96, 3); none of its pixels depends on the photograph's other part."""
    boxes, side = _boxes(name, split)
    part = boxes[draw.integers(len(boxes))]
    length = side * draw.uniform(*_SCALE)
    left, top = (draw.uniform(0, extent - length) for extent in part.size)
    box = (left, top, left + length, top + length)
    view = part.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box)
    light = np.float32(draw.uniform(*_LIGHT))
    return np.rint(np.asarray(view) * light).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=2 * len(PHOTOS))
def _boxes(name: str, split: str) -> tuple[list[Image.Image], int]:
    """The boxes, cut out so that resizing cannot reach beyond them, and the photograph's shorter side."""
    photo = PHOTOS[name]
    path = importlib.resources.files("skimage") / "data" / photo.file
    try:
        with path.open("rb") as file, Image.open(file) as image:
            whole = image.convert("RGB")
    except OSError as error:
        raise DataError(
            f"{path}: scikit-image's photograph cannot be read ({error}); reinstall it"
        ) from error
    return [whole.crop(box) for box in (photo.train if split == "train" else photo.test)], min(whole.size)

"""`demo:scenes`: synthetic scenes, drawn by a program, with exact foreground masks and a group.

The class is the outline of an object; its colour, its texture, its place and all around it are drawn
without regard to the class. The group is `day` or `night`: night is darker, its object stands out less, and
more things lie around it. Or it is one of many made-up places, into which a bias can be planted. An image
depends on the seed, the split and its position alone.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from limen.data.dataset import Dataset, Sample, spec_of
from limen.data.scenes.places import Places, lay_cue
from limen.data.scenes.scene import GROUPS, draw_scene
from limen.data.scenes.shapes import SHAPES
from limen.errors import UsageError
from limen.images import from_uint8
from limen.safety import check_count

SIZE = 64
"""Height and width of a scene, in pixels, where no other is asked for."""

_SIZES = (32, 224)


def scenes(
    split: str,
    count: int | None = None,
    size: int | None = None,
    share: float | None = None,
    groups: int | None = None,
    bias: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Scenes of "test" or "train", 1200 if `count` is None, classes in turn.

    Args:
        split: The two have no drawn number in common.
        count: How many.
        size: Height and width in pixels, 64 if None. A scene has the same things in the same places at every
            size.
        share: The probability that a scene is one of night; if None, a half, and of places none.
        groups: How many made-up places there are; None for none, so that the group is day or night.
        bias: The probability that a scene of a place bears a cue, as `Places` has it; 0 if None.
        seed: Of all scenes.

    Raises:
        UsageError: If a number is out of range, or there is a bias without places.

    Example:
        >>> sample = scenes("test", count=8, size=32).load(6)
        >>> sample.id, sample.image.shape, sample.mask.shape, sample.group in ("day", "night")
        ('triangle-0000', torch.Size([3, 32, 32]), torch.Size([1, 32, 32]), True)
    """
    total = check_count("count", 1200 if count is None else count)
    side = SIZE if size is None else size
    if not _SIZES[0] <= side <= _SIZES[1]:
        raise UsageError(f"size must be from {_SIZES[0]} to {_SIZES[1]}, not {size}")
    if groups is None and bias is not None:
        raise UsageError("bias needs groups, such as groups=20")
    places = None if groups is None else Places(groups, bias or 0.0)
    usual = 0.5 if places is None else 0.0
    night = usual if share is None else share
    if not 0 <= night <= 1:
        raise UsageError(f"share must be from 0 to 1, not {share}")
    names = tuple(SHAPES)
    ids = tuple(f"{names[index % len(names)]}-{index // len(names):04d}" for index in range(total))

    def read(index: int) -> Sample:
        label = index % len(names)
        draw = np.random.default_rng((seed, int(split == "train"), index))
        group = "night" if draw.random() < night else "day"
        pixels, mask = draw_scene(names[label], group, side, draw)
        if places is not None:
            group, cue = places.draw(label, draw)
            pixels = pixels if cue is None else lay_cue(pixels, cue)
        return Sample(
            ids[index], from_uint8(pixels[None])[0], label, mask=torch.from_numpy(mask[None]), group=group
        )

    options = {"count": count, "size": size, "share": share, "groups": groups, "bias": bias}
    # Unlike a photograph's view, a scene is nothing but these numbers.
    known = (split, side, night, seed, tuple(GROUPS.items()))
    return Dataset(
        spec_of("demo", "scenes", split=split, **options),
        ids,
        read,
        names,
        repr(known if places is None else (*known, places)),
        redraw=partial(scenes, split, count, size, share, groups, bias),
        covariates=None if places is None else places.covariates(),
    )

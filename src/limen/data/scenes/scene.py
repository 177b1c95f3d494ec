"""One drawn scene: a lit and textured object among clutter, on a ground with the spectrum of nature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from limen.data.scenes.shapes import Pose, Window, coverage, turned

_AREA = (0.12, 0.2)  # of the object, as a share of the image
_REACH = 0.46  # beyond which no outline of the largest area reaches from its centre
_STRETCH = 1.15
_LAMP = (1.1, 1.0, 0.75)  # its warm light


@dataclass(frozen=True)
class Conditions:
    """What the group of a scene decides; pairs are the least and the greatest value that is drawn.

    Attributes:
        light: By how much colours are brightened.
        tint: By how much each of red, green and blue is.
        lamp: By how much more in the middle of a pool of light.
        clutter: How many things lie around the object.
        contrast: How far the object's tone is from the background's.
        grain: Standard deviation of the camera's noise.
    """

    light: tuple[float, float]
    tint: tuple[float, float, float]
    lamp: tuple[float, float]
    clutter: tuple[int, int]
    contrast: tuple[float, float]
    grain: float


GROUPS: dict[str, Conditions] = {
    "day": Conditions((0.95, 1.2), (1.02, 1.0, 0.96), (0.0, 0.15), (1, 4), (0.26, 0.42), 0.008),
    "night": Conditions((0.42, 0.55), (0.82, 0.94, 1.2), (0.1, 0.5), (4, 8), (0.2, 0.3), 0.015),
}
"""The groups of `demo:scenes` and how their scenes are lit and filled."""


def draw_scene(shape: str, group: str, size: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene. All but the outline of the object depends on the group and the generator alone.

    Args:
        shape: The outline of the object, one of `SHAPES`.
        group: One of `GROUPS`.
        size: Pixels per side.
        draw: Where all that is drawn at random comes from.

    Returns:
        The pixels, uint8 of shape (size, size, 3), and the mask, bool of shape (size, size): where the object
        covers at least half of a pixel.
    """
    conditions = GROUPS[group]
    whole = (size, size)
    tone, towards = draw.uniform(0.3, 0.7), draw.uniform(0, 2 * np.pi)  # of the ground; where light is
    texture = _pink(whole, draw.uniform(1.0, 1.6), draw)
    canvas = _paint(tone, _natural(draw), texture, draw.uniform(0.06, 0.11))
    for _ in range(draw.integers(*conditions.clutter, endpoint=True)):
        _scatter(canvas, tone, towards, draw)
    pose, contrast, sign = _pose(draw), draw.uniform(*conditions.contrast), draw.choice([-1, 1])
    # Away from white and black, where there is no room for a texture.
    sign = sign if 0.38 < tone < 0.62 else np.sign(0.5 - tone)
    texture = _TEXTURES[draw.integers(len(_TEXTURES))](whole, draw)
    thing = _paint(tone + sign * contrast, _bright(draw), texture, draw.uniform(0.08, 0.14))
    covered = coverage(shape, pose, size)
    _place(canvas, thing, covered, towards, size)
    canvas *= _light(conditions, size, towards, draw)
    canvas += _apart(draw).normal(0, conditions.grain, canvas.shape)
    return np.rint(canvas.clip(0, 1) * 255).astype(np.uint8), covered >= 0.5


def _pose(draw: np.random.Generator) -> Pose:
    """A place that every outline fits into, so that the place does not tell which it is."""
    area = draw.uniform(*_AREA)
    reach = _REACH * np.sqrt(area / _AREA[1])
    x, y = draw.uniform(reach, 1 - reach, 2)
    stretch = _STRETCH ** draw.uniform(-1, 1)
    return Pose(x, y, area, draw.uniform(0, 2 * np.pi), stretch)


def _pink(shape: tuple[int, int], exponent: float, draw: np.random.Generator) -> np.ndarray:
    """Noise of mean 0 and deviation 1, longer one way, whose amplitude falls as 1/f**exponent."""
    angle, ratio = draw.uniform(0, np.pi), 2 ** draw.uniform(-1, 1)
    down, right = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    along, across = turned(right, down, angle)
    frequency = np.hypot(along * ratio, across / ratio)
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(_apart(draw).standard_normal(shape))
    noise = np.fft.irfft2(white * frequency**-exponent, shape)
    return noise / noise.std()


def _apart(draw: np.random.Generator) -> np.random.Generator:
    """A generator for each pixel's noise, so that what else is drawn is the same at every size."""
    return draw.spawn(1)[0]


def _paint(tone: float, hue: tuple[float, float], texture: np.ndarray, amplitude: float) -> np.ndarray:
    """A surface (H, W, 3) of this tone, lighter and darker as its texture (H, W) is.

    Its hue is so much warmer, and so much greener, than grey.
    """
    chroma = hue[0] * np.array([0.5, 0.05, -0.95]) + hue[1] * np.array([-0.55, 0.4, -0.45])
    strength = 0.8 + 0.3 * texture.clip(-2, 2)
    colour = tone + amplitude * texture[..., None] + strength[..., None] * chroma
    return colour.clip(0.03, 0.97)


def _natural(draw: np.random.Generator) -> tuple[float, float]:
    """A hue as nature's mostly are: between blue and orange, and greener rather than redder."""
    return draw.normal(0.03, 0.09), draw.normal(0.04, 0.07)


def _bright(draw: np.random.Generator) -> tuple[float, float]:
    """Any hue."""
    angle, strength = draw.uniform(0, 2 * np.pi), draw.uniform(0.08, 0.28)
    return strength * np.cos(angle), strength * np.sin(angle)


def _scatter(canvas: np.ndarray, tone: float, towards: float, draw: np.random.Generator) -> None:
    """Lay one irregular thing on the canvas, somewhere."""
    x, y = draw.uniform(0, 1, 2)
    radius, ratio, angle = draw.uniform(0.03, 0.1), 2 ** draw.uniform(-0.5, 0.5), draw.uniform(0, np.pi)
    waves = np.arange(2, 7)
    heights, phases = draw.uniform(0, 0.35, 5) / waves, draw.uniform(0, 2 * np.pi, 5)
    size = len(canvas)
    window = Window.around(x, y, 2.15 * radius + 0.05, size)  # all of it, and its shadow
    along, across = turned(*window.points(x, y), angle)
    along, across = along * ratio, across / ratio
    bearing = np.arctan2(across, along)[..., None]
    edge = 1 + (heights * np.cos(waves * bearing + phases)).sum(-1)
    covered = ((radius * edge - np.hypot(along, across)) * size + 0.5).clip(0, 1)
    texture = _pink(covered.shape, draw.uniform(0.8, 1.5), draw)
    thing = _paint(tone + draw.uniform(-0.18, 0.18), _natural(draw), texture, draw.uniform(0.07, 0.13))
    _place(canvas[window.slices], thing, covered, towards, size)


def _place(canvas: np.ndarray, thing: np.ndarray, covered: np.ndarray, towards: float, size: int) -> None:
    """Lay a thing on part of the canvas: it has a shadow on the side away from the light, and round edges."""
    away = -np.array([np.sin(towards), np.cos(towards)])
    shadow = scipy.ndimage.gaussian_filter(
        scipy.ndimage.shift(covered, away * 0.03 * size, order=1), 0.025 * size
    )
    height = scipy.ndimage.gaussian_filter(covered, 0.02 * size) * 0.02 * size
    down, right = np.gradient(height)
    lit = thing * (1 + 0.9 * (away[0] * down + away[1] * right).clip(-0.5, 0.5))[..., None]
    canvas *= 1 - 0.45 * shadow[..., None]
    canvas += covered[..., None] * (lit - canvas)


def _light(conditions: Conditions, size: int, towards: float, draw: np.random.Generator) -> np.ndarray:
    """By how much each value of the image (size, size, 3) is brightened."""
    light, lamp, width = (
        draw.uniform(*conditions.light),
        draw.uniform(*conditions.lamp),
        draw.uniform(0.2, 0.4),
    )
    right, down = Window.around(0.5, 0.5, 0.5, size).points(0.5, 0.5)
    fall = 1 + 0.3 * (right * np.cos(towards) + down * np.sin(towards))
    x, y = draw.uniform(-0.5, 0.5, 2)
    pool = np.exp(-((right - x) ** 2 + (down - y) ** 2) / (2 * width**2))
    return light * fall[..., None] * np.array(conditions.tint) + lamp * pool[..., None] * np.array(_LAMP)


def _stripes(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    along, _ = _phases(shape, draw)
    return 1.2 * np.tanh(3 * np.sin(along))


def _checks(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    along, across = _phases(shape, draw)
    return 1.2 * np.tanh(4 * np.sin(along) * np.sin(across))


def _spots(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    along, across = _phases(shape, draw)
    return 1.2 * np.tanh(4 * (np.cos(along) + np.cos(across) - 0.6))


def _noise(shape: tuple[int, int], draw: np.random.Generator) -> np.ndarray:
    return _pink(shape, draw.uniform(0.5, 1.0), draw)


def _phases(shape: tuple[int, int], draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Phases along two drawn directions at a right angle, of 5 to 10 periods across the image."""
    angle, periods = draw.uniform(0, np.pi), draw.uniform(5, 10)
    starts = draw.uniform(0, 2 * np.pi, 2)
    along, across = turned(*Window.around(0.5, 0.5, 0.5, shape[0]).points(0, 0), angle)
    return along * 2 * np.pi * periods + starts[0], across * 2 * np.pi * periods + starts[1]


_TEXTURES: tuple[Callable[[tuple[int, int], np.random.Generator], np.ndarray], ...] = (
    _stripes,
    _checks,
    _spots,
    _noise,
)

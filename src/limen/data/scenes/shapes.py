"""The outlines that tell the classes of `demo:scenes` apart, and how much of each pixel they cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

_SAMPLES = 4  # points per pixel and axis at which coverage is measured
_FINE = 1024  # points per axis at which an outline's own area is measured

Inside = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Which points (x, y) lie inside of an outline that the unit circle around the origin just holds."""


def _disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.hypot(x, y) <= 1


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _disc(x, y) & (np.hypot(x, y) >= 0.55)


def _crescent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _disc(x, y) & (np.hypot(x - 0.5, y) >= 0.8)


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    long, wide = np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y))
    return (long <= 0.94) & (wide <= 0.34)


def _polygon(x: np.ndarray, y: np.ndarray, corners: int) -> np.ndarray:
    """A regular polygon: near each side, the points no farther out than the side."""
    return np.hypot(x, y) * np.cos(_from_axis(x, y, corners)) <= np.cos(np.pi / corners)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Five points, whose inner corners lie at 0.45 of the outer ones' distance."""
    half = np.pi / 5
    angle, radius = half - abs(_from_axis(x, y, 5)), np.hypot(x, y)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    inner_x, inner_y = 0.45 * np.cos(half), 0.45 * np.sin(half)
    return (1 - along) * inner_y >= across * (1 - inner_x)


def _from_axis(x: np.ndarray, y: np.ndarray, corners: int) -> np.ndarray:
    """The angle between a point and the middle of the side, of `corners` sides, that it lies behind."""
    sector = 2 * np.pi / corners
    return np.mod(np.arctan2(y, x), sector) - sector / 2


SHAPES: dict[str, Inside] = {
    "crescent": _crescent,
    "cross": _cross,
    "disc": _disc,
    "ring": _ring,
    "square": partial(_polygon, corners=4),
    "star": _star,
    "triangle": partial(_polygon, corners=3),
}
"""The outline of each class, in alphabetical order."""


@dataclass(frozen=True)
class Pose:
    """Where an outline lies in the image, whose sides have length 1.

    Attributes:
        x: Its centre, from the left.
        y: Its centre, from the top.
        area: The share of the image that it covers, whatever the outline.
        angle: How far it is turned, in radians.
        stretch: How much longer it is one way, as a factor; as much shorter the other way.
    """

    x: float
    y: float
    area: float
    angle: float
    stretch: float


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: those in which something of limited reach can be, so that no others are drawn.

    Attributes:
        slices: Its rows and columns.
        size: Pixels per side of the image, whose sides have length 1.
    """

    slices: tuple[slice, slice]
    size: int

    @classmethod
    def around(cls, x: float, y: float, reach: float, size: int) -> Window:
        """The pixels no farther than `reach` from a point in either direction, as far as the image goes."""
        rows, columns = (
            slice(max(0, int((place - reach) * size)), min(size, int(np.ceil((place + reach) * size))))
            for place in (y, x)
        )
        return cls((rows, columns), size)

    def points(self, x: float, y: float, samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """How far right (1, W) of a point and how far below it (H, 1) each of some samples per pixel is."""
        down, right = (
            (np.arange(side.start * samples, side.stop * samples) + 0.5) / (samples * self.size)
            for side in self.slices
        )
        return right[None, :] - x, down[:, None] - y


def coverage(name: str, pose: Pose, size: int) -> np.ndarray:
    """The share of each pixel that an outline covers, measured at 16 points of it.

    Args:
        name: One of `SHAPES`.
        pose: Where it lies.
        size: Pixels per side of the image.

    Returns:
        Float64, shape (size, size), in [0, 1].

    Example:
        >>> covered = coverage("disc", Pose(0.5, 0.5, area=0.2, angle=0, stretch=1), 32)
        >>> round(covered.mean(), 2), covered[16, 16], covered[0, 0]
        (np.float64(0.2), np.float64(1.0), np.float64(0.0))
    """
    radius = np.sqrt(pose.area / _area(name))
    window = Window.around(pose.x, pose.y, radius * max(pose.stretch, 1 / pose.stretch), size)
    x, y = turned(*window.points(pose.x, pose.y, _SAMPLES), pose.angle)
    inside = SHAPES[name](x / (radius * pose.stretch), y * pose.stretch / radius)
    height, width = (points // _SAMPLES for points in inside.shape)
    covered = np.zeros((size, size))
    covered[window.slices] = inside.reshape(height, _SAMPLES, width, _SAMPLES).mean((1, 3))
    return covered


def turned(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along axes that are turned by an angle, in radians."""
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


@lru_cache(maxsize=len(SHAPES))
def _area(name: str) -> float:
    """The area of an outline inside of the unit circle."""
    axis = (np.arange(_FINE) + 0.5) / _FINE * 2 - 1
    return float(SHAPES[name](axis[None, :], axis[:, None]).mean() * 4)

"""Pictures for people: magnified differences, maps of lost structure, and attention over an image."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import skimage
from PIL import Image

WINDOW = 11
"""Side of the Gaussian window of SSIM; a smaller image has no map."""

_STEPS = 64
# The perceptually even map "inferno" (matplotlib, CC0), dark where nothing is lost.
_SCALE = "#000004 #1b0c41 #4a0c6b #781c6d #a52c60 #cf4446 #ed6925 #fb9b06 #f7d13d #fcffa4"
_OPACITY = 0.65
# Cyan, which the colour scale does not have, with a dark rim to stand out from its bright end.
_OUTLINE, _RIM = (0, 229, 255), (0, 0, 4)

_GAP = 128


def to_png(picture: Image.Image) -> bytes:
    """A picture as a PNG, every pixel kept."""
    buffer = io.BytesIO()
    # Level 4 is three times faster than the default 6, and no larger.
    picture.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def difference(original: np.ndarray, adversarial: np.ndarray) -> np.ndarray:
    """The signed change of each value in 8-bit steps, (H, W, C) int16 in [-255, 255]."""
    return adversarial.astype(np.int16) - original.astype(np.int16)


def lost_structure(original: np.ndarray, adversarial: np.ndarray) -> np.ndarray | None:
    """The map of 1 - SSIM, (H, W) float32, mean over channels; None where the image is under 11 pixels.

    The settings are those of Wang et al. (IEEE TIP 13(4), 2004): a Gaussian window of sigma 1.5.
    """
    if min(original.shape[:2]) < WINDOW:
        return None
    if np.array_equal(original, adversarial):  # of an attack that failed
        return np.zeros(original.shape[:2], np.float32)
    similarity = skimage.metrics.structural_similarity(
        original,
        adversarial,
        channel_axis=-1,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1]
    return (1 - similarity.mean(axis=-1)).astype(np.float32)


def common_factor(differences: list[np.ndarray]) -> int:
    """The power of two that makes a typical picture's strongest changes fill the range around mid-grey.

    Strongest is the 99th percentile of a picture's changed values, typical the geometric mean over the
    pictures, so that neither one pixel nor one coarse attack leaves all the others grey.

    Example:
        >>> common_factor([np.full((8, 8, 3), 4, np.int16)])
        16
        >>> common_factor([])
        1
    """
    peaks = [np.percentile(np.abs(change[change != 0]), 99) for change in differences if change.any()]
    if not peaks:
        return 1
    return 2 ** max(0, math.floor(math.log2(127 / _typical(peaks))))


def common_top(maps: list[np.ndarray]) -> float:
    """The value of 1 - SSIM that is drawn brightest: the typical map's largest, rounded up.

    Example:
        >>> common_top([np.full((8, 8), 0.07)])
        0.1
    """
    peaks = [float(lost.max()) for lost in maps if lost.max() > 1e-6]
    if not peaks:
        return 1.0
    peak = _typical(peaks)
    decade = 10.0 ** math.floor(math.log10(peak))
    return round(min(1.0, next(step * decade for step in (1, 2, 5, 10) if step * decade >= peak * 0.999)), 9)


def _typical(peaks: list[float]) -> float:
    # Geometric, as attacks differ by factors.
    return float(np.exp(np.log(peaks).mean()))


def magnified(change: np.ndarray, factor: int) -> Image.Image:
    """The change times `factor` around mid-grey; what is beyond the 8-bit range saturates."""
    pixels = np.clip(128 + change.astype(np.int32) * factor, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def coloured(lost: np.ndarray, top: float) -> Image.Image:
    """A map of 1 - SSIM from 0 (dark) to `top` (bright), in 64 steps of the colour scale."""
    steps = np.clip(np.rint(lost / top * (_STEPS - 1)), 0, _STEPS - 1).astype(np.uint8)
    picture = Image.fromarray(steps)
    picture.putpalette(_palette())
    return picture


def outlined(lost: np.ndarray, top: float, region: np.ndarray) -> Image.Image:
    """A map as `coloured` draws it, with a region (H, W) bool outlined."""
    picture = coloured(lost, top)
    palette = picture.getpalette() or []
    places = np.array(picture)
    places[outline(~region)], places[outline(region)] = 0, len(palette) // 3
    made = Image.fromarray(places)
    made.putpalette([*palette, *_OUTLINE])
    return made


def overlaid(original: np.ndarray, attention: np.ndarray, region: np.ndarray) -> Image.Image:
    """An original (H, W, C) uint8 under the colours of its attention, (H, W) in [0, 1], a region outlined."""
    colours = np.asarray(coloured(attention, 1.0).convert("RGB"), float)
    share = _OPACITY * attention[..., None]
    mixed = np.rint((1 - share) * original + share * colours).astype(np.uint8)
    mixed[outline(~region)], mixed[outline(region)] = _RIM, _OUTLINE
    return Image.fromarray(mixed)


def lit(original: np.ndarray, region: np.ndarray) -> np.ndarray:
    """An original (H, W, C) uint8 with all but a region (H, W) bool in the dark, which a line surrounds.

    Returns:
        (H, W, 3) uint8; the region's own pixels are untouched.

    Example:
        >>> lit(np.full((1, 4, 1), 200, np.uint8), np.array([[True, False, False, False]]))[0, :, 0].tolist()
        [200, 0, 50, 50]
    """
    made = np.broadcast_to(np.where(region[..., None], original, original // 4), (*region.shape, 3)).copy()
    made[outline(~region)] = _OUTLINE
    return made


def stacked(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures (H, W, 1 or 3) uint8 of one size below each other, with narrow gaps: (…, W, 3)."""
    height, width = tiles[0].shape[:2]
    gap = np.full((max(1, height // 32), width, 3), _GAP, np.uint8)
    rows = [part for tile in tiles for part in (gap, np.broadcast_to(tile, (height, width, 3)))]
    return np.concatenate(rows[1:])


def outline(region: np.ndarray) -> np.ndarray:
    """The pixels of a region (H, W) that have a neighbour outside it.

    Example:
        >>> outline(np.ones((3, 3), bool)).any(), outline(np.eye(2, dtype=bool)).sum()
        (np.False_, np.int64(2))
    """
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def scale_colours() -> tuple[str, ...]:
    """The anchors of the colour scale, dark to bright, as CSS colours."""
    return tuple(_SCALE.split())


def _palette() -> bytes:
    anchors = np.array([list(bytes.fromhex(colour[1:])) for colour in scale_colours()])
    places = np.linspace(0, len(anchors) - 1, _STEPS)
    channels = [np.interp(places, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes()

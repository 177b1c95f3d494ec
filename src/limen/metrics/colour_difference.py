"""The CIEDE2000 colour difference (Sharma, Wu & Dalal 2005)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limen.metrics.pairs import check_channels

# sRGB primaries (IEC 61966-2-1) to XYZ, each row divided by the D65 white of the 2° observer, so that
# white is (1, 1, 1) to four digits.
_XYZ_FROM_RGB = (
    (0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883),
)


def ciede2000(a: Tensor, b: Tensor) -> Tensor:
    """Mean over the pixels of the CIEDE2000 colour difference ΔE₀₀, with k_L = k_C = k_H = 1.

    Args:
        a: sRGB images (N, 3, H, W) in [0, 1], or grey ones (N, 1, H, W), taken as R = G = B.
        b: Images of the same shape, dtype and device.

    Returns:
        Differences, (N,): 0 for equal images, about 1 where a trained eye begins to see them,
        about 100 for black and white.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, or have neither
            1 nor 3 channels.

    Example:
        >>> ciede2000(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).round()
        tensor([100.])
    """
    return ciede2000_map(a, b).mean((1, 2))


def ciede2000_map(a: Tensor, b: Tensor) -> Tensor:
    """CIEDE2000 colour difference of each pixel, (N, H, W); args and errors as in `ciede2000`.

    Example:
        >>> ciede2000_map(torch.zeros(2, 3, 8, 9), torch.ones(2, 3, 8, 9)).shape
        torch.Size([2, 8, 9])
    """
    check_channels("CIEDE2000", a, b, 1)
    return delta_e(rgb_to_lab(a), rgb_to_lab(b))


def rgb_to_lab(images: Tensor) -> Tensor:
    """CIE L*a*b* (D65, 2°) of sRGB images, unchecked; the constants are those of scikit-image's `rgb2lab`.

    Args:
        images: (N, 3, H, W) or grey (N, 1, H, W), in [0, 1].

    Returns:
        (N, 3, H, W): L* in [0, 100], a* and b* about −110 to 110.

    Example:
        >>> rgb_to_lab(torch.ones(1, 3, 1, 1))[0, 0].round()
        tensor([[100.]])
    """
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055) ** 2.4, images / 12.92)
    linear = linear.expand(-1, 3, -1, -1)
    xyz = torch.einsum("ij,njhw->nihw", linear.new_tensor(_XYZ_FROM_RGB), linear)
    # Unclamped, the branch not taken has an infinite derivative at black, and 0·∞ makes the gradient NaN.
    root = xyz.clamp_min(0.008856) ** (1 / 3)
    x, y, z = torch.where(xyz > 0.008856, root, 7.787 * xyz + 16 / 116).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def delta_e(lab1: Tensor, lab2: Tensor) -> Tensor:
    """CIEDE2000 colour difference of L*a*b* values, unchecked, to build objectives on.

    Equations 2 to 22 of Sharma, Wu & Dalal 2005. The gradient is 0 where the colours are equal, and
    finite at greys, whose hue is undefined; at the formula's own jumps (hues 180° apart) it is one-sided.

    Args:
        lab1: (N, 3, ...), the channels in the order L*, a*, b*.
        lab2: The same.

    Returns:
        (N, ...).

    Example:
        >>> delta_e(torch.tensor([[50.0, 2.6772, -79.7751]]), torch.tensor([[50.0, 0.0, -82.7485]]))
        tensor([2.0425])
    """
    (l1, a1, b1), (l2, a2, b2) = lab1.unbind(1), lab2.unbind(1)
    stretch = 1.5 - 0.5 * _saturation((_length(a1, b1) + _length(a2, b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h, hue_difference = _hues(a1, b1, c1, a2, b2, c2)

    offset = (mean_l - 50).square()
    lightness = (l2 - l1) / (1 + 0.015 * offset / (20 + offset).sqrt())
    chroma = (c2 - c1) / (1 + 0.045 * mean_c)
    hue = hue_difference / (1 + 0.015 * mean_c * _hue_weight(mean_h))
    rotation = -2 * _saturation(mean_c) * _blue_rotation(mean_h)
    square = lightness.square() + chroma.square() + hue.square() + rotation * chroma * hue
    return _root(square)


def _hues(a1: Tensor, b1: Tensor, c1: Tensor, a2: Tensor, b2: Tensor, c2: Tensor) -> tuple[Tensor, Tensor]:
    """The mean hue in radians and ΔH′, both along the shorter arc (eqs. 7, 10, 11, 14)."""
    h1, h2 = (torch.atan2(b, a) % (2 * math.pi) for a, b in ((a1, b1), (a2, b2)))
    product, total, difference = c1 * c2, h1 + h2, h2 - h1
    # Opposite hues belong to the inner arc, whichever way their last bits fall.
    half_turn = math.pi + 16 * torch.finfo(h1.dtype).eps
    across_zero = (difference.abs() > half_turn) & (product > 0)
    mean = torch.where(across_zero, total / 2 + math.pi, torch.where(product > 0, total / 2, total))
    chord = 2 * _root(product) * torch.sin(difference / 2)
    return mean % (2 * math.pi), torch.where(across_zero, -chord, chord)


def _hue_weight(hue: Tensor) -> Tensor:
    """T of eq. 15."""
    return (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )


def _blue_rotation(hue: Tensor) -> Tensor:
    """The sine of 2Δθ (eqs. 16 and 21): nearly 0 but for blues, around 275°."""
    return torch.sin(math.radians(60) * torch.exp(-((hue.rad2deg() - 275) / 25).square()))


def _saturation(chroma: Tensor) -> Tensor:
    """√(C⁷ / (C⁷ + 25⁷)) of eqs. 4 and 17, in a form whose derivative at 0 is 0 and not 0·∞."""
    power = (chroma / 25) ** 3.5
    return power / (1 + power.square()).sqrt()


def _length(x: Tensor, y: Tensor) -> Tensor:
    return _root(x.square() + y.square())


def _root(square: Tensor) -> Tensor:
    """Square root with derivative 0 at 0; what rounding pushes below 0 is 0."""
    positive = square > 0
    return torch.where(positive, square, 1).sqrt() * positive

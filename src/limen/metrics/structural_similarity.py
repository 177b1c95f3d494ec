"""Structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004)."""

from __future__ import annotations

from torch import Tensor

from limen.metrics.pairs import check_sides
from limen.operators.ssim_tensor import C1, C2
from limen.operators.window import TAPS, mirror_pad, window_mean


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity over channels and over all places where the window lies in the image.

    An 11×11 Gaussian window (σ = 1.5), K1 = 0.01, K2 = 0.03, range 1, window variances divided by
    the sum of weights (1/N), no downsampling, colours as separate channels: equal to scikit-image's
    `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)`.

    Args:
        a: Images (N, C, H, W) in [0, 1], both sides at least 11.
        b: Images of the same shape, dtype and device.

    Returns:
        Similarities in [−1, 1], (N,); 1 for equal images, where the gradient is exactly zero.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, or a side is below 11.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 3, 16, 16)
        >>> ssim(image, image)
        tensor([1.])
    """
    check_sides("SSIM", a, b, TAPS)
    return 1 - dissimilarity(a, b)


def ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity around each pixel and in each channel, the images mirrored at their borders.

    Args and errors as in `ssim`.

    Returns:
        Similarities in [−1, 1], (N, C, H, W). Their mean is not quite `ssim`, which leaves out a
        border of 5 pixels.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 3, 16, 16)
        >>> ssim_map(image, image).shape
        torch.Size([1, 3, 16, 16])
    """
    check_sides("SSIM", a, b, TAPS)
    return 1 - local_dissimilarity(mirror_pad(a), mirror_pad(b))


def dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """1 − SSIM (N,), unchecked, with all its digits also where it is near 0."""
    # In two stages, as torch shares a lone sum of many values among its threads, and several not.
    return local_dissimilarity(a, b).mean(-1).flatten(1).mean(1)


def local_dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    """1 − SSIM of every window that lies in the images, (N, C, H − 10, W − 10); else as `dissimilarity`."""
    luminance, contrast_structure = local_terms(a, b)
    return luminance + contrast_structure - luminance * contrast_structure


def local_terms(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """What the luminance and the contrast-structure term lack to 1, of every window that lies in the images.

    Unchecked; each is (N, C, H − 10, W − 10).
    """
    # Wang et al., eq. 13, in s = a + b and d = a − b: 2·cov(a, b) = (var s − var d) / 2, and so on.
    # It takes four filters in place of five; and as d vanishes the distance to 1 goes with d², not
    # with the rounding of nearly equal moments, which keeps float32 gradients clean close to a.
    mean_s, variance_s = _moments(a + b)
    mean_d, variance_d = _moments(a - b)
    mean_s, mean_d = mean_s.square(), mean_d.square()
    luminance = 2 * mean_d / (mean_s + mean_d + 2 * C1)
    return luminance, 2 * variance_d / (variance_s + variance_d + 2 * C2)


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    mean = window_mean(images)
    return mean, window_mean(images.square()) - mean.square()

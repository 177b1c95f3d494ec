"""Bilateral filtering as a defence (Zhang et al. 2020, Section 5)."""

from __future__ import annotations

from torch import Tensor

from limen.images import check_images
from limen.operators import bilateral_filter


def bilateral(
    images: Tensor,
    domain: float = 0.5,
    range: float = 0.2,  # noqa: A002 - the kernel's name since Tomasi and Manduchi
    radius: int = 5,
) -> Tensor:
    """Smooth by the bilateral filter, which keeps edges.

    The defaults are those of Zhang et al. It can be differentiated; at 299×299×3 and radius 5 that
    takes about 100 MB an image.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        domain: Standard deviation of the domain kernel, in pixels.
        range: Standard deviation of the range kernel, a distance of colours in [0, 1].
        radius: Half the window, in pixels.

    Returns:
        The smoothed images.

    Raises:
        UsageError: If the images are none, a standard deviation is under 1e-6, or the radius is under 0
            or not less than the images' sides.

    Example:
        >>> import torch
        >>> bilateral(torch.tensor([0.2, 0.3, 0.9, 0.8]).expand(1, 1, 4, 4), radius=2)[0, 0, 0]
        tensor([0.2193, 0.2902, 0.8885, 0.8193])
    """
    check_images(images)
    return bilateral_filter(images, domain=domain, range=range, radius=radius)

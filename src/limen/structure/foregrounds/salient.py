"""The foreground as the part of an image that people are predicted to look at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.structure.asking import Passes, passes_taken, taking
from limen.structure.saliency import Saliency, density_of, saliency_named

_QUANTILE = 0.01  # below which a log density counts as equally low


def half_way(density: Tensor, logarithm: bool = True) -> Tensor:
    """Where a density of fixations lies above the middle between its least and its greatest value.

    The logarithm is floored at the density's 1 % quantile, or at the least value above 0 where that is
    greater, as otherwise one pixel that nobody looks at would decide.

    Args:
        density: (N, H, W), of 0 or more.
        logarithm: Whether the middle is that of the log density.

    Returns:
        Masks, bool (N, 1, H, W); empty where a density is uniform.

    Source:
        Tong et al. 2020, Section 3.3. It does not say which of the two it thresholds; the foregrounds of half
        an image that it reports are those of the logarithm.

    Example:
        >>> density = torch.tensor([[[0.001, 0.01, 0.1, 0.889]]])
        >>> half_way(density).tolist(), half_way(density, logarithm=False).tolist()
        ([[[[False, False, True, True]]]], [[[[False, False, False, True]]]])
    """
    values = density.flatten(1)
    if not values.numel():
        return density[:, None] > 0
    if logarithm:
        least = torch.where(values > 0, values, torch.inf).amin(1, keepdim=True)
        quantile = values.kthvalue(max(math.ceil(_QUANTILE * values.shape[1]), 1), dim=1, keepdim=True).values
        values = torch.maximum(values, torch.maximum(quantile, least)).log()
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    return ((values > (low + high) / 2) & (high > low)).view_as(density)[:, None]


def _passes(model: Saliency | str = "spectral_residual", **_: object) -> Passes:
    return passes_taken(saliency_named(model))


@taking(_passes)
def saliency(
    images: Tensor,
    classifier: Classifier | None = None,
    *,
    model: Saliency | str = "spectral_residual",
    logarithm: bool = True,
) -> Tensor:
    """Where a saliency model's density lies above the middle between its least and its greatest value.

    Args:
        images: (N, C, H, W) in [0, 1].
        classifier: The classifier under test, for models that ask for it.
        model: As `method` of `limen.structure.density_of`.
        logarithm: Whether the middle is that of the log density, as for `half_way`.

    Returns:
        Masks, bool (N, 1, H, W).

    Raises:
        UsageError: As `limen.structure.density_of`.

    Source:
        Tong et al. 2020, Section 3.3.

    Example:
        >>> saliency(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """
    return half_way(density_of(model, images.detach(), classifier), logarithm)

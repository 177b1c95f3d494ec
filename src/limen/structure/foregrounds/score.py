"""The foreground score: how much of people's gaze the foreground is predicted to hold."""

from __future__ import annotations

from torch import Tensor

from limen.classifier import Classifier
from limen.structure.foregrounds.masks import check_masks
from limen.structure.saliency import Saliency, density_of


def foreground_score(
    images: Tensor,
    masks: Tensor,
    saliency: str | Saliency = "spectral_residual",
    classifier: Classifier | None = None,
) -> Tensor:
    """The share of the predicted fixations that fall on the foreground.

    Args:
        images: (N, C, H, W) in [0, 1].
        masks: The foregrounds, bool (N, 1, H, W).
        saliency: As `method` of `density_of`.
        classifier: As for `density_of`.

    Returns:
        Scores in [0, 1], (N,), differentiable in the images as far as the model is.

    Raises:
        UsageError: As `density_of`, or if the masks have another shape or type.

    Source:
        Tong et al. 2020, Section 3.1: S(x).

    Example:
        >>> import torch
        >>> masks = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
        >>> masks[..., :3] = True
        >>> foreground_score(torch.rand(1, 3, 4, 4), masks, lambda images: torch.ones(1, 4, 4))
        tensor([0.7500])
    """
    check_masks(masks, images)
    return (density_of(saliency, images, classifier) * masks[:, 0]).sum((1, 2))

"""How well a saliency map foretells fixations: NSS and AUC (Judd)."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.errors import UsageError


def nss(density: Tensor, fixations: Tensor) -> Tensor:
    """Normalised scanpath saliency: the mean z-score of the map at the fixations.

    A map that knows nothing of them has 0.

    Args:
        density: Densities, or any maps, (N, H, W).
        fixations: One row per fixation, int64 (F, 3): which of the N images, row and column.

    Returns:
        (N,); NaN for an image without fixations, or with a flat map.

    Raises:
        UsageError: If shapes or types are others, or a fixation is outside the maps.

    Source:
        Peters, Iyer, Itti & Koch, Vision Research 45(18), 2005.

    Example:
        >>> nss(torch.tensor([[[0.0, 0.0, 0.0, 4.0]]]), torch.tensor([[0, 0, 3]]))
        tensor([1.7321])
    """
    _check(density, fixations)
    centred = density - density.mean((1, 2), keepdim=True)
    scores = centred / centred.square().mean((1, 2), keepdim=True).sqrt()
    image, row, column = fixations.unbind(1)
    total = density.new_zeros(len(density)).index_add_(0, image, scores[image, row, column])
    return total / image.bincount(minlength=len(density))


def auc_judd(density: Tensor, fixations: Tensor) -> Tensor:
    """Area under the curve: how often a fixation lies on a higher value than a pixel without one.

    Ties count as half. A map that knows nothing of the fixations has 0.5.

    Args:
        density: As for `nss`.
        fixations: As for `nss`.

    Returns:
        (N,); NaN for an image without fixations, or with nothing else.

    Raises:
        UsageError: As `nss`.

    Source:
        Judd, Ehinger, Durand & Torralba, ICCV 2009; the exact area in place of a sum over thresholds.

    Example:
        >>> auc_judd(torch.tensor([[[0.0, 0.1, 0.5, 0.4]]]), torch.tensor([[0, 0, 2], [0, 0, 1]]))
        tensor([0.7500])
    """
    _check(density, fixations)
    areas = []
    for number, each in enumerate(density):
        _, row, column = fixations[fixations[:, 0] == number].unbind(1)
        others = torch.ones_like(each, dtype=torch.bool)
        others[row, column] = False
        negatives = each[others].sort().values
        values = each[row, column]
        # As many as lie below, and half of those that are equal.
        below = torch.searchsorted(negatives, values) + torch.searchsorted(negatives, values, right=True)
        areas.append((below.to(density.dtype) / (2 * len(negatives))).mean())
    return torch.stack(areas) if areas else density.new_zeros(0)


def _check(density: Tensor, fixations: Tensor) -> None:
    if density.ndim != 3 or not density.is_floating_point():
        raise UsageError(f"density must be floating (N, H, W), not {density.dtype} {tuple(density.shape)}")
    if fixations.ndim != 2 or fixations.shape[1] != 3 or fixations.dtype != torch.int64:
        raise UsageError(
            f"fixations must be int64 (F, 3), image, row and column, not {fixations.dtype} "
            f"{tuple(fixations.shape)}"
        )
    limits = torch.tensor(density.shape, device=fixations.device)
    if bool(((fixations < 0) | (fixations >= limits)).any()):
        raise UsageError(f"a fixation is outside the maps, which are {tuple(density.shape)}")

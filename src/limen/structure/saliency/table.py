"""Every saliency model by its name, and the one way to call any of them."""

from __future__ import annotations

from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.structure.asking import asked, named
from limen.structure.saliency.center_surround import center_surround
from limen.structure.saliency.class_activation import attention
from limen.structure.saliency.deepgaze import deepgaze
from limen.structure.saliency.density import Saliency, as_density
from limen.structure.saliency.egnet import egnet
from limen.structure.saliency.isnet import isnet
from limen.structure.saliency.spectral_residual import spectral_residual
from limen.structure.saliency.u2net import u2net

SALIENCY: dict[str, Saliency] = {
    "spectral_residual": spectral_residual,
    "center_surround": center_surround,
    "attention": attention,
    "deepgaze": deepgaze,
    "u2net": u2net,
    "isnet": isnet,
    "egnet": egnet,
}
"""Every saliency model by its name."""

_KIND = "saliency model"


def saliency_named(model: str | Saliency) -> Saliency:
    """The saliency model of this name; a function that is one is given back.

    Raises:
        UnknownNameError: If there is none.
    """
    return named(_KIND, model, SALIENCY)


def density_of(method: str | Saliency, images: Tensor, classifier: Classifier | None = None) -> Tensor:
    """Where people look, as a saliency model predicts it: densities that sum to 1.

    Args:
        method: A name in `SALIENCY`, or a function of images that gives maps (N, H, W) of 0 or more, which
            are divided by their sums; a map that is 0 everywhere becomes uniform. A function that names a
            parameter `classifier` is given it.
        images: (N, C, H, W) in [0, 1].
        classifier: The classifier under test, for models that ask for it.

    Returns:
        Densities (N, H, W), differentiable in the images as far as the model is.

    Raises:
        UnknownNameError: For a model that does not exist.
        UsageError: If the model asks for a classifier and none is given, refuses the images, or its maps
            have another shape or are negative, infinite or NaN somewhere.

    Example:
        >>> import torch
        >>> density = density_of("spectral_residual", torch.rand(2, 3, 32, 48).double())
        >>> density.shape, density.sum((1, 2)).allclose(torch.ones(2).double())
        (torch.Size([2, 32, 48]), True)
    """
    return as_density(saliency_maps(method, images, classifier))


def saliency_maps(method: str | Saliency, images: Tensor, classifier: Classifier | None = None) -> Tensor:
    """What a saliency model gives itself, before it is made a density: salient-object networks, say, [0, 1].

    Args and errors as in `density_of`.

    Returns:
        Maps (N, H, W) of 0 or more, differentiable in the images as far as the model is.

    Example:
        >>> import torch
        >>> saliency_maps(lambda images: images.mean(1), torch.full((1, 3, 1, 2), 0.5))
        tensor([[[0.5000, 0.5000]]])
    """
    model = saliency_named(method)
    maps = model(images, **asked(model, _KIND, classifier=classifier))
    _check(maps, images)
    return maps


def _check(maps: Tensor, images: Tensor) -> None:
    shape = (len(images), *images.shape[2:])
    if not isinstance(maps, Tensor) or maps.shape != shape or not maps.is_floating_point():
        found = f"{maps.dtype} {tuple(maps.shape)}" if isinstance(maps, Tensor) else type(maps).__name__
        raise UsageError(
            f"a saliency model gives floating maps {shape}, one (H, W) for each image, not {found}"
        )
    if not maps.numel():
        return
    low, high = (float(extreme) for extreme in maps.detach().aminmax())
    # NaN is neither.
    if not (low >= 0 and high < float("inf")):
        raise UsageError(
            f"the saliency reaches from {low:.4g} to {high:.4g}; maps must hold finite values of 0 or "
            "more, such as exp of a log density"
        )

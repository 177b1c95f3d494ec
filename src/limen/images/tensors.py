"""Batches of images in memory: checks, per-sample broadcast and norms, the 8-bit lattice."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from limen.errors import UsageError

LATTICE = 255
"""Steps between 0 and 1 that an 8-bit file can store."""

_LUMA = (0.299, 0.587, 0.114)


def check_images(images: Tensor, name: str = "images") -> None:
    """Refuse anything but a floating (N, C, H, W) tensor with finite values in [0, 1].

    Args:
        images: The batch to check.
        name: What to call the batch in the error.

    Raises:
        UsageError: With the property that was wrong and how to mend it.

    Example:
        >>> check_images(torch.rand(2, 3, 8, 8))
        >>> check_images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
        Traceback (most recent call last):
        limen.errors.UsageError: images are torch.uint8; divide by 255 to get floats in [0, 1]
    """
    if not isinstance(images, Tensor):
        cure = "; torch.from_numpy makes one of it" if isinstance(images, np.ndarray) else ""
        raise UsageError(f"{name} must be a torch.Tensor, not {type(images).__name__}{cure}")
    if kind := oddity(images):
        raise UsageError(f"{name} are a {kind} tensor; pass a dense one that holds its values")
    if images.ndim != 4:
        raise UsageError(f"{name} have shape {tuple(images.shape)}; expected (N, C, H, W)")
    if images.dtype == torch.uint8:
        raise UsageError(f"{name} are torch.uint8; divide by 255 to get floats in [0, 1]")
    if images.dtype not in (torch.float32, torch.float64):
        raise UsageError(f"{name} are {images.dtype}; use torch.float32 or torch.float64")
    if images.shape[1] not in (1, 3) and images.shape[2] > 1 and images.shape[-1] in (1, 3):
        raise UsageError(
            f"{name} have shape {tuple(images.shape)}, which looks like (N, H, W, C); "
            "call images.permute(0, 3, 1, 2)"
        )
    if images.numel() == 0:
        if images.shape[0] == 0:
            return
        raise UsageError(f"{name} have shape {tuple(images.shape)}: no pixels")
    low, high = (float(extreme) for extreme in images.detach().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"{name} hold NaN or infinite values")
    if low < 0 or high > 1:
        raise UsageError(f"{name} reach from {low:.8g} to {high:.8g}; scale them to [0, 1]")


def oddity(tensor: Tensor) -> str:
    """What keeps a tensor from being a dense one that holds its values, in a word; empty where it is one.

    Example:
        >>> [oddity(torch.zeros(2, 2).to(kind)) for kind in ("cpu", "meta")]
        ['', 'meta']
    """
    if tensor.is_nested or tensor.is_meta or tensor.is_quantized:
        return "nested" if tensor.is_nested else "meta" if tensor.is_meta else "quantized"
    return "" if tensor.layout is torch.strided else str(tensor.layout)


def check_pair(a: Tensor, b: Tensor) -> None:
    """Refuse two batches that a metric cannot compare.

    Raises:
        UsageError: If either batch is not one of images, or shapes, dtypes or devices differ.
    """
    check_images(a, "the first images")
    check_images(b, "the second images")
    if a.shape != b.shape:
        raise UsageError(f"the two batches differ in shape: {tuple(a.shape)} and {tuple(b.shape)}")
    if a.dtype != b.dtype or a.device != b.device:
        raise UsageError(f"the two batches differ: {a.dtype} on {a.device}, and {b.dtype} on {b.device}")


def per_sample(value: float | Tensor, images: Tensor, name: str = "value") -> Tensor:
    """Make a budget or step one number per sample, shaped (N, 1, 1, 1) to broadcast over `images`.

    Args:
        value: A number, or a tensor of shape () or (N,).
        images: The batch that fixes N, dtype and device.
        name: What to call the value in an error.

    Raises:
        UsageError: If the shape is neither () nor (N,), or a value is not finite.

    Example:
        >>> per_sample(0.5, torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 1, 1, 1])
    """
    count = images.shape[0]
    tensor = torch.as_tensor(value, dtype=images.dtype, device=images.device)
    if tensor.shape not in ((), (count,)):
        raise UsageError(f"{name} has shape {tuple(tensor.shape)}; expected a number or shape ({count},)")
    if not bool(torch.isfinite(tensor).all()):
        raise UsageError(f"{name} holds NaN or infinite values")
    return tensor.expand(count).reshape(count, *[1] * (images.ndim - 1))


def grey(images: Tensor) -> Tensor:
    """The luma (N, H, W) of images of 1 or 3 channels, by the weights of ITU-R BT.601.

    Raises:
        UsageError: If there is another number of channels.

    Example:
        >>> grey(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
        tensor([[[0.2990]]])
    """
    if images.shape[1] == 1:
        return images[:, 0]
    if images.shape[1] != 3:
        raise UsageError(f"the luma is that of 1 or 3 channels; the images have {images.shape[1]}")
    red, green, blue = images.unbind(1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, exact: Tensor, made: Tensor) -> Tensor:
        return made.view_as(made)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(exact: Tensor, made: Tensor) -> Tensor:
    """What was made of some images, with its gradient handed on to them as if nothing had been made.

    Source:
        Bengio, Léonard & Courville 2013, Estimating or propagating gradients through stochastic neurons,
        Section 4.

    Example:
        >>> images = torch.tensor([0.2, 0.9], requires_grad=True)
        >>> straight_through(images, images.round()).sum().backward()
        >>> images.grad
        tensor([1., 1.])
    """
    return _StraightThrough.apply(exact, made)


def norm(batch: Tensor, order: float = 2) -> Tensor:
    """Each sample's Lp norm over all its values, shape (N,).

    Example:
        >>> norm(torch.tensor([[[[3.0, 4.0]]]]))
        tensor([5.])
    """
    if batch.shape[0] == 0:
        return batch.new_zeros(0)
    if order == math.inf:
        return batch.abs().flatten(1).amax(1)  # twenty times faster than the norm below, on a CPU
    # In two stages, for accuracy: torch adds float32 powers one after the other, and over a million
    # values that costs the fourth digit. The counts that order 0 gives in the first are added in the second.
    rows = torch.linalg.vector_norm(batch, ord=order, dim=-1).reshape(batch.shape[0], -1)
    return torch.linalg.vector_norm(rows, ord=order or 1, dim=1)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Each sample's inner product over all its values, shape (N,)."""
    return (a * b).flatten(1).sum(1)  # whose pairwise sum keeps float32's digits


def column(numbers: Tensor, ndim: int = 4) -> Tensor:
    """One number per sample (N,), shaped (N, 1, 1, 1) to broadcast over images, or over tensors of `ndim`."""
    return numbers.reshape(-1, *[1] * (ndim - 1))


def quantize(images: Tensor, lattice: int | None = LATTICE) -> Tensor:
    """Round to the nearest value that a file with `lattice` steps stores; None leaves images as they are.

    Raises:
        UsageError: If the images are no floats.

    Example:
        >>> quantize(torch.tensor([0.001, 0.5])) * 255
        tensor([  0., 128.])
    """
    plain = isinstance(images, Tensor) and not oddity(images)
    if not plain or images.dtype not in (torch.float32, torch.float64):
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise UsageError(f"images are {kind}; expected a tensor of torch.float32 or torch.float64")
    if lattice is None:
        return images
    return images.mul(lattice).round_().div_(lattice)


def to_uint8(images: Tensor) -> np.ndarray:
    """The 8-bit pixels that a file stores: (N, C, H, W) in [0, 1] to (N, H, W, C) uint8."""
    pixels = images.detach().mul(LATTICE).round_().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def from_uint8(pixels: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
    """The inverse of `to_uint8`: (N, H, W, C) uint8 to floats (N, C, H, W) in [0, 1]."""
    planes = pixels.transpose(0, 3, 1, 2).copy()
    return torch.from_numpy(planes).to(dtype).div_(LATTICE)

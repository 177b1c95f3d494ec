"""What a network is fed for images in [0, 1]: its range, mean and std, order of channels and precision."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from limen.errors import LimenWarning, UnknownNameError, UsageError, shown

_COLOURS = 3

Channels = Literal["RGB", "BGR"]
"""The order in which a network takes the channels of colour images."""


_NARROW = 0.02
"""A range of inputs below which std is of other units than the bounds."""

_WIDE = 400.0
"""A range above which it is likewise; networks of Caffe are fed a range of 255, and no known ones more."""


class Preprocessing:
    """An affine map of each channel, their order, and the precision of the network's weights.

    Args:
        mean: As of `limen.Classifier`, likewise all that follow.
        std: Likewise.
        bounds: Likewise.
        channels: Likewise.
        device: Where images are.
        dtype: What the network is fed in; None for what the images are.
        taken: How many channels the network's first layer takes, if it is known.

    Raises:
        UsageError: If they make no sense.
    """

    def __init__(
        self,
        mean: float | Sequence[float] | None,
        std: float | Sequence[float] | None,
        bounds: tuple[float, float],
        channels: Channels,
        device: torch.device,
        dtype: torch.dtype | None,
        taken: int | None = None,
    ) -> None:
        if not isinstance(channels, str) or channels not in get_args(Channels):
            name = channels if isinstance(channels, str) else shown(channels)
            raise UnknownNameError("order of channels", name, get_args(Channels))
        self._map = _affine(mean, std, bounds, device)
        self._said = _said(mean, std, bounds) if self._map is not None else []
        self._reversed = channels == "BGR"
        told = 1 if self._map is None else self._map[0].shape[1]
        self._coloured = _COLOURS in (told, taken) or self._reversed
        self.dtype = dtype

    @property
    def eps(self) -> float:
        """The precision of what the network is fed."""
        return torch.finfo(self.dtype or torch.float32).eps

    @property
    def told(self) -> str:
        """What it does, for a fingerprint; empty where images are fed as they are."""
        maps = "" if self._map is None else tuple(each.flatten().tolist() for each in self._map)
        return f"{maps}{'BGR' if self._reversed else ''}"

    @property
    def described(self) -> str:
        """What it does, for people; empty where images are fed as they are."""
        return ", ".join([*self._said, *(["channels BGR"] if self._reversed else [])])

    def to(self, device: torch.device) -> None:
        """Take images on another device from now on."""
        if self._map is not None:
            self._map = self._map[0].to(device), self._map[1].to(device)

    def check(self, images: Tensor) -> None:
        """Refuse images of another precision or other channels than the network's.

        Single precision fits all networks: its rounding is far below the levels of an 8-bit image. Double
        precision, which a caller asks for on purpose, would be lost on weights of less.

        Raises:
            UsageError: If they do not fit.
        """
        if self.dtype not in (None, images.dtype) and images.dtype != torch.float32:
            raise UsageError(f"images are {images.dtype}, the model {self.dtype}; convert one of them")
        if images.shape[1] == 1 and self._coloured:
            return
        channels = 1 if self._map is None else self._map[0].shape[1]
        if channels not in (1, images.shape[1]):
            raise UsageError(f"images have {images.shape[1]} channels, mean and std {channels}")
        if self._reversed and images.shape[1] != 3:
            raise UsageError(f"images have {images.shape[1]} channels; a network fed with BGR takes 3")

    def __call__(self, images: Tensor) -> Tensor:
        """What the network is fed for images (N, C, H, W): a tensor of its own, to work in place on."""
        coloured = images.expand(-1, _COLOURS, -1, -1) if self._coloured and images.shape[1] == 1 else images
        ordered = coloured.flip(1) if self._reversed else coloured
        if self._map is None:
            return ordered.to(self.dtype or images.dtype, copy=not self._reversed)
        wide = torch.promote_types(images.dtype, self.dtype or images.dtype)
        if self._map[0].dtype != wide:
            self._map = self._map[0].to(wide), self._map[1].to(wide)
        scale, shift = self._map
        return torch.addcmul(shift, ordered.to(wide), scale).to(self.dtype or wide)


def _said(
    mean: float | Sequence[float] | None, std: float | Sequence[float] | None, bounds: tuple[float, float]
) -> list[str]:
    given = [("mean", 0.0 if mean is None else mean), ("std", 1.0 if std is None else std)]
    given += [] if tuple(map(float, bounds)) == (0, 1) else [("bounds", bounds)]
    texts = []
    for name, value in given:
        numbers = torch.as_tensor(value, dtype=torch.float64, device="cpu").flatten().tolist()
        texts.append(f"{name} {' '.join(f'{each:g}' for each in numbers)}")
    return texts


def _affine(
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
    bounds: tuple[float, float],
    device: torch.device,
) -> tuple[Tensor, Tensor] | None:
    try:
        low, high = (float(bound) for bound in bounds)
        shift, scale = (
            torch.as_tensor(value, dtype=torch.float64, device="cpu").reshape(1, -1, 1, 1)
            for value in (0.0 if mean is None else mean, 1.0 if std is None else std)
        )
        float(shift.sum() + scale.sum())  # a tensor without values has none
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        given = f"mean is {shown(mean)}, std {shown(std)} and bounds {shown(bounds)}"
        raise UsageError(f"{given}; expected numbers, or one per channel for mean and std") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"bounds are {shown(bounds)}; expected a lower and a greater upper number")
    if mean is None and std is None and (low, high) == (0, 1):
        return None
    if not bool(shift.isfinite().all() & scale.isfinite().all() & (scale > 0).all()):
        raise UsageError(f"mean is {shown(mean)} and std {shown(std)}; expected finite numbers, std above 0")
    if shift.shape[1] != scale.shape[1] and 1 not in (shift.shape[1], scale.shape[1]):
        raise UsageError(f"mean has {shift.shape[1]} channels, std {scale.shape[1]}")
    _refuse_other_units(shift, scale, low, high)
    shift, scale = torch.broadcast_tensors((low - shift) / scale, (high - low) / scale)
    return scale.float().to(device), shift.float().to(device)


def _refuse_other_units(mean: Tensor, std: Tensor, low: float, high: float) -> None:
    """Refuse a mean above all images, and warn of a std that makes next to nothing, or far too much, of them.

    Raises:
        UsageError: If the mean is of other units than the bounds.
    """
    bytes_of = f"divide mean and std by 255, or say bounds=(0, 255) instead of ({low:g}, {high:g})"
    if float(mean.max()) > high:
        raise UsageError(
            f"mean is {mean.flatten().tolist()}, but images lie between {low:g} and {high:g}: {bytes_of}"
        )
    spans, text = (high - low) / std, ""
    if (span := float(spans.min())) < _NARROW:
        text = f"std is {std.flatten().tolist()}, which leaves inputs a range of {span:.2g}: {bytes_of}"
    elif (span := float(spans.max())) > _WIDE:
        cure = f"multiply mean and std by 255, or say bounds=(0, 1) instead of ({low:g}, {high:g})"
        text = f"std is {std.flatten().tolist()}, which spreads inputs over a range of {span:.4g}: {cure}"
    if text:
        warnings.warn(text, LimenWarning, stacklevel=5)

"""Steganalysis features: how often neighbouring pixels of an 8-bit image differ by how much."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

from limen.detection.spam import transition_probabilities
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.images import check_images, to_uint8

Colour = Literal["luma", "channels"]
"""Whether features are those of the luma, or those of red, green and blue, one after the other."""

_LUMA = np.array([299, 587, 114])  # thousandths, ITU-R BT.601


@dataclass(frozen=True)
class FeatureSet:
    """Features of one 8-bit plane.

    Attributes:
        title: The name in the literature.
        length: How many values a plane has.
        least_side: The least height and width of an image that has them.
        submodels: Gives the values of a plane (H, W) uint8 in named groups.
        about: What they count, in a line.
    """

    title: str
    length: int
    least_side: int
    submodels: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    about: str


def features(images: Tensor, name: str = "spam", colour: Colour = "luma") -> np.ndarray:
    """Steganalysis features of images, which depend on each image alone.

    Images are rounded to 8 bits, as a file stores them. The luma is rounded, too, halves up; a grey image is
    its own luma, and counts as three equal channels. The values stand in the order in which sealwatch gives
    its submodels, each flattened row by row. For `spam` these are the four straight directions, then the
    four diagonal ones, 343 values each: the co-occurrence of three consecutive differences, clipped to ±3, of
    which the last runs fastest. `spam_conditional` has the probability of the last given the others instead.

    Args:
        images: Batch (N, C, H, W) of 1 or 3 channels, in [0, 1].
        name: One of `FEATURES`.
        colour: `luma`, or `channels` for the features of red, green and blue.

    Returns:
        Features (N, D) float64 with D the length of `FEATURES[name]`, three times that for `channels`.

    Raises:
        UsageError: If there are no such features, or the images have too few pixels or other channels.
        LimenError: If sealwatch is not installed.

    Source:
        Pevný, Bas & Fridrich 2010, Steganalysis by subtractive pixel adjacency matrix (`spam_conditional`;
        `spam` is the joint distribution, which their program computes); Fridrich & Kodovský 2012, Rich models
        for steganalysis of digital images (`srm`, `srmq1`).

    Example:
        >>> import torch
        >>> found = features(torch.zeros(1, 3, 8, 8))
        >>> found.shape, float(found[0, 171]), float(found[0, 343 + 171])
        ((1, 686), 1.0, 1.0)
    """
    kind, planes = feature_set(name), feature_count(name, colour) // feature_set(name).length
    check_images(images)
    count, channels, *sides = images.shape
    if channels not in (1, 3):
        raise UsageError(f"images have {channels} channels; {kind.title} features are of grey or RGB images")
    if count and min(sides) < kind.least_side:
        raise UsageError(
            f"images are {sides[0]}×{sides[1]} pixels; {kind.title} features need {kind.least_side} a side"
        )
    found = np.empty((count, planes, kind.length))
    for row, pixels in zip(found, to_uint8(images), strict=True):
        for values, plane in zip(row, _planes(pixels, colour), strict=True):
            groups = kind.submodels(np.ascontiguousarray(plane))
            values[:] = np.concatenate([np.ravel(group) for group in groups.values()])
    return found.reshape(count, planes * kind.length)


def feature_set(name: str) -> FeatureSet:
    """The features of this name.

    Raises:
        UsageError: If there are none.
    """
    if name not in FEATURES:
        raise UnknownNameError("features", name, FEATURES)
    return FEATURES[name]


def feature_count(name: str, colour: str) -> int:
    """How many values `features` gives per image.

    Raises:
        UsageError: If there are no such features, or colour is no `Colour`.

    Example:
        >>> feature_count("spam", "luma"), feature_count("srmq1", "channels")
        (686, 38259)
    """
    if colour not in get_args(Colour):
        raise UnknownNameError("colour", colour, get_args(Colour))
    return feature_set(name).length * (3 if colour == "channels" else 1)


def _planes(pixels: np.ndarray, colour: Colour) -> np.ndarray:
    """The planes (P, H, W) uint8 of an image (H, W, C)."""
    if colour == "channels":
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).transpose(2, 0, 1)
    if pixels.shape[2] == 1:
        return pixels.transpose(2, 0, 1)
    # In whole numbers, so that no rounding of floats decides a half.
    return ((pixels.astype(np.int64) @ _LUMA + 500) // 1000).astype(np.uint8)[None]


def sealwatch() -> Any:
    """The library that computes the features.

    Raises:
        LimenError: If it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of its docstrings, since Python 3.12
            return importlib.import_module("sealwatch")
    except ModuleNotFoundError:
        raise LimenError("steganalysis needs sealwatch; run: pip install limen[detection]") from None


def _spam(plane: np.ndarray) -> Mapping[str, np.ndarray]:
    library = sealwatch()
    # The fast one weighs the directions by their counts, which differ where an image is not square.
    square = plane.shape[0] == plane.shape[1]
    with library.BACKEND_RUST if square else library.BACKEND_PYTHON:
        return library.spam.extract(plane)


def _srm(plane: np.ndarray) -> Mapping[str, np.ndarray]:
    return sealwatch().srm.extract(plane)


def _srmq1(plane: np.ndarray) -> Mapping[str, np.ndarray]:
    return sealwatch().srmq1.extract(plane)


FEATURES: Mapping[str, FeatureSet] = {
    "spam": FeatureSet("SPAM", 686, 4, _spam, "three consecutive differences, along eight directions"),
    "spam_conditional": FeatureSet(
        "SPAM", 686, 4, transition_probabilities, "the third difference after two others, likewise"
    ),
    "srmq1": FeatureSet("SRMQ1", 12753, 8, _srmq1, "39 models of the residuals of many filters"),
    "srm": FeatureSet("SRM", 34671, 8, _srm, "106 models, those of SRMQ1 at up to three quantisations"),
}
"""Every set of features by its name."""

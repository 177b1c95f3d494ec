"""Batches of images: checks, per-sample broadcast and norms, the 8-bit lattice, image files.

Everywhere in Limen a batch of images is a floating tensor of shape (N, C, H, W) with values in
[0, 1], and a budget is a float or a tensor of shape (N,).
"""

from __future__ import annotations

from limen.images.crop import Crop, Interpolation
from limen.images.files import (
    IMAGE_SUFFIXES,
    READ_SUFFIXES,
    ImageFileError,
    read_image,
    reading,
    shown_size,
    unusable,
    write_image,
)
from limen.images.tensors import (
    LATTICE,
    check_images,
    check_pair,
    column,
    dot,
    from_uint8,
    grey,
    norm,
    oddity,
    per_sample,
    quantize,
    straight_through,
    to_uint8,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "LATTICE",
    "READ_SUFFIXES",
    "Crop",
    "ImageFileError",
    "Interpolation",
    "check_images",
    "check_pair",
    "column",
    "dot",
    "from_uint8",
    "grey",
    "norm",
    "oddity",
    "per_sample",
    "quantize",
    "read_image",
    "reading",
    "shown_size",
    "straight_through",
    "to_uint8",
    "unusable",
    "write_image",
]

"""What an image is made of, which parts of it a classifier looks at, and what is hidden in it."""

from __future__ import annotations

from limen.structure.attention import ATTENTION, layer_of
from limen.structure.cam import cam, gradcam, gradcam_plus_plus
from limen.structure.feature_maps import feature_layer
from limen.structure.magnification import common_scale, magnify
from limen.structure.segmentation import SUPERPIXELS
from limen.structure.superpixels import Superpixels, superpixels

__all__ = [
    "ATTENTION",
    "SUPERPIXELS",
    "Superpixels",
    "cam",
    "common_scale",
    "feature_layer",
    "gradcam",
    "gradcam_plus_plus",
    "layer_of",
    "magnify",
    "superpixels",
]

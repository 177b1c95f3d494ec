"""What an image is made of, which parts of it a classifier looks at, and what is hidden in it."""

from __future__ import annotations

from limen.structure.attention import ATTENTION, Attention, attention_named, layer_of, passes_of
from limen.structure.cam import cam, gradcam, gradcam_plus_plus
from limen.structure.feature_maps import feature_layer
from limen.structure.foreground import attention_mask, empty_or_full, foreground
from limen.structure.magnification import common_scale, magnify
from limen.structure.segmentation import SUPERPIXELS
from limen.structure.superpixels import Superpixels, superpixels
from limen.structure.texture import hill

__all__ = [
    "ATTENTION",
    "SUPERPIXELS",
    "Attention",
    "Superpixels",
    "attention_mask",
    "attention_named",
    "cam",
    "common_scale",
    "empty_or_full",
    "feature_layer",
    "foreground",
    "gradcam",
    "gradcam_plus_plus",
    "hill",
    "layer_of",
    "magnify",
    "passes_of",
    "superpixels",
]

"""What an image is made of, which parts of it a classifier or people look at, and what is hidden in it."""

from __future__ import annotations

from limen.structure.asking import passes_taken
from limen.structure.attention import (
    ATTENTION,
    Attention,
    attention_named,
    class_activation_map,
    layer_of,
    passes_of,
)
from limen.structure.cam import cam, gradcam, gradcam_plus_plus
from limen.structure.feature_maps import feature_layer, maps_of_each_size
from limen.structure.foregrounds import (
    FOREGROUNDS,
    Foreground,
    attention_mask,
    check_masks,
    empty_or_full,
    foreground,
    foreground_named,
    foreground_score,
    masks_of,
)
from limen.structure.magnification import common_scale, magnify
from limen.structure.saliency import SALIENCY, Saliency, density_of, saliency_maps, saliency_named
from limen.structure.segmentation import SUPERPIXELS
from limen.structure.superpixels import Superpixels, superpixels
from limen.structure.texture import hill

__all__ = [
    "ATTENTION",
    "FOREGROUNDS",
    "SALIENCY",
    "SUPERPIXELS",
    "Attention",
    "Foreground",
    "Saliency",
    "Superpixels",
    "attention_mask",
    "attention_named",
    "cam",
    "check_masks",
    "class_activation_map",
    "common_scale",
    "density_of",
    "empty_or_full",
    "feature_layer",
    "foreground",
    "foreground_named",
    "foreground_score",
    "gradcam",
    "gradcam_plus_plus",
    "hill",
    "layer_of",
    "magnify",
    "maps_of_each_size",
    "masks_of",
    "passes_of",
    "passes_taken",
    "saliency_maps",
    "saliency_named",
    "superpixels",
]

"""What an image is made of, which parts of it a classifier looks at, and what is hidden in it."""

from __future__ import annotations

from limen.structure.cam import METHODS, class_activation_map, feature_layer
from limen.structure.magnification import common_scale, magnify

__all__ = ["METHODS", "class_activation_map", "common_scale", "feature_layer", "magnify"]

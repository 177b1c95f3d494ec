"""What an image is made of, and which parts of it a classifier looks at."""

from __future__ import annotations

from limen.structure.cam import METHODS, class_activation_map, feature_layer

__all__ = ["METHODS", "class_activation_map", "feature_layer"]

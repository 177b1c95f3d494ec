"""Foreground and background: which part of an image is looked at, or is an object."""

from __future__ import annotations

from limen.structure.foregrounds.masks import Foreground, check_masks, empty_or_full
from limen.structure.foregrounds.salient import half_way
from limen.structure.foregrounds.score import foreground_score
from limen.structure.foregrounds.segmented import segmentation
from limen.structure.foregrounds.table import FOREGROUNDS, foreground_named, masks_of
from limen.structure.foregrounds.threshold import attention_mask, foreground

__all__ = [
    "FOREGROUNDS",
    "Foreground",
    "attention_mask",
    "check_masks",
    "empty_or_full",
    "foreground",
    "foreground_named",
    "foreground_score",
    "half_way",
    "masks_of",
    "segmentation",
]

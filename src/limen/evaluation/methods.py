"""The methods of attention that a spec can name."""

from __future__ import annotations

from limen import structure
from limen.catalog import Catalog

ATTENTION = Catalog("attention method", structure.ATTENTION, "limen.attention", argument=False, takes=3)
"""Every method; a user's own is a function of a classifier, images, classes, and keywords of its own."""

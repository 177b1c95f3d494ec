"""Weights of networks: which files there are, where they lie, how they get here, and how they are read.

`FILES` is the registry of what Limen can find and download; it, and all that looks for files, opens without
torch. `limen.weights.reading` reads a file of tensors, and `limen.weights.networks` makes networks of them.

>>> FILES["squeezenet1_1-b8a52dc0.pth"].needed_by
('lpips:network=squeeze',)
"""

from __future__ import annotations

from limen.weights.checks import verify
from limen.weights.download import fetch
from limen.weights.errors import WeightsError
from limen.weights.places import find, folders, located
from limen.weights.registry import FILES, WeightsFile, files_of

__all__ = [
    "FILES",
    "WeightsError",
    "WeightsFile",
    "fetch",
    "files_of",
    "find",
    "folders",
    "located",
    "verify",
]

"""The foreground of a run's images, and where people are predicted to look."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.evaluation.context import Context
from limen.structure import (
    Foreground,
    Saliency,
    foreground_named,
    masks_of,
    passes_taken,
    saliency_maps,
    saliency_named,
)
from limen.structure.asking import asks_for
from limen.structure.saliency import as_density


class Finder:
    """Finds the foregrounds of a run's images; asks for the run's model and data only if the method does.

    Attributes:
        method: What finds them.
        like: The run's classifier if the method looks through it, else None.
    """

    def __init__(self, context: Context, mask: Foreground | str) -> None:
        self.method = foreground_named(mask)
        self.like = _asked(context, "foreground", self.method)
        self._context = context

    def __call__(self, ids: Sequence[str], originals: Tensor) -> Tensor:
        """The foregrounds of originals (N, C, H, W) with these ids, bool (N, 1, H, W)."""
        given = self._context.masks(ids) if asks_for(self.method, "masks") else None
        images = originals if self.like is None else originals.to(self.like.device, self.like.dtype)
        there = None if given is None else given.to(images.device)
        return masks_of(self.method, images, self.like, there).to(originals.device)


class Gaze:
    """Predicts where people look; asks for the run's model only if the saliency model does.

    Attributes:
        model: The saliency model.
        like: The run's classifier if it looks through that, else None.
    """

    def __init__(self, context: Context, saliency: Saliency | str) -> None:
        self.model = saliency_named(saliency)
        self.like = _asked(context, "saliency model", self.model)

    def __call__(self, images: Tensor) -> Tensor:
        """The densities (N, H, W) of images (N, C, H, W), where these are."""
        return as_density(self.maps(images))

    def maps(self, images: Tensor) -> Tensor:
        """The model's own maps (N, H, W) of 0 or more, likewise."""
        fitting = images if self.like is None else images.to(self.like.device, self.like.dtype)
        with torch.no_grad():
            return saliency_maps(self.model, fitting, self.like).to(images.device)


def _asked(context: Context, what: str, method: Foreground | Saliency) -> Classifier | None:
    """The run's classifier if the method makes use of it; the user's file that it is from is noted."""
    context.note_code(what, getattr(method, "identity", None))
    return context.classifier if passes_taken(method) != (0, 0) else None

"""Classifiers of which all that smoothing can say is known in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import limen

SHAPE = (1, 4, 4)


class Plane(nn.Module):
    """Class 1 on one side of a plane, class 0 on the other; logits of 0 and the signed distance."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        normal = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3)).flatten()
        self.normal = nn.Parameter((normal / normal.norm()).to(dtype))

    def forward(self, fed: Tensor) -> Tensor:
        distance = fed.flatten(1) @ self.normal - self.normal.sum() / 2
        return torch.stack([torch.zeros_like(distance), distance], 1)


def halfspace(dtype: torch.dtype = torch.float32) -> limen.Classifier:
    """The plane through the grey image; what the network is fed is normalised."""

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plane = Plane(dtype)

        def forward(self, fed: Tensor) -> Tensor:
            return self.plane(fed * 0.25 + 0.4)

    return limen.Classifier(Shifted(), mean=0.4, std=0.25)


def distances(classifier: limen.Classifier, images: Tensor) -> Tensor:
    """The L2 distance of each image from the plane."""
    return classifier(images).diff(dim=1)[:, 0].detach().abs()


def contrasts(count: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Images of black and white pixels alone, which clipped noise would pull to the grey between."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (count, *SHAPE), generator=generator).to(dtype)

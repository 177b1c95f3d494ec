"""Perturbations that are constant on superpixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, rows
from limen.attacks.protocols import Map
from limen.structure import superpixels

Pooling = Literal["sum", "mean", "max"]
"""How the gradients of pixels become that of their superpixel: by their sum, the gradient of its value (the
paper), by their mean (its ablation AVG), or as the one of greatest magnitude (MAX)."""


@dataclass(frozen=True)
class Template(Map):
    """f(n; t): one value per superpixel and channel of the original (Dong et al. 2020, Section 3.3).

    The variables are (n, C, K, 1), K the most superpixels of any image of the batch; what an image does not
    have of these changes nothing. Where the foreground is treated apart, superpixels end at its border.

    Attributes:
        method: Makes the superpixels, as the next three say: `limen.structure.superpixels`.
        size: The side S of the square that a superpixel would be.
        merge: The distance β of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour.
        pooling: How the gradients of pixels become that of their superpixel.
    """

    method: str = "slic"
    size: float = 5.0
    merge: float = 0.0
    compactness: float = 20.0
    pooling: Pooling = "sum"
    labels: Tensor = rows()
    area: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        found = superpixels(problem.originals, self.method, self.size, self.merge, self.compactness)
        labels = found.labels[:, None]
        if problem.foreground is not None:
            labels = _cut(labels, problem.foreground)
        width = int(labels.max()) + 1
        bound = replace(self, labels=labels, area=labels.new_empty(len(labels), 1, width, 1))
        return replace(bound, area=bound.pooled(torch.ones_like(labels), "sum"))

    def __call__(self, delta: Tensor) -> Tensor:
        return _Fill.apply(delta, self)

    def invert(self, delta: Tensor) -> Tensor:
        """Each superpixel's value of greatest magnitude: masks and bounds only ever take from its others."""
        return self.pooled(delta, "max")

    def pulled(self, diagonal: Tensor) -> Tensor:
        return self.pooled(diagonal, "sum")

    def of_region(self, mask: Tensor) -> Tensor:
        return self.pooled(mask.to(torch.uint8), "max") > 0

    def filled(self, noise: Tensor) -> Tensor:
        """Every pixel with the value of its superpixel."""
        index = self.labels.flatten(2).expand(-1, noise.shape[1], -1)
        return noise[..., 0].gather(2, index).unflatten(2, self.labels.shape[2:])

    def pooled(self, pixels: Tensor, pooling: Pooling) -> Tensor:
        """The superpixels' values (n, C, K, 1) of those of their pixels, (n, C, H, W)."""
        values = pixels.flatten(2)
        index = self.labels.flatten(2).expand(-1, values.shape[1], -1)
        zeros = values.new_zeros(*values.shape[:2], self.area.shape[2])
        if pooling == "max":
            high = zeros.scatter_reduce(2, index, values, "amax")
            low = zeros.scatter_reduce(2, index, values, "amin")
            return torch.where(high >= -low, high, low)[..., None]
        sums = zeros.scatter_add(2, index, values)
        return sums[..., None] / self.area.clamp_min(1) if pooling == "mean" else sums[..., None]


def _cut(labels: Tensor, foreground: Tensor) -> Tensor:
    """Labels (n, 1, H, W), without gaps, of regions that end at the foreground's border."""
    pairs = (2 * labels + foreground).flatten(1)
    present = pairs.new_zeros(len(pairs), 2 * int(labels.max()) + 2).scatter_(1, pairs, 1)
    return (present.cumsum(1) - 1).gather(1, pairs).reshape(labels.shape)


class _Fill(torch.autograd.Function):
    """Pixels from superpixels; back, the gradients of pixels are pooled."""

    @staticmethod
    def forward(ctx, noise: Tensor, template: Template) -> Tensor:
        ctx.template = template
        return template.filled(noise)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.template.pooled(gradients[0], ctx.template.pooling), None

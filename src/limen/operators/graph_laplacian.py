"""The regularised Laplacian of an image's pixel graph, whose inverse smooths as the image is smooth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal, Self, get_args

import torch
from torch import Tensor

from limen.errors import UnknownNameError, UsageError
from limen.images import dot
from limen.operators.nested_dissection import OFFSETS, GridFactor
from limen.operators.solve import Jacobi

Kernel = Literal["gaussian", "laplacian"]
"""How the affinity of two pixels falls with their difference Δ: exp(−rate·Δ²), or exp(−rate·|Δ|)."""


@dataclass(frozen=True)
class GraphLaplacian:
    """L = (I − αS)/(1 − α), S = D^(−1/2) W D^(−1/2), W the affinity of neighbouring pixels.

    It is symmetric, with eigenvalues from 1 to (1 + α)/(1 − α). L⁻¹z is near z, and smooth wherever
    the image is: across an edge, where neighbours are unlike, nothing ties the two sides.

    Attributes:
        links: The entries −α·S/(1 − α) between each pixel and its neighbours at `OFFSETS`,
            (N, G, E, H, W): G is 1 where all channels share a graph, else C; E is 2 or 4.
        center: The entries on the diagonal, 1/(1 − α).
        channels: C.

    Source:
        Zhang, Avrithis, Furon & Amsaleg 2020, Smooth adversarial examples, Section 3, eq. 5–8.
    """

    links: Tensor
    center: float
    channels: int

    @classmethod
    def at(
        cls,
        images: Tensor,
        kernel: Kernel = "gaussian",
        rate: float = 300.0,
        alpha: float = 0.997,
        neighbours: int = 4,
        joint: bool = False,
    ) -> Self:
        """The Laplacian of these images' graphs.

        Args:
            images: (N, C, H, W) in [0, 1].
            kernel: How affinity falls with the difference Δ of two pixels.
            rate: How fast.
            alpha: How much smoothness counts against nearness, from 0 (none) to below 1.
            neighbours: 4 or 8 per pixel; those on the diagonal count as the others do.
            joint: Whether Δ is the Euclidean distance over all channels, so that they share one
                graph, rather than the difference in each channel.

        Raises:
            UnknownNameError: If there is no kernel of this name.
            UsageError: If the rate, α or the number of neighbours makes no sense.

        Example:
            >>> laplacian = GraphLaplacian.at(torch.rand(2, 3, 8, 8))
            >>> laplacian.matvec(torch.ones(2, 3, 8, 8)).shape
            torch.Size([2, 3, 8, 8])
        """
        check_graph(kernel, rate, alpha, neighbours)
        affinity = _log_affinity(images, OFFSETS[: neighbours // 2], kernel, rate, joint)
        links = _normalized(affinity).mul_(-alpha / (1 - alpha))
        return cls(links, 1 / (1 - alpha), images.shape[1])

    def select(self, rows: Tensor) -> Self:
        """The Laplacian of the samples at `rows`."""
        return type(self)(self.links[rows], self.center, self.channels)

    def matvec(self, vectors: Tensor) -> Tensor:
        """L v for one v (N, C, H, W) per sample."""
        product = vectors * self.center
        for link, offset in zip(self.links.unbind(2), OFFSETS, strict=False):
            here, there = _ends(vectors.shape[2:], offset)
            link = link[here]
            product[here].addcmul_(link, vectors[there])
            product[there].addcmul_(link, vectors[here])
        return product

    def energy(self, vectors: Tensor) -> Tensor:
        """vᵀL v (N,)."""
        return dot(vectors, self.matvec(vectors))

    def diagonal(self) -> Tensor:
        """The diagonal of L, (N, C, H, W)."""
        count, _, _, height, width = self.links.shape
        return self.links.new_full((1, 1, 1, 1), self.center).expand(count, self.channels, height, width)

    def factorise(self) -> GridFactor:
        """L, factorised: solutions are exact, and as fast as memory.

        Raises:
            LimenError: If an image is not finite.
        """
        return GridFactor.of(self.diagonal()[:, : self.links.shape[1]], self.links)

    def preconditioner(self) -> Jacobi:
        """The diagonal, which is constant: plain conjugate gradients."""
        return Jacobi(self.diagonal())


def check_graph(kernel: str, rate: float, alpha: float, neighbours: int) -> None:
    """Refuse settings that make no graph.

    Raises:
        UnknownNameError: If there is no kernel of this name.
        UsageError: If the rate, α or the number of neighbours makes no sense.
    """
    if kernel not in get_args(Kernel):
        raise UnknownNameError("kernel", str(kernel), get_args(Kernel))
    if not 0 <= rate < float("inf"):
        raise UsageError(f"rate is {rate!r}; expected 0 or more, and finite")
    if not 0 <= alpha < 1:
        raise UsageError(f"alpha is {alpha!r}; expected 0 or more, and less than 1")
    if neighbours not in (4, 8):
        raise UsageError(f"neighbours is {neighbours!r}; expected 4 or 8")


_Place = tuple[EllipsisType, slice, slice]


def _ends(sides: Sequence[int], offset: tuple[int, int]) -> tuple[_Place, _Place]:
    """The pixels that have a neighbour at the offset, and these neighbours."""
    (height, width), (down, right) = sides, offset
    here = slice(max(0, -right), max(0, min(width, width - right)))
    there = slice(max(0, right), max(0, min(width, width + right)))
    return (..., slice(0, max(0, height - down)), here), (..., slice(down, max(down, height)), there)


def _log_affinity(
    images: Tensor, offsets: Sequence[tuple[int, int]], kernel: Kernel, rate: float, joint: bool
) -> Tensor:
    """The logarithm of W between pixels and their neighbours, (N, G, E, H, W); −∞ where there is none."""
    count, channels, *sides = images.shape
    affinity = images.new_full((count, 1 if joint else channels, len(offsets), *sides), -torch.inf)
    for k, offset in enumerate(offsets):
        here, there = _ends(sides, offset)
        square = (images[there] - images[here]).square_()
        square = square.sum(1, keepdim=True) if joint else square
        affinity[:, :, k][here] = -rate * (square if kernel == "gaussian" else square.sqrt_())
    return affinity


def _normalized(affinity: Tensor) -> Tensor:
    """S of log W. Degrees are logarithms, too: all weights of a lone bright pixel may underflow."""
    offsets, sides = OFFSETS[: affinity.shape[2]], affinity.shape[3:]
    around = torch.cat([affinity, torch.full_like(affinity, -torch.inf)], 2)
    ends = [_ends(sides, offset) for offset in offsets]
    for k, (here, there) in enumerate(ends):
        around[:, :, len(offsets) + k][there] = affinity[:, :, k][here]
    degree = around.logsumexp(2)
    similarity = torch.zeros_like(affinity)
    for k, (here, there) in enumerate(ends):
        log = affinity[:, :, k][here] - (degree[here] + degree[there]) / 2
        similarity[:, :, k][here] = log.exp_()
    return similarity

"""Smoothing guided by an image: a graph Laplacian's normalised inverse, factorised or solved for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, Self, get_args

import torch
from torch import Tensor

from limen.errors import UnknownNameError, UsageError
from limen.operators.graph_laplacian import GraphLaplacian, Kernel, check_graph
from limen.operators.nested_dissection import GridFactor
from limen.operators.solve import check_iteration, conjugate_gradient

Solver = Literal["auto", "factorised", "conjugate_gradient"]
"""How L⁻¹z is found; "auto" factorises where the memory allows it."""

COPIES = 3
"""How often a factor may lie in memory: of all samples, of those going on, and while some of these leave."""

GIB = 2**30


class Inverse(Protocol):
    """L⁻¹ for each sample."""

    def solve(self, targets: Tensor) -> Tensor:
        """L⁻¹z for one z (N, C, H, W) per sample."""
        ...

    def select(self, rows: Tensor) -> Self:
        """The inverse of the samples at `rows`."""
        ...


@dataclass(frozen=True)
class Iterated:
    """L⁻¹ by conjugate gradients, anew for every vector.

    Attributes:
        laplacian: L.
        tolerance: The relative residual; 0 for a fixed number of iterations.
        iterations: How many at most.
    """

    laplacian: GraphLaplacian
    tolerance: float
    iterations: int

    def solve(self, targets: Tensor) -> Tensor:
        """L⁻¹z for one z (N, C, H, W) per sample."""
        return conjugate_gradient(self.laplacian, targets, None, self.tolerance, self.iterations).values

    def select(self, rows: Tensor) -> Self:
        """The inverse of the samples at `rows`."""
        return type(self)(self.laplacian.select(rows), self.tolerance, self.iterations)


@dataclass(frozen=True)
class Smoother:
    """ŝ(z) = L⁻¹z / L⁻¹1: the mean of z over the pixels around that are tied to each, by how much they are.

    As a linear map it keeps constants. Its adjoint is not ŝ itself, but divides first:
    ŝᵀ(g) = L⁻¹(g / L⁻¹1), which is what autograd gives, by one more solve.

    Attributes:
        laplacian: L.
        inverse: L⁻¹.
        share: L⁻¹1, (N, C, H, W), positive.

    Source:
        Zhang et al. 2020, Section 3.4, eq. 9.
    """

    laplacian: GraphLaplacian
    inverse: Inverse
    share: Tensor

    def __call__(self, latent: Tensor) -> Tensor:
        """ŝ(z) for one z (N, C, H, W) per sample, differentiable once."""
        return _Smooth.apply(latent, self)

    def adjoint(self, gradient: Tensor) -> Tensor:
        """ŝᵀ(g) for one g (N, C, H, W) per sample."""
        return self.inverse.solve(gradient / self.share)

    def invert(self, smooth: Tensor) -> Tensor:
        """The z (N, C, H, W) whose ŝ(z) this is."""
        return self.laplacian.matvec(smooth * self.share)

    def select(self, rows: Tensor) -> Self:
        """The smoother of the samples at `rows`."""
        return type(self)(self.laplacian.select(rows), self.inverse.select(rows), self.share[rows])


class _Smooth(torch.autograd.Function):
    """ŝ, differentiated by its adjoint rather than through a solver's steps."""

    @staticmethod
    def forward(ctx, latent: Tensor, smoother: Smoother) -> Tensor:
        ctx.smoother = smoother
        return smoother.inverse.solve(latent).div_(smoother.share)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.smoother.adjoint(gradients[0]), None


@dataclass(frozen=True)
class Smoothing:
    """How images smooth: the settings of their graphs, and how the Laplacian is inverted.

    Attributes:
        kernel: How affinity falls with the difference of two pixels; like the next four, as in
            `GraphLaplacian.at`.
        rate: How fast.
        alpha: How much smoothness counts against nearness, from 0 (none) to below 1.
        neighbours: 4 or 8 per pixel.
        joint: Whether all channels share a graph.
        solver: How L⁻¹z is found.
        tolerance: The relative residual of conjugate gradients; 0 for a fixed number of iterations,
            such as the paper's 50.
        iterations: How many of them at most.
        memory: How many GiB the factors of all samples bound at once may take.

    Raises:
        UnknownNameError: If there is no kernel or solver of the name.
        UsageError: If a number makes no sense.

    Example:
        >>> images = torch.rand(2, 3, 16, 16)
        >>> smoother = Smoothing(alpha=0.95).at(images)
        >>> torch.allclose(smoother(torch.full_like(images, 0.3)), torch.tensor(0.3))
        True
    """

    kernel: Kernel = "gaussian"
    rate: float = 300.0
    alpha: float = 0.997
    neighbours: int = 4
    joint: bool = False
    solver: Solver = "auto"
    tolerance: float = 1e-5
    iterations: int = 1000
    memory: float = 2.0

    def __post_init__(self) -> None:
        check_graph(self.kernel, self.rate, self.alpha, self.neighbours)
        check_iteration(self.tolerance, self.iterations)
        if self.solver not in get_args(Solver):
            raise UnknownNameError("solver", str(self.solver), get_args(Solver))
        if not self.memory > 0:
            raise UsageError(f"memory is {self.memory!r}; expected GiB, more than 0")

    def laplacian(self, images: Tensor) -> GraphLaplacian:
        """The Laplacian of these images (N, C, H, W)."""
        return GraphLaplacian.at(images, self.kernel, self.rate, self.alpha, self.neighbours, self.joint)

    def at(self, images: Tensor) -> Smoother:
        """The smoother guided by these images (N, C, H, W).

        Raises:
            UsageError: If the memory does not hold the factors, and the solver may be no other.
        """
        laplacian, ones = self.laplacian(images), torch.ones_like(images)
        inverse: Inverse = Iterated(laplacian, self.tolerance, self.iterations)
        if self._factorises(images):
            capacity = self._factors(images)
            if len(images) > capacity:
                raise UsageError(
                    f"memory is {self.memory:g} GiB, enough for the factors of {capacity} images of this "
                    f'size, not of {len(images)}; allow more, or choose solver="conjugate_gradient"'
                )
            inverse = laplacian.factorise()
        return Smoother(laplacian, inverse, inverse.solve(ones))

    def capacity(self, images: Tensor) -> float:
        """How many images of this size may be bound at once; infinite where nothing is factorised."""
        return max(1, self._factors(images)) if self._factorises(images) else math.inf

    def _factorises(self, images: Tensor) -> bool:
        if self.solver == "auto":
            return self._factors(images) > 0
        return self.solver == "factorised"

    def _factors(self, images: Tensor) -> int:
        """How many images' factors the memory holds."""
        _, channels, height, width = images.shape
        graphs = 1 if self.joint else channels
        factor = GridFactor.bytes(graphs, height, width, self.neighbours, images.dtype)
        return int(self.memory * GIB / (COPIES * factor))

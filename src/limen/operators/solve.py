"""Solve A x = y for symmetric positive operators, by preconditioned conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from limen.errors import UsageError
from limen.images import column, dot, norm


class Preconditioner(Protocol):
    """A symmetric positive map that comes near an operator's inverse."""

    def __call__(self, residual: Tensor) -> Tensor:
        """The map of one vector (N, C, H, W) per sample."""
        ...

    def select(self, rows: Tensor) -> Self:
        """The map of the samples at `rows`."""
        ...


class Products(Protocol):
    """A symmetric positive matrix for each sample of a batch of images, known by its products."""

    def matvec(self, vectors: Tensor) -> Tensor:
        """The product with one vector (N, C, H, W) per sample."""
        ...

    def preconditioner(self) -> Preconditioner:
        """What makes conjugate gradients on this operator quick."""
        ...

    def select(self, rows: Tensor) -> Self:
        """The operator of the samples at `rows`."""
        ...


class Operator(Products, Protocol):
    """One of which more is known."""

    def energy(self, vectors: Tensor) -> Tensor:
        """vᵀA v (N,)."""
        ...

    def diagonal(self) -> Tensor:
        """The diagonal, (N, C, H, W)."""
        ...


@dataclass(frozen=True)
class Jacobi:
    """Division by the diagonal.

    Attributes:
        diagonal: The operator's diagonal, (N, C, H, W), positive.
    """

    diagonal: Tensor

    def __call__(self, residual: Tensor) -> Tensor:
        """The quotient."""
        return residual / self.diagonal

    def select(self, rows: Tensor) -> Self:
        """The map of the samples at `rows`."""
        return type(self)(self.diagonal[rows])


@dataclass(frozen=True)
class Solution:
    """What conjugate gradients found, one row per sample.

    Attributes:
        values: x, of the target's shape.
        residuals: ‖y − A x‖ / ‖y‖ as the recurrence has it, (N,); 0 where y is 0.
        iterations: Products with the operator, (N,).
    """

    values: Tensor
    residuals: Tensor
    iterations: Tensor


def conjugate_gradient(
    operator: Products,
    target: Tensor,
    preconditioner: Preconditioner | None = None,
    tolerance: float = 1e-6,
    iterations: int = 500,
) -> Solution:
    """Solve A x = y for each sample; those that have converged leave the batch.

    Args:
        operator: A.
        target: y, (N, C, H, W), of the operator's dtype and device.
        preconditioner: What comes near A⁻¹; None for the operator's own.
        tolerance: A sample has converged at this residual relative to its ‖y‖; 0 for a fixed
            number of iterations.
        iterations: How many at most.

    Raises:
        UsageError: If the tolerance or the number of iterations makes no sense.

    Source:
        Hestenes & Stiefel 1952; with a preconditioner, Golub & Van Loan, Algorithm 11.5.1.

    Example:
        >>> from limen.operators import SsimTensor
        >>> tensor = SsimTensor.at(torch.rand(2, 3, 16, 16, dtype=torch.float64))
        >>> target = torch.randn(2, 3, 16, 16, dtype=torch.float64)
        >>> solution = conjugate_gradient(tensor, target, tolerance=1e-9)
        >>> torch.allclose(tensor.matvec(solution.values), target, atol=1e-7)
        True
    """
    check_iteration(tolerance, iterations)
    values = torch.zeros_like(target)
    counts = torch.zeros(len(target), dtype=torch.int64, device=target.device)
    # By the peak first, so that the squares of tiny gradients do not underflow.
    scale = norm(target, torch.inf)
    rows = scale.nonzero()[:, 0]
    residuals = (scale > 0).to(target.dtype)
    if len(rows) == 0:
        return Solution(values, residuals, counts)
    operator = operator.select(rows)
    precondition = operator.preconditioner() if preconditioner is None else preconditioner.select(rows)
    residual = target[rows] / column(scale[rows])
    scale[rows] *= norm(residual)
    residual /= column(norm(residual))
    found = torch.zeros_like(residual)
    direction = precondition(residual)
    rho = dot(residual, direction)
    for _ in range(iterations):
        product = operator.matvec(direction)
        length = column(rho / dot(direction, product))
        found.addcmul_(length, direction)
        residual.addcmul_(length, product, value=-1)
        residuals[rows], counts[rows] = norm(residual), counts[rows] + 1
        values[rows] = found
        going = (residuals[rows] > tolerance).nonzero()[:, 0]
        if len(going) == 0:
            break
        if len(going) < len(rows):
            rows, found, residual, direction = rows[going], found[going], residual[going], direction[going]
            rho, operator, precondition = rho[going], operator.select(going), precondition.select(going)
        descent = precondition(residual)
        before, rho = rho, dot(residual, descent)
        direction = torch.addcmul(descent, column(rho / before), direction)
    return Solution(values.mul_(column(scale)), residuals, counts)


def check_iteration(tolerance: float, iterations: int) -> None:
    """Refuse a tolerance or a number of iterations that makes no sense.

    Raises:
        UsageError: If one of them does not.
    """
    if not tolerance >= 0 or iterations < 1:
        raise UsageError(
            f"tolerance is {tolerance} and iterations {iterations}; expected 0 or more, and 1 or more"
        )

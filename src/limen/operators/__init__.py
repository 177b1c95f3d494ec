"""Operators on images: symmetric positive ones, their windows and their inverses; the bilateral filter."""

from __future__ import annotations

from limen.operators.bilateral import bilateral_filter
from limen.operators.graph_laplacian import GraphLaplacian
from limen.operators.smoother import Smoother, Smoothing
from limen.operators.solve import Jacobi, Operator, Preconditioner, Solution, conjugate_gradient
from limen.operators.ssim_tensor import SsimTensor

__all__ = [
    "GraphLaplacian",
    "Jacobi",
    "Operator",
    "Preconditioner",
    "Smoother",
    "Smoothing",
    "Solution",
    "SsimTensor",
    "bilateral_filter",
    "conjugate_gradient",
]

"""Symmetric positive operators on images, the windows they are made of, and how they are inverted."""

from __future__ import annotations

from limen.operators.solve import Jacobi, Operator, Preconditioner, Solution, conjugate_gradient
from limen.operators.ssim_tensor import SsimTensor

__all__ = ["Jacobi", "Operator", "Preconditioner", "Solution", "SsimTensor", "conjugate_gradient"]

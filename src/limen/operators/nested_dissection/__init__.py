"""A direct solver for symmetric positive definite matrices on pixel grids, exact and for whole batches.

`GridFactor` is its interface. Each module is a step of the method, the first depending on the grid alone:

    ordering        the grid is cut by separators: which pixels are eliminated together, and in which order
    layout          how the numbers of all subdomains of one size lie in memory, and are multiplied
    assembly        the indices by which numbers go from the matrix to fronts, and from fronts to others
    vectors         the order of pixels in a vector, and the indices that substitution takes
    symbolic        both of these for a grid, kept
    numeric         the multifrontal factorisation, by products of batches of dense matrices
    dense           the inverses of these
    substitution    forward and backward, for a solution
    factor          the interface

Source:
    George 1973, Nested dissection of a regular finite element mesh; Duff & Reid 1983, The
    multifrontal solution of indefinite sparse symmetric linear equations.
"""

from __future__ import annotations

from limen.operators.nested_dissection.factor import GridFactor
from limen.operators.nested_dissection.ordering import OFFSETS

__all__ = ["OFFSETS", "GridFactor"]

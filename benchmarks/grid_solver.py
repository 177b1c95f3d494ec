"""How fast matrices on pixel grids are factorised, and solved with, in batches and by sparse solvers.

    OMP_NUM_THREADS=2 python benchmarks/grid_solver.py --threads 2

The matrices are (I − αS)/(1 − α) of the channels of photographs, α = 0.997, four neighbours: one matrix a
channel, or one an image (`--joint`). The contenders are `GridFactor` on all images at once, cholespy in
float32 and SciPy's SuperLU in float64, these one matrix after the other; they take turns. Milliseconds
are of one channel's solution, the least and the median. Exit code 1 if `GridFactor` solves slower than
cholespy by the medians, or leaves a residual above 5e-6 of the target.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import cholespy
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from limen.images import norm
from limen.operators.graph_laplacian import GraphLaplacian
from limen.operators.nested_dissection import OFFSETS, GridFactor

TIMES, RESIDUAL = 1.0, 5e-6


@dataclass(frozen=True)
class Contender:
    """A solver, bound to its factors; `megabytes` are a channel's where the solver tells."""

    name: str
    factorise: Callable[[], Callable[[], Tensor]]
    megabytes: str


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--sides", type=common.positive, nargs="+", default=[224, 299])
    parser.add_argument("--images", type=common.positive, nargs="+", default=[8])
    parser.add_argument("--repeats", type=common.positive, default=15)
    parser.add_argument("--joint", action="store_true", help="one matrix for all channels of an image")
    options = parser.parse_args(arguments)
    common.settle(options)
    rows = [
        row for side in options.sides for count in options.images for row in compare(side, count, options)
    ]
    header = ["side", "images", "solver", "factor, s", "solve, ms", "median", "MB", "residual", "ratio"]
    print(common.table(header, rows))
    own = [row for row in rows if row[2] == "GridFactor"]
    fast = all(float(row[8]) >= TIMES for row in own)
    return 0 if fast and all(float(row[7]) <= RESIDUAL for row in own) else 1


def compare(side: int, count: int, options: argparse.Namespace) -> list[list[str]]:
    """A row a contender; the ratio is of cholespy's median to its own."""
    images = common.photographs(count, side)
    laplacian = GraphLaplacian.at(images, "gaussian", 300.0, 0.997, 4, options.joint)
    targets = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    factor_times, solvers, rows = [], [], []
    contenders = [batched(laplacian, targets), one_by_one(laplacian, targets), superlu(laplacian, targets)]
    contenders[0].factorise()  # its indices are made once for a size
    for contender in contenders:
        made: list[Callable[[], Tensor]] = []
        factor_times.append(common.seconds(lambda made=made, make=contender.factorise: made.append(make())))
        solvers += made
    exact = replace(laplacian, links=laplacian.links.double())
    errors = [norm(exact.matvec(solve().double()) - targets) / norm(targets) for solve in solvers]
    residuals = [float(error.max()) for error in errors]
    times: list[list[float]] = [[] for _ in solvers]
    for _ in range(options.repeats):
        for solve, taken in zip(solvers, times, strict=True):
            taken.append(common.seconds(solve) * 1e3 / (count * 3))
    medians = [statistics.median(taken) for taken in times]
    for contender, factor, taken, median, residual in zip(
        contenders, factor_times, times, medians, residuals, strict=True
    ):
        cells = [f"{factor / (count * 3):.3f}", f"{min(taken):.2f}", f"{median:.2f}", contender.megabytes]
        ratio = f"{medians[1] / median:.2f}"
        rows.append([str(side), str(count), contender.name, *cells, f"{residual:.1e}", ratio])
    return rows


def batched(laplacian: GraphLaplacian, targets: Tensor) -> Contender:
    groups, _, height, width = laplacian.links.shape[1:]

    def factorise() -> Callable[[], Tensor]:
        factor = laplacian.factorise()
        return lambda: factor.solve(targets)

    megabytes = GridFactor.bytes(groups, height, width, 4, targets.dtype) / targets.shape[1] / 1e6
    return Contender("GridFactor", factorise, f"{megabytes:.1f}")


def one_by_one(laplacian: GraphLaplacian, targets: Tensor) -> Contender:
    columns = columns_of(laplacian, targets)

    def factorise() -> Callable[[], Tensor]:
        solvers = [cholespy_solver(matrix) for matrix in matrices(laplacian)]
        found = torch.empty_like(columns)

        def solve() -> Tensor:
            for solver, target, into in zip(solvers, columns, found, strict=True):
                solver.solve(target, into)
            return found.mT.reshape(targets.shape)

        return solve

    return Contender("cholespy", factorise, "")


def cholespy_solver(matrix: scipy.sparse.csc_array) -> cholespy.CholeskySolverF:
    entries = matrix.tocoo()
    row, column = (torch.tensor(each.astype(np.int32)) for each in (entries.row, entries.col))
    coo = cholespy.MatrixType.COO
    return cholespy.CholeskySolverF(matrix.shape[0], row, column, torch.tensor(entries.data), coo)


def superlu(laplacian: GraphLaplacian, targets: Tensor) -> Contender:
    columns = columns_of(laplacian, targets).double().numpy()

    def factorise() -> Callable[[], Tensor]:
        ordering = {
            "permc_spec": "MMD_AT_PLUS_A",
            "diag_pivot_thresh": 0.0,
            "options": {"SymmetricMode": True},
        }
        solvers = [scipy.sparse.linalg.splu(matrix, **ordering) for matrix in matrices(laplacian)]

        def solve() -> Tensor:
            found = [solver.solve(target) for solver, target in zip(solvers, columns, strict=True)]
            return torch.tensor(np.stack(found)).mT.reshape(targets.shape).to(targets.dtype)

        return solve

    return Contender("SuperLU", factorise, "")


def columns_of(laplacian: GraphLaplacian, targets: Tensor) -> Tensor:
    """The right-hand sides of each matrix: (N·G, H·W, C / G)."""
    count, groups = laplacian.links.shape[:2]
    return targets.reshape(count * groups, -1, targets.shape[2] * targets.shape[3]).mT.contiguous()


def matrices(laplacian: GraphLaplacian) -> list[scipy.sparse.csc_array]:
    found = []
    for links in laplacian.links.flatten(0, 1).double().numpy():
        diagonals, offsets = [np.full(links[0].size, laplacian.center)], [0]
        for link, (down, right) in zip(links, OFFSETS, strict=False):
            step = down * links.shape[2] + right
            diagonals += [link.ravel()[: link.size - step]] * 2  # links out of the image are 0
            offsets += [step, -step]
        found.append(scipy.sparse.diags_array(diagonals, offsets=offsets, format="csc"))
    return found


if __name__ == "__main__":
    sys.exit(main())

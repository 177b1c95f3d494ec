"""How much faster the S2 ball's linear maximiser in [0, 1] is than an interior point solver.

    python benchmarks/s2_ball.py --threads 1

Finds the image of the ball around each of 64 photographs of 3×32×32 that lies furthest along a random
gradient: all at once with `S2Ball.maximise` in float32, and one after the other with cvxpy and Clarabel
in float64. The ratio is of the times for all images, the solver's scaled up from those it solved. Exit
code 1 if it is below 1,000, or what an image gains over its original differs by more than 1e-6 of itself.
Then the maximiser's own time for photographs of 3×299×299. The photographs come with scikit-image.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import argparse
import statistics
import sys

import cvxpy
import numpy as np
import skimage.data
import torch
from torch import Tensor

from limen.attacks.constraint import S2Ball
from limen.attacks.part import Problem
from limen.seeds import sample_seeds

TIMES, DIFFERENCE = 1000, 1e-6
PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket")


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=64)
    parser.add_argument("--solve", type=common.positive, default=16, help="images for the solver")
    parser.add_argument("--eps", type=float, nargs="+", default=[0.01, 0.03, 0.1])
    parser.add_argument("--repeats", type=common.positive, default=30, help="runs of the maximiser")
    options = parser.parse_args(arguments)
    common.settle(options)
    small, large = views(options.images, 32), views(4, 299)
    rows = [compare(small, eps, options) for eps in options.eps]
    header = ["eps", "maximiser, ms", "solver, s", "ratio", "greatest relative difference"]
    print(common.table(header, [[*row[:3], f"{row[3]:.0f}", f"{row[4]:.1e}"] for row in rows]))
    header = ["eps", "one of 3×299×299, ms", "four, ms"]
    print(common.table(header, [large_times(large, eps, options.repeats) for eps in options.eps]))
    return 0 if all(row[3] >= TIMES and row[4] <= DIFFERENCE for row in rows) else 1


def views(count: int, side: int) -> Tensor:
    """Squares of photographs, at places drawn from a fixed seed: (count, 3, side, side)."""
    drawn, cut = np.random.default_rng(0), []
    for index in range(count):
        photograph = getattr(skimage.data, PHOTOGRAPHS[index % len(PHOTOGRAPHS)])()
        top, left = (drawn.integers(length - side + 1) for length in photograph.shape[:2])
        cut.append(photograph[top : top + side, left : left + side, :3])
    return torch.tensor(np.stack(cut)).permute(0, 3, 1, 2).contiguous() / 255


def gradient_for(images: Tensor) -> Tensor:
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(0))


def ball_around(images: Tensor, eps: float) -> S2Ball:
    labels = torch.zeros(len(images), dtype=torch.int64)
    seeds = sample_seeds(0, range(len(images)))
    return S2Ball(eps=eps).bind(Problem(originals=images, labels=labels, seeds=seeds))


def compare(images: Tensor, eps: float, options: argparse.Namespace) -> tuple[object, str, str, float, float]:
    """The budget, the times of both for all images, their ratio, and the greatest relative difference."""
    ball, gradient = ball_around(images, eps), gradient_for(images)
    best = ball.maximise(gradient)
    times = [common.seconds(lambda: ball.maximise(gradient)) for _ in range(options.repeats)]
    solver, differences = 0.0, []
    for image, slope, ours in list(zip(images, gradient, best, strict=True))[: options.solve]:
        x, g, y = (each.double().numpy().ravel() for each in (image, slope, ours))
        problem, variable = quadratic_programme(x, g, eps)
        solver += common.seconds(lambda problem=problem: problem.solve(solver="CLARABEL"))
        expected = g @ (variable.value - x)
        differences.append(abs(g @ (y - x) - expected) / expected)
    own, whole = statistics.median(times), solver / len(differences) * len(images)
    return eps, f"{own * 1e3:.2f}", f"{whole:.2f}", whole / own, max(differences)


def quadratic_programme(x: np.ndarray, g: np.ndarray, eps: float) -> tuple[cvxpy.Problem, cvxpy.Variable]:
    """Eq. 9 of Pochimireddy et al. in [0, 1]."""
    around, eta, y = x - x.mean(), 1 / (1 - eps**2), cvxpy.Variable(x.size)
    square = (eta**2 - 1) * (around @ around) + eta * eps**2 * x.size * 0.03**2
    inside = [cvxpy.norm(y - x.mean() - eta * around) <= square**0.5, cvxpy.sum(y) == x.sum(), y >= 0, y <= 1]
    return cvxpy.Problem(cvxpy.Maximize(g @ y), inside), y


def large_times(images: Tensor, eps: float, repeats: int) -> list[object]:
    cells: list[object] = [eps]
    for batch in (images[:1], images):
        ball, gradient = ball_around(batch, eps), gradient_for(batch)
        ball.maximise(gradient)
        times = [
            common.seconds(lambda ball=ball, gradient=gradient: ball.maximise(gradient))
            for _ in range(repeats)
        ]
        cells.append(f"{statistics.median(times) * 1e3:.1f}")
    return cells


if __name__ == "__main__":
    sys.exit(main())

"""How long total variation minimisation takes, and how near to the least objective it comes.

    pip install --no-deps adversarial-robustness-toolbox==1.20.1 six
    python benchmarks/total_variation.py --threads 1

Photographs of 3×299×299 lose half of their values at random and are filled in: all at once by Limen, as the
defence stops and at a tenth of its tolerance, and one after the other by ART's TotalVarMin with the same
masks, after 10 passes (its default) and 100. ART minimises another objective, with an unsquared distance and
rows and columns apart, so only what it reaches of this one is compared. scikit-image's split Bregman knows no
mask: it is compared on whole photographs, at its own tolerance. `above least` is by how much the objective of
`limen.defenses.total_variation` exceeds that of Limen after 1,000 passes. Exit code 1 if another is at least
as fast as Limen and as low. The photographs come with scikit-image.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import statistics
import sys
from collections.abc import Callable

import numpy as np
import torch
from art.defences.preprocessor import TotalVarMin
from skimage.restoration import denoise_tv_bregman
from torch import Tensor

from limen.defenses.split_bregman import minimise
from s2_ball import views

WEIGHT = 0.03
Solver = Callable[[Tensor, Tensor], Tensor]


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=4)
    parser.add_argument("--side", type=common.positive, default=299)
    parser.add_argument("--repeats", type=common.positive, default=5)
    options = parser.parse_args(arguments)
    common.settle(options)
    images, beaten = views(options.images, options.side), False
    for problem, (kept, solvers) in problems(images).items():
        least = objective(minimise(images, kept, WEIGHT, tolerance=0.0, most=1000), images, kept)
        rows = [[name, *measure(solve, images, kept, least, options.repeats)] for name, solve in solvers]
        print(f"\n{problem}\n")
        header = ["solver", "s an image", "objective", "above least", "PSNR, dB"]
        print(common.table(header, [written(row) for row in rows]))
        ours, others = rows[:2], rows[2:]
        beaten |= any(a[1] <= b[1] and a[2] <= b[2] for a in others for b in ours)
    return int(beaten)


def problems(images: Tensor) -> dict[str, tuple[Tensor, list[tuple[str, Solver]]]]:
    """By name, which values are kept, and who fills in the others; Limen's two settings come first."""
    limen: list[tuple[str, Solver]] = [
        ("limen", lambda images, kept: minimise(images, kept, WEIGHT)),
        ("limen, tolerance 0.001", lambda images, kept: minimise(images, kept, WEIGHT, tolerance=0.001)),
    ]
    arts: list[tuple[str, Solver]] = [
        (f"ART, {passes} passes", lambda images, kept, passes=passes: art(images, passes))
        for passes in (10, 100)
    ]
    skimages: list[tuple[str, Solver]] = [("scikit-image", lambda images, kept: skimage(images))]
    return {
        "Half of the values dropped": (art_masks(images), limen + arts),
        "None dropped": (torch.ones_like(images, dtype=torch.bool), limen + skimages),
    }


def art_masks(images: Tensor) -> Tensor:
    """Which values ART keeps after the seed that `art` sets."""
    drawn = np.random.RandomState(0).rand(len(images), *images.shape[2:], images.shape[1]) < 0.5
    return torch.from_numpy(drawn).permute(0, 3, 1, 2)


def art(images: Tensor, passes: int) -> Tensor:
    np.random.seed(0)  # noqa: NPY002 - ART draws its masks from the global generator
    filled, _ = TotalVarMin(prob=0.5, max_iter=passes)(images.permute(0, 2, 3, 1).numpy())
    return torch.from_numpy(filled).permute(0, 3, 1, 2)


def skimage(images: Tensor) -> Tensor:
    smooth = [
        denoise_tv_bregman(image, weight=1 / WEIGHT, channel_axis=-1)
        for image in images.permute(0, 2, 3, 1).numpy()
    ]
    return torch.from_numpy(np.stack(smooth)).permute(0, 3, 1, 2)


def objective(u: Tensor, images: Tensor, kept: Tensor) -> float:
    """Its mean over the images."""
    u = u.double()
    right, down = (torch.diff(u, dim=dim, append=u.narrow(dim, -1, 1)) for dim in (3, 2))
    fidelity = (kept * (u - images).square()).sum() / (2 * WEIGHT)
    return float(torch.hypot(right, down).sum() + fidelity) / len(u)


def measure(
    solve: Solver, images: Tensor, kept: Tensor, least: float, repeats: int
) -> tuple[float, float, float, float]:
    """Seconds an image, the objective, by how much it exceeds the least, and the PSNR to the photographs."""
    found = solve(images, kept)
    times = [common.seconds(lambda: solve(images, kept)) / len(images) for _ in range(repeats)]
    reached = objective(found, images, kept)
    error = (found.double().clamp(0, 1) - images).square().mean((1, 2, 3))
    return statistics.median(times), reached, reached / least - 1, float(-10 * error.log10().mean())


def written(row: list) -> list[str]:
    name, seconds, reached, excess, psnr = row
    return [name, f"{seconds:.3g}", f"{reached:.0f}", f"{excess:.1%}", f"{psnr:.1f}"]


if __name__ == "__main__":
    sys.exit(main())

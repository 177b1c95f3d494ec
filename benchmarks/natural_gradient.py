"""What a direction along SSIM's natural gradient costs, and what it is worth.

    python benchmarks/natural_gradient.py --images 4 --worth 16 --repeats 5

First the time of the whole attack `ssim_step` on 3×299×299, and of the solution alone at several
tolerances, over that of a forward and backward pass of MobileNetV2 on the same images, in turns and pair by
pair. Exit code 1 if `ssim_step` takes more than 10. Then what the exact direction is worth beside the
diagonal one: the 1 − SSIM at which `ssim_pgd` and `ssim_ddn` fool the network at 224, with both solvers, on
8-bit images and on floats, with their passes and seconds; `pgd_l2` and `ddn` are the same in plain L2.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import argparse
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen import data
from limen.attacks import FACTORIES, ssim_step
from limen.classifier import Classifier
from limen.images import LATTICE, norm
from limen.metrics import local_dissimilarity
from limen.operators import Jacobi, SsimTensor, conjugate_gradient

MOST = 10.0
MOST_ITERATIONS = 2000
TOLERANCES = (1e-6, 1e-3, 1e-2)
EARLY = {"early_stop": True}
SOLVERS = {solver: {"solver": solver} for solver in ("diagonal", "conjugate_gradient")}
WORTH = (
    ("pgd_l2", {"eps": 3.0, "steps": 40, **EARLY}),
    *(("ssim_pgd", {"eps": 1e-3, "steps": 40, **EARLY, **solver}) for solver in SOLVERS.values()),
    ("ddn", {"steps": 99}),
    *(("ssim_ddn", {"steps": 99, **solver}) for solver in SOLVERS.values()),
)


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=4, help="images of 299×299 to time")
    parser.add_argument("--worth", type=int, default=16, help="images of 224×224 to attack; 0 for none")
    parser.add_argument("--repeats", type=common.positive, default=5, help="pairs of solution and pass")
    options = parser.parse_args(arguments)
    common.settle(options)
    classifier = Classifier(common.load_network("mobilenet_v2"))
    slowest = cost(classifier, options)
    if options.worth:
        worth(classifier, options.worth)
    return int(slowest > MOST)


def cost(classifier: Classifier, options: argparse.Namespace) -> float:
    """Print the times over a pass; the ratio of the whole attack's median to a pass."""
    batch = large(options.images)
    labels = classifier(batch).argmax(1)
    slope = gradient(classifier, batch, labels)
    tensor = SsimTensor.at(batch)

    def solve(tolerance: float) -> Tensor:
        return conjugate_gradient(SsimTensor.at(batch), slope, tolerance=tolerance).values

    work: dict[str, Callable[[], object]] = {
        "ssim_step, the whole attack": lambda: ssim_step(eps=3.0)(classifier, batch, labels)
    }
    for tolerance in TOLERANCES:
        work[f"H⁻¹g to {tolerance:g}"] = lambda tolerance=tolerance: solve(tolerance)
    work["g over the diagonal"] = lambda: slope / SsimTensor.at(batch).diagonal()
    rows, ratios = [], []
    for name, function in work.items():
        function()
        pairs = [
            (common.seconds(function), common.seconds(lambda: gradient(classifier, batch, labels)))
            for _ in range(options.repeats)
        ]
        times, passes = zip(*pairs, strict=True)
        ratios.append(sorted(a / b for a, b in pairs)[len(pairs) // 2])
        rows.append([name, f"{min(times):.2f}", f"{min(passes):.2f}", common.paired_ratio(times, passes)])
    print(f"{len(batch)} images of 3×299×299")
    print(common.table(["what", "its s", "a pass, s", "passes [range]"], rows))
    for name, preconditioner in (("", None), (" by the diagonal", Jacobi(tensor.diagonal()))):
        for tolerance in TOLERANCES:
            solution = conjugate_gradient(
                tensor, slope, preconditioner, tolerance, iterations=MOST_ITERATIONS
            )
            left = (norm(tensor.matvec(solution.values) - slope) / norm(slope)).max()
            counts = solution.iterations.tolist()
            print(f"to {tolerance:g}{name}: {counts} iterations, true residual {left:.1e}")
    return ratios[0]


def worth(classifier: Classifier, count: int) -> None:
    batch = common.load_images("mobilenet_v2", classifier, count)
    rows = []
    for lattice in (LATTICE, None):
        for name, settings in WORTH:
            attack, begin = FACTORIES[name](**settings), time.perf_counter()
            outcome = attack(classifier, batch.images, batch.labels, lattice=lattice)
            took = time.perf_counter() - begin
            pair = (outcome.images.double(), batch.images.double())
            distance = local_dissimilarity(*pair).mean((1, 2, 3))[outcome.success]
            rows.append(
                [
                    f"{name} {settings.get('solver', '')}",
                    "8 bits" if lattice else "float",
                    f"{outcome.success.double().mean():.3f}",
                    f"{distance.mean():.2e}",
                    f"{distance.median():.2e}",
                    f"{outcome.forwards.double().mean():.1f}",
                    f"{took:.0f}",
                ]
            )
    print(f"{len(batch.images)} images of 3×224×224")
    header = ["attack", "stored in", "success", "1 − SSIM, mean", "median", "forward passes", "s"]
    print(common.table(header, rows))


def gradient(classifier: Classifier, images: Tensor, labels: Tensor) -> Tensor:
    variables = images.clone().requires_grad_(True)
    return torch.autograd.grad(cross_entropy(classifier(variables), labels, reduction="sum"), variables)[0]


def large(count: int) -> Tensor:
    dataset = data.SOURCES["nips2017"](common.data_folder() / "nips2017", size=299)
    return next(iter(data.batches(dataset, range(count), count, on_skip=lambda *_: None))).images


if __name__ == "__main__":
    sys.exit(main())

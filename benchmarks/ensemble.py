"""Robust accuracy by Limen's ensemble and by other packages' AutoAttack, within the same budget.

    python benchmarks/ensemble.py --network cifar_robust --images 100 --eps 0.00784314

The packages attack in floats, and Limen both so and on 8 bits; each has its own steps, restarts and squares.
An image counts as robust if the network classifies it correctly as it is, and what an attack makes of it
within the budget as well. Each batch is kept as soon as it is attacked, and not attacked again.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import functools
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from libraries import Metered
from limen import data
from limen.attacks import autoattack
from limen.classifier import Classifier
from limen.errors import LimenWarning
from limen.images import LATTICE, norm

Run = Callable[[Tensor, Tensor], Tensor]
ORDERS = {"l2": ("L2", 2.0), "linf": ("Linf", float("inf"))}
ROUNDING = 1e-6


def limen(network: nn.Module, eps: float, order: str, lattice: int | None) -> Run:
    def run(images: Tensor, labels: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LimenWarning)
            return autoattack(eps, order)(Classifier(network), images, labels, lattice=lattice).images

    return run


def torchattacks(network: nn.Module, eps: float, order: str) -> Run:
    from torchattacks import AutoAttack

    return AutoAttack(network, norm=ORDERS[order][0], eps=eps, seed=0)


def authors(network: nn.Module, eps: float, order: str) -> Run:
    from autoattack import AutoAttack

    made = AutoAttack(network, norm=ORDERS[order][0], eps=eps, seed=0, verbose=False, device="cpu")
    return lambda images, labels: made.run_standard_evaluation(images, labels, bs=len(images))


RUNS: dict[str, Callable[[nn.Module, float, str], Run]] = {
    "limen": functools.partial(limen, lattice=LATTICE),
    "limen, float": functools.partial(limen, lattice=None),
    "torchattacks": torchattacks,
    "autoattack": authors,
}


def withstood(
    run: Run, meter: Metered, images: Tensor, labels: Tensor, eps: float, order: str
) -> dict[str, np.ndarray]:
    """Which images are right, and still are under attack, and what that took for each of the right ones."""
    with torch.no_grad():
        right = meter(images).argmax(1) == labels
    meter.forwards = meter.backwards = 0
    begin = time.perf_counter()
    found, robust = run(images[right], labels[right]).detach(), right.clone()
    seconds, forwards, backwards = time.perf_counter() - begin, meter.forwards, meter.backwards
    inside = norm(found - images[right], ORDERS[order][1]) <= eps * (1 + 1e-5) + ROUNDING
    with torch.no_grad():
        robust[right] = ~inside | (meter(found).argmax(1) == labels[right])
    told = {"seconds": seconds, "forwards": forwards, "backwards": backwards}
    return {"right": right.numpy(), "robust": robust.numpy()} | {k: np.array(v) for k, v in told.items()}


def main(arguments: list[str] | None = None) -> int:
    made = common.parser(__doc__)
    made.add_argument("--network", choices=common.NETWORKS, default="cifar_robust")
    made.add_argument("--images", type=common.positive, default=100)
    made.add_argument("--batch", type=common.positive, default=50)
    made.add_argument("--norm", choices=ORDERS, default="linf")
    made.add_argument("--eps", type=float, default=2 / 255)
    made.add_argument("--libraries", nargs="+", choices=RUNS, default=list(RUNS))
    made.add_argument("--kept", default="ensemble", help="a folder for what is found (default: %(default)s)")
    options = made.parse_args(arguments)
    common.settle(options)
    meter = Metered(common.load_network(options.network)).eval()
    source, folder, parameters = common.NETWORKS[options.network]
    dataset = data.SOURCES[source](common.data_folder() / folder, **parameters)
    rows, shares = [], {}
    for library in options.libraries:
        run, parts = RUNS[library](meter, options.eps, options.norm), []
        rest = range(min(options.images, len(dataset)))
        for place, batch in enumerate(data.batches(dataset, rest, options.batch, on_skip=lambda *_: None)):
            name = f"{options.network}-{options.norm}-{options.eps:g}-{library.replace(', ', '-')}"
            print(f"{library}: batch {place}", file=sys.stderr, flush=True)
            given = run, meter, batch.images, batch.labels, options.eps, options.norm
            path = Path(options.kept) / f"{name}-{options.batch}-{place}.npz"
            parts.append(common.kept(path, functools.partial(withstood, *given)))
        right, robust = (np.concatenate([part[key] for part in parts]) for key in ("right", "robust"))
        shares[library] = robust.mean()
        spent = [sum(float(part[key]) for part in parts) for key in ("forwards", "backwards", "seconds")]
        rows.append([
            *(library, f"{right.mean():.1%}", f"{robust.mean():.1%}"),
            *(f"{each / max(right.sum(), 1):.0f}" for each in spent[:2]),
            f"{spent[2]:.0f}",
        ])  # fmt: skip
    header = ["library", "right", "robust", "forward", "backward", "s"]
    print(f"{options.network}, {len(right)} images, {options.norm} {options.eps:g}")
    print(common.table(header, rows))
    own = [share for library, share in shares.items() if library.startswith("limen")]
    others = [share for library, share in shares.items() if not library.startswith("limen")]
    return int(bool(own and others) and min(own) > min(others))


if __name__ == "__main__":
    sys.exit(main())

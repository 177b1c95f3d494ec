"""The least distances that Limen's attacks and adv-lib's find at the same passes, in floats and on 8 bits.

    python benchmarks/least_distance.py --network cifar_resnet --images 32 --passes 100 --kept least

Every attack is given as many steps as it can make with so many forward passes and so many backward passes of
each image at most; the table says how many the network counted. In floats, each library attacks without a
lattice. On 8 bits, Limen's attacks and adv-lib's DDN have the lattice in their loops; what the others find is
rounded, and asked about again. An image that is not fooled counts as infinitely far in a median, and is left
out of a mean. Each attack's distances are kept as soon as they are found, and not looked for again.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import functools
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from libraries import Metered
from limen import attacks
from limen.attacks import Attack
from limen.classifier import Classifier
from limen.errors import LimenWarning
from limen.images import LATTICE, norm, quantize

ORDERS = {"l0": 0.0, "l1": 1.0, "l2": 2.0, "linf": float("inf")}
BUDGETS = {100: (8, 11), 1000: (12, 80)}
"""Of so many passes: how many budgets a bisection tries, and by how many steps each."""

BATCH = {"photographs": 4, "small": 32}
"""Images at once: the activations of more photographs do not fit the caches, so that passes take longer."""

Run = Callable[[nn.Module, Tensor, Tensor, bool], Tensor]
"""Of a network, images, labels and whether on 8 bits: what an attack finds."""


def split(passes: int) -> tuple[int, int]:
    """How many budgets a bisection tries with so many passes, and by how many steps each."""
    rounds = next((rounds for most, (rounds, _) in BUDGETS.items() if passes <= most), 12)
    return rounds, max(passes // rounds - 2, 1)


def limen(order: str, passes: int) -> dict[str, Attack]:
    """Limen looks at the last iterate, too, and so makes one step less."""
    steps, (rounds, each) = passes - 1, split(passes)
    half = passes // (2 * rounds) - 2
    back, stride = (0 if order == "linf" else max(passes // 7, 1)), (2.0 if order == "l0" else 1.0)
    bisected = attacks.minimal_apgd if order != "l0" else None
    # Of few steps its absolute lengths do not come near.
    absolute = order != "l0" and passes >= 500
    sparse = {"sigma_zero": attacks.sigma_zero(steps), "exchange": attacks.exchange(steps)}
    return {
        **(sparse if order == "l0" else {}),
        **({"ddn": attacks.ddn(steps)} if order == "l2" else {}),
        "fmn": attacks.fmn(order, steps),
        **({"fmn, retreat": attacks.fmn(order, steps - back - 1, stride, retreat=back)} if back else {}),
        **({"pdpgd": attacks.pdpgd(order, steps)} if order != "l0" else {}),
        **({"pdpgd, published": attacks.pdpgd(order, steps, 0.1, relative=False)} if absolute else {}),
        **({"apgd, bisected": bisected(order, each, rounds)} if bisected else {}),
        **({"apgd, restarts": bisected(order, half, rounds, restarts=2)} if bisected and half > 20 else {}),
    }


def adv_lib(order: str, passes: int) -> dict[str, Run]:
    # Only its plots need visdom, whose source package does not build with today's setuptools.
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    from adv_lib import attacks as peers
    from adv_lib.attacks.auto_pgd import minimal_apgd

    rounds, each = split(passes)
    most = {"l1": 64.0, "l2": 4.0, "linf": 32 / 255}
    made: dict[str, Run] = {
        "fmn": lambda *of: peers.fmn(*of[:3], norm=ORDERS[order], steps=passes),
        "pdpgd": lambda *of: peers.pdpgd(*of[:3], norm=ORDERS[order], num_steps=passes),
    }
    if order == "l0":
        made["sigma_zero"] = lambda *of: peers.sigma_zero(*of[:3], num_steps=passes)
        made["pdpgd, L2/3"] = lambda *of: peers.pdpgd(*of[:3], norm=0, num_steps=passes, proximal_operator=23)
        return made
    if order == "l2":
        made["ddn"] = lambda *of: peers.ddn(*of[:3], steps=passes, levels=LATTICE + 1 if of[3] else None)
    made["apgd, bisected"] = lambda *of: minimal_apgd(
        *of[:3],
        norm=ORDERS[order],
        max_eps=most[order],
        binary_search_steps=rounds,
        n_iter=each,
        use_large_reps=order == "l1",
    )
    return made


def by_limen(attack: Attack) -> Run:
    def run(network: nn.Module, images: Tensor, labels: Tensor, stored: bool) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LimenWarning)
            return attack(Classifier(network), images, labels, lattice=LATTICE if stored else None).images

    return run


def measured(
    run: Run, meter: Metered, data: common.Images, order: str, batch: int, aware: bool
) -> dict[str, np.ndarray]:
    """The distances of each image in floats and on 8 bits, by value and by pixel, and what they took.

    What is not aware of the lattice is run once, and rounded.
    """
    found: dict[str, list[np.ndarray]] = {}
    meter.forwards = meter.backwards = 0
    begin = time.perf_counter()
    for images, labels in data.batches(batch):
        for stored in (False, True):
            if not stored or aware:
                torch.manual_seed(0)
                result = run(meter, images.contiguous(), labels, stored).detach()
            result = quantize(result) if stored else result
            counted = meter.forwards, meter.backwards
            with torch.no_grad():
                fooled = meter(result).argmax(1) != labels
            meter.forwards, meter.backwards = counted
            change = result - images
            for name, each in (("value", change), ("pixel", change.abs().amax(1, keepdim=True))):
                distance = norm(each, ORDERS[order]).masked_fill(~fooled, torch.inf)
                found.setdefault(f"{name}_{stored}", []).append(distance.cpu().numpy())
    count = (1 + aware) * len(data.images)
    spent = {
        "forwards": np.array(meter.forwards / count),
        "backwards": np.array(meter.backwards / count),
        "seconds": np.array(time.perf_counter() - begin),
    }
    return {name: np.concatenate(parts) for name, parts in found.items()} | spent


def cells(distances: np.ndarray) -> list[str]:
    """How many were fooled, and the median and mean distance."""
    hits = distances[np.isfinite(distances)]
    mean = f"{hits.mean():.4g}" if len(hits) else ""
    return [f"{len(hits)}/{len(distances)}", f"{np.median(distances):.4g}", mean]


def ahead(found: dict[tuple[str, str], dict[str, np.ndarray]], key: str) -> str:
    """The least median of Limen's attacks over the least of the others; and of the same two, image by image.

    A median of few images is that of one or two, and moves where these are lucky; the median of ratios of the
    same image does not. Where neither attack fooled an image, its ratio is 1.
    """
    best = {
        library: min((cell[key] for (of, _), cell in found.items() if of == library), key=np.median)
        for library in {library for library, _ in found}
    }
    if len(best) < 2:
        return "no peer"
    ours, theirs = best["limen"], best["adv-lib"]
    neither = np.isinf(ours) & np.isinf(theirs)
    ratios = np.divide(ours, theirs, out=np.ones_like(ours), where=~neither)
    return f"{np.median(ours) / np.median(theirs):.3f} (image by image {np.median(ratios):.3f})"


def report(order: str, found: dict[tuple[str, str], dict[str, np.ndarray]]) -> str:
    header = ["attack", "library", "forward", "backward", "fooled", "median", "mean"]
    header += ["fooled, 8 bits", "median", "mean", *(["pixels", "8 bits"] if order == "l0" else [])]
    rows = []
    for (library, name), cell in found.items():
        row = [name, library, f"{cell['forwards']:.1f}", f"{cell['backwards']:.1f}"]
        row += cells(cell["value_False"]) + cells(cell["value_True"])
        if order == "l0":
            row += [f"{np.median(cell[key]):.4g}" for key in ("pixel_False", "pixel_True")]
        rows.append(row)
    last = f"Limen's best median over adv-lib's: {ahead(found, 'value_False')}"
    last += f", on 8 bits {ahead(found, 'value_True')}"
    if order == "l0":
        last += f"; by pixel {ahead(found, 'pixel_False')} and {ahead(found, 'pixel_True')}"
    return f"\n{order}\n{common.table(header, rows)}\n{last}"


def main(arguments: list[str] | None = None) -> None:
    made = common.parser(__doc__)
    made.add_argument("--network", choices=common.NETWORKS, default="cifar_resnet")
    made.add_argument("--images", type=common.positive, default=32)
    made.add_argument("--batch", type=common.positive, help=f"(default: {BATCH})")
    made.add_argument("--passes", type=common.positive, default=100)
    made.add_argument("--norms", nargs="+", choices=ORDERS, default=list(ORDERS))
    made.add_argument("--attacks", nargs="+", help="names to look for; without, all")
    made.add_argument("--libraries", nargs="+", choices=("limen", "adv-lib"), default=["limen", "adv-lib"])
    made.add_argument("--device", default="cpu")
    made.add_argument("--kept", default="least", help="a folder for what is found (default: %(default)s)")
    options = made.parse_args(arguments)
    common.settle(options)
    meter = Metered(common.load_network(options.network)).eval()
    data = common.load_images(options.network, Classifier(meter), options.images).to(options.device)
    meter.to(options.device)
    batch = options.batch or BATCH["photographs" if data.images[0].numel() > 3 * 64**2 else "small"]
    print(f"{options.network}, {len(data.images)} images, {options.passes} passes", flush=True)
    for order in options.norms:
        runs = {("limen", name): by_limen(each) for name, each in limen(order, options.passes).items()}
        if "adv-lib" in options.libraries:
            runs |= {("adv-lib", name): run for name, run in adv_lib(order, options.passes).items()}
        found = {}
        for (library, name), run in runs.items():
            if library not in options.libraries or (options.attacks and name not in options.attacks):
                continue
            cell = f"{options.network}-{len(data.images)}-{options.passes}-{order}-{library}-{name}"
            path = Path(options.kept) / f"{cell.replace(' ', '').replace('/', '')}.npz"
            print(f"{order}, {library}: {name}", file=sys.stderr, flush=True)
            aware = library == "limen" or name == "ddn"
            find = functools.partial(measured, run, meter, data, order, batch, aware)
            found[library, name] = common.kept(path, find)
        print(report(order, found), flush=True)


if __name__ == "__main__":
    main()

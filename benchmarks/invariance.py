"""How far the same attacks on the same images lie apart when these come in batches of 32, 7 and 1.

    python benchmarks/invariance.py --images 64 --steps 10

Everything in Limen is worked out per sample, but a network's kernels change with the number of rows,
and the last bits of its answers with them. Attacks carry these on: the sign of a gradient near 0
flips, and a pixel ends elsewhere. The first row of each attack repeats the batches of 32, which must
give the same pixels bit for bit. Exit code 1 if they do not, or if a batch of another size turns more
successes into failures, or moves distances further, than `MOST_TURNED` and `MOST_MOVED` allow.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import inspect
import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks import FACTORIES, Attack
from limen.classifier import Classifier
from limen.images import to_uint8

# Two multipliers, so that images whose first climb failed and succeeded go on side by side.
SETTINGS = {
    "carlini_wagner_l2": {"search_steps": 2},
    "smooth_carlini_wagner_l2": {"search_steps": 2},
}
# Digits need more, and an attack that fails returns the original, in batches of any size.
DIGITS = {"pgd_linf": {"eps": 0.3}, "carlini_wagner_l2": {"learning_rate": 0.3, "initial_constant": 10.0}}
SIZES = (32, 32, 7, 1)
MOST_TURNED = 0.05
MOST_MOVED = 0.05


@dataclass(frozen=True)
class Stored:
    """What files would hold: pixels (N, H, W, C), and whether each succeeded (N,)."""

    pixels: Tensor
    success: Tensor

    def distances(self, originals: Tensor) -> Tensor:
        """L2 in [0, 1] units, (N,)."""
        return (self.pixels.double() - originals.double()).flatten(1).norm(dim=1) / 255


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=common.NETWORKS, default=["cifar_resnet"])
    parser.add_argument("--attacks", nargs="+", choices=FACTORIES, default=list(FACTORIES))
    parser.add_argument("--images", type=common.positive, default=32)
    parser.add_argument("--steps", type=common.positive, default=10)
    options = parser.parse_args(arguments)
    common.settle(options)
    rows: list[list[object]] = []
    apart = False
    for network in options.networks:
        classifier = Classifier(common.load_network(network))
        batch = common.load_images(network, classifier, options.images)
        for name in options.attacks:
            attack = make(name, network, options.steps)
            for row, beyond in compare(attack, classifier, batch):
                rows.append([network, name, *row])
                apart |= beyond
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    header = [
        "network",
        "attack",
        "batch",
        "successes",
        "turned",
        "values off",
        "by > 1 level",
        "most levels",
    ]
    print(common.table([*header, "L2 moved, mean", "most"], rows))
    return int(apart)


def make(name: str, network: str, steps: int) -> Attack:
    settings = SETTINGS.get(name, {}) | (DIGITS.get(name, {}) if network == "mnist_cnn" else {})
    if "steps" in inspect.signature(FACTORIES[name]).parameters:
        settings = {**settings, "steps": steps}
    return FACTORIES[name](**settings)


def compare(attack: Attack, classifier: Classifier, batch: common.Images) -> list[tuple[list[object], bool]]:
    """For each batch size, how far its results are from the first one's; and whether that is too far."""
    originals = torch.from_numpy(to_uint8(batch.images))
    first, *others = (run(attack, classifier, batch, size) for size in SIZES)
    rows = []
    for size, other in zip(SIZES[1:], others, strict=True):
        turned = first.success != other.success
        levels = (other.pixels.int() - first.pixels.int()).abs()
        both = first.success & other.success
        ours, theirs = (each.distances(originals)[both] for each in (first, other))
        moved = (ours - theirs).abs() / ours.clamp_min(1 / 255)
        mean, most = (float(moved.mean()), float(moved.max())) if len(moved) else (0.0, 0.0)
        cells = [
            "32 again" if size == SIZES[0] else size,
            f"{int(other.success.sum())} of {len(other.success)}",
            int(turned.sum()),
            f"{float((levels > 0).double().mean()):.3%}",
            f"{float((levels > 1).double().mean()):.3%}",
            int(levels.max()),
            f"{mean:.2%}",
            f"{most:.2%}",
        ]
        too_far = float(turned.double().mean()) > MOST_TURNED or mean > MOST_MOVED
        rows.append((cells, bool(levels.any()) if size == SIZES[0] else too_far))
    return rows


def run(attack: Attack, classifier: Classifier, batch: common.Images, size: int) -> Stored:
    """What batches of this size leave."""
    ids = torch.arange(len(batch.images)).split(size)
    outcomes = [
        attack(classifier, images, labels, ids=names.tolist())
        for (images, labels), names in zip(batch.batches(size), ids, strict=True)
    ]
    pixels = torch.cat([torch.from_numpy(to_uint8(outcome.images)) for outcome in outcomes])
    return Stored(pixels, torch.cat([outcome.success for outcome in outcomes]))


if __name__ == "__main__":
    sys.exit(main())

"""Whether an image's adversarial example depends on the batch it was attacked in. It must not.

    python benchmarks/invariance.py --images 32

Attacks the same images in batches of 32, 7 and 1, and compares the stored 8-bit pixels with those
from batches of 32. Exit code 1 if any differs.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import sys

import torch
from torch import Tensor

from limen.attacks import FACTORIES, Attack
from limen.classifier import Classifier
from limen.images import to_uint8

ATTACKS = {
    "pgd_linf": {},
    "pgd_l2": {},
    "ddn": {},
    # Two multipliers, so that images whose first climb failed and succeeded go on side by side.
    "carlini_wagner_l2": {"search_steps": 2},
    "deepfool": {},
}
# Digits need more, and an attack that fails returns the original, in batches of any size.
DIGITS = {"pgd_linf": {"eps": 0.3}, "carlini_wagner_l2": {"learning_rate": 0.3, "initial_constant": 10.0}}
SIZES = (32, 7, 1)


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=common.NETWORKS, default=list(common.NETWORKS))
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--images", type=common.positive, default=32)
    parser.add_argument("--steps", type=common.positive, default=10)
    options = parser.parse_args(arguments)
    common.settle(options)
    rows: list[list[object]] = []
    for network in options.networks:
        classifier = Classifier(common.load_network(network))
        batch = common.load_images(network, classifier, options.images)
        for name in options.attacks:
            settings = ATTACKS[name] | (DIGITS.get(name, {}) if network == "mnist_cnn" else {})
            attack = FACTORIES[name](steps=options.steps, **settings)
            rows += [[network, name, *row] for row in compare(attack, classifier, batch)]
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    header = ["network", "attack", "batch", "successes", "differing images", "differing values"]
    print(common.table(header, rows))
    return 1 if any(row[-1] for row in rows) else 0


def compare(attack: Attack, classifier: Classifier, batch: common.Images) -> list[list[object]]:
    """For each batch size: the size, successes, images and values that differ from the first size's."""
    rows: list[list[object]] = []
    reference = None
    for size in SIZES:
        stored, success = run(attack, classifier, batch, size)
        reference = stored if reference is None else reference
        different = (stored != reference).flatten(1)
        images = int(different.any(1).sum())
        rows.append([size, f"{int(success.sum())} of {len(success)}", images, int(different.sum())])
    return rows


def run(attack: Attack, classifier: Classifier, batch: common.Images, size: int) -> tuple[Tensor, Tensor]:
    """The pixels (N, H, W, C) that files would store, and the successes, from batches of this size."""
    ids = torch.arange(len(batch.images)).split(size)
    outcomes = [
        attack(classifier, images, labels, ids=names.tolist())
        for (images, labels), names in zip(batch.batches(size), ids, strict=True)
    ]
    pixels = torch.cat([torch.from_numpy(to_uint8(outcome.images)) for outcome in outcomes])
    return pixels, torch.cat([outcome.success for outcome in outcomes])


if __name__ == "__main__":
    sys.exit(main())

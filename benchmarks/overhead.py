"""What an attack costs beyond the passes it makes through the model.

    python benchmarks/overhead.py --images 8 --steps 20 --repeats 7

Each attack is timed against as many bare forward and backward passes as it reports, on the same
images through the same classifier: the gradient of the cross-entropy with respect to the images.
The last row is what the classifier itself costs: the bare passes through it over those through the
network that it wraps, in whole batches.
Settings are such that no image leaves before the end. Attack and passes take turns; the ratio is
formed pair by pair.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen.attacks import FACTORIES, Attack, Outcome
from limen.classifier import Classifier
from limen.images import LATTICE

# Each attack's settings, in which no image leaves, and the most that it may cost.
ATTACKS = {
    "pgd_linf": ({}, 1.05),
    "pgd_l2": ({}, 1.05),
    "mifgsm": ({}, 1.05),
    "carlini_wagner_l2": ({"search_steps": 1, "patience": None}, 1.15),
    "ddn": ({}, None),
}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--images", type=common.positive, default=8, help="one batch of so many")
    parser.add_argument("--steps", type=common.positive, default=20)
    parser.add_argument("--repeats", type=common.positive, default=7, help="pairs of attack and passes")
    parser.add_argument("--float", action="store_true", help="without the 8-bit lattice")
    options = parser.parse_args()
    common.settle(options)
    classifier = Classifier(common.load_network("mobilenet_v2"))
    batch = common.load_images("mobilenet_v2", classifier, options.images)
    lattice = None if options.float else LATTICE
    print(f"MobileNetV2, {len(batch.images)} images at 224, {options.steps} steps, lattice {lattice}")
    rows = []
    for name in options.attacks:
        settings, target = ATTACKS[name]
        attack = FACTORIES[name](steps=options.steps, **settings)
        rows.append([name, *measure(attack, classifier, batch, lattice, options.repeats), target or "none"])
    header = ["what", "forward", "backward", "its s", "passes, s", "ratio [range]", "target"]
    print(common.table(header, rows))


def measure(
    attack: Attack, classifier: Classifier, batch: common.Images, lattice: int | None, repeats: int
) -> list[object]:
    def run() -> Outcome:
        return attack(classifier, batch.images, batch.labels, lattice=lattice)

    forwards, backwards = passes_of(run())  # which warms up as well
    bare = partial(make_passes, classifier, classifier, batch, forwards, backwards)
    return [forwards, backwards, *compare(run, bare, repeats)]


def compare(one: Callable[[], object], other: Callable[[], object], repeats: int) -> list[str]:
    """The median seconds of the two, taking turns, and their ratio."""
    times = [(common.seconds(one), common.seconds(other)) for _ in range(repeats)]
    ours, theirs = zip(*times, strict=True)
    medians = (f"{statistics.median(each):.3f}" for each in (ours, theirs))
    return [*medians, common.paired_ratio(ours, theirs)]


def passes_of(outcome: Outcome) -> tuple[int, int]:
    """How many passes every image took part in; a ratio over passes of a shrinking batch says nothing."""
    counts = {*zip(outcome.forwards.tolist(), outcome.backwards.tolist(), strict=True)}
    if len(counts) > 1:
        raise SystemExit("images left the batch before the end; their passes cannot be compared")
    return counts.pop()


def make_passes(
    classifier: Classifier,
    network: Callable[[Tensor], Tensor],
    batch: common.Images,
    forwards: int,
    backwards: int,
) -> None:
    with classifier.frozen():  # as it is during an attack
        for _ in range(backwards):
            images = batch.images.detach().requires_grad_()
            loss = cross_entropy(network(images), batch.labels, reduction="sum")
            torch.autograd.grad(loss, images)
        with torch.no_grad():
            for _ in range(forwards - backwards):
                network(batch.images)


if __name__ == "__main__":
    main()

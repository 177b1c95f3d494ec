"""What an attack costs beyond the passes it makes through the model.

    python benchmarks/overhead.py --images 8 --steps 20 --repeats 7

Each attack is timed against as many bare forward and backward passes as it reports, on the same
images through the same classifier: the gradient of the cross-entropy with respect to the images.
The last row is what the classifier itself costs: the bare passes through it over those through the
network that it wraps, in whole batches.
Settings are such that no image leaves before the end. Attack and passes take turns; the ratio is
formed pair by pair.

A second table times attacks on superpixels against the same steps on single pixels, both from the
original. The superpixels of these images are made before, as they are once for each image.
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

# I-FGM in the units of SAI-FGM; what is changed on superpixels, and the most that it may cost beside it.
PLAIN = {"attention": None, "random_start": False}
SUPERPIXELS = {
    "sai_fgm:gradient=sum": ({}, 1.05),
    "sai_fgm:gradient=mean": ({"gradient": "mean"}, 1.1),
    "sai_fgm:gradient=max": ({"gradient": "max"}, 1.1),
    "sai_fgm:attention=cam": ({"attention": "cam"}, None),
}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--attacks", nargs="*", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--superpixels", nargs="*", choices=SUPERPIXELS, default=list(SUPERPIXELS))
    parser.add_argument("--images", type=common.positive, default=8, help="one batch of so many")
    parser.add_argument("--steps", type=common.positive, default=20)
    parser.add_argument("--repeats", type=common.positive, default=7, help="pairs of attack and passes")
    parser.add_argument("--float", action="store_true", help="without the 8-bit lattice")
    options = parser.parse_args(arguments)
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
    plain = FACTORIES["sai_fgm"](steps=options.steps, superpixels=None, **PLAIN)
    rows = []
    for name in options.superpixels:
        settings, target = SUPERPIXELS[name]
        attack = FACTORIES["sai_fgm"](steps=options.steps, **{**PLAIN, **settings})
        rows.append(
            [name, *beside(attack, plain, classifier, batch, lattice, options.repeats), target or "none"]
        )
    print()
    print(common.table(["what", "forward", "I-FGM's", "its s", "I-FGM, s", "ratio [range]", "target"], rows))


def measure(
    attack: Attack, classifier: Classifier, batch: common.Images, lattice: int | None, repeats: int
) -> list[object]:
    def run() -> Outcome:
        return attack(classifier, batch.images, batch.labels, lattice=lattice)

    forwards, backwards = passes_of(run())  # which warms up as well
    bare = partial(make_passes, classifier, classifier, batch, forwards, backwards)
    return [forwards, backwards, *compare(run, bare, repeats)]


def beside(
    attack: Attack,
    plain: Attack,
    classifier: Classifier,
    batch: common.Images,
    lattice: int | None,
    repeats: int,
) -> list[object]:
    """Forward passes and seconds of both attacks, which make equally many backward passes."""

    def run(which: Attack) -> Outcome:
        return which(classifier, batch.images, batch.labels, lattice=lattice)

    # Runs that warm up as well, and make the superpixels.
    (forwards, backwards), (plain_forwards, plain_backwards) = passes_of(run(attack)), passes_of(run(plain))
    assert backwards == plain_backwards
    return [forwards, plain_forwards, *compare(partial(run, attack), partial(run, plain), repeats)]


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

"""What a pass through `Classifier` costs over the bare pass through the network that it wraps.

    python benchmarks/classifier_passes.py --repeats 15

A pass is a forward and a backward one: the gradient of the cross-entropy with respect to the images.
The two sides take turns on the same images and the ratio is formed pair by pair; a third turn, bare
again, shows how far two equal sides lie apart on this machine. Exit code 1 if a median is above `MOST`
by more than that.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import statistics
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen.classifier import Classifier

# The batches of each network.
BATCHES = {"cifar_resnet": (1, 16, 64, 128), "mobilenet_v2": (1, 16)}
MOST = 1.03
_LEAST_SECONDS = 0.05  # of a turn, which is as many passes as that takes


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--batches", nargs="+", type=common.positive, default=None)
    parser.add_argument("--repeats", type=common.positive, default=15)
    options = parser.parse_args(arguments)
    common.settle(options)
    rows, slow = [], False
    for name in options.networks:
        network = common.load_network(name)
        classifier = Classifier(network)
        batches = options.batches or BATCHES[name]
        every = common.load_images(name, classifier, max(batches)).images
        for count in batches:
            images = every.repeat(-(-count // len(every)), 1, 1, 1)[:count]
            cells, too_slow = measure(classifier, images, options.repeats)
            rows.append([name, count, *cells])
            slow |= too_slow
    print(common.table(["network", "batch", "bare, s", "Classifier / bare", "bare / bare"], rows))
    return int(slow)


def measure(classifier: Classifier, images: Tensor, repeats: int) -> tuple[list[str], bool]:
    with classifier.frozen():  # as it is during an attack
        sides = [partial(make_pass, side, images) for side in (classifier.module, classifier)]
        bare, through = sides
        once = common.seconds(bare) and min(common.seconds(bare), common.seconds(through))
        passes = max(1, round(_LEAST_SECONDS / once))
        times = [
            [common.seconds(partial(repeat, turn, passes)) for turn in (bare, through, bare)]
            for _ in range(repeats)
        ]
    first, ours, second = zip(*times, strict=True)
    around = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    ratio = statistics.median(a / b for a, b in zip(ours, around, strict=True))
    equal = abs(statistics.median(a / b for a, b in zip(first, second, strict=True)) - 1)
    cells = [
        f"{statistics.median(around) / passes:.4f}",
        common.paired_ratio(ours, around),
        common.paired_ratio(first, second),
    ]
    return cells, ratio > MOST + equal


def make_pass(network: Callable[[Tensor], Tensor], images: Tensor) -> None:
    images = images.detach().requires_grad_()
    labels = torch.zeros(len(images), dtype=torch.int64)
    torch.autograd.grad(cross_entropy(network(images), labels, reduction="sum"), images)


def repeat(function: Callable[[], None], times: int) -> None:
    for _ in range(times):
        function()


if __name__ == "__main__":
    sys.exit(main())

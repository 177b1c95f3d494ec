"""What smoothness costs: the seconds of smooth C&W over those of C&W at equal steps.

    python benchmarks/smooth.py --images 32 --batch 16 --steps 40 --search-steps 3 --repeats 1
    python benchmarks/smooth.py --network inception_v3 --images 4 --batch 4 --steps 20 --search-steps 1

Both attacks run in turns on the same images, with the same settings, none ending a climb early, and
make the same passes through the network; the ratio is formed pair by pair. Inception v3, the paper's, has
random weights here and is attacked at its own answers: a pass takes as long as with trained ones. The
smooth attack runs with kept factors, one graph a channel or one for all, and with the 50 conjugate
gradients a solve of Zhang et al. (2020), who report a ratio of 4.4. Then where the time goes: in
factorising, in solving, in the passes and in the rest.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from limen import catalog
from limen.attacks import FACTORIES
from limen.classifier import Classifier
from limen.operators.nested_dissection import GridFactor
from limen.operators.smoother import Iterated

MOST = 1.2
SIDES = {"mobilenet_v2": 224, "inception_v3": 299}
PARTS = ("factorising", "solving")
KINDS: dict[str, dict[str, Any]] = {
    "factorised": {"solver": "factorised"},
    "factorised, joint": {"solver": "factorised", "joint": True},
    "CG, 50 iterations": {"solver": "conjugate_gradient", "tolerance": 0.0, "iterations": 50},
    "CG to 1e-5": {"solver": "conjugate_gradient"},
}


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=32)
    parser.add_argument("--network", choices=SIDES, default="mobilenet_v2")
    parser.add_argument("--side", type=common.positive, help="of the images (default: the network's own)")
    parser.add_argument("--batch", type=common.positive, default=16)
    parser.add_argument("--steps", type=common.positive, default=40)
    parser.add_argument("--search-steps", type=common.positive, default=3)
    parser.add_argument("--repeats", type=common.positive, default=1, help="pairs of the two attacks")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["factorised", "CG, 50 iterations"])
    parser.add_argument(
        "--processor-time", action="store_true", help="for a machine that does other work; with --threads 1"
    )
    options = parser.parse_args(arguments)
    common.settle(options)
    clock = time.process_time if options.processor_time else time.perf_counter
    side = options.side or SIDES[options.network]
    classifier, batch = bench(options.network, options.images, side)
    counts = {"steps": options.steps, "search_steps": options.search_steps, "patience": None}
    print(
        f"{options.network}, {len(batch.images)} images at {side} in batches of {options.batch}, "
        f"{options.steps} × {options.search_steps} steps"
    )
    rows, ratios = [], []
    for kind in options.kinds:
        plain, smooth, parts = [], [], Parts(clock)
        for _ in range(options.repeats):
            plain.append(run("carlini_wagner_l2", classifier, batch, options.batch, counts, clock))
            with parts.timed():
                settings = {**counts, **KINDS[kind]}
                smooth.append(
                    run("smooth_carlini_wagner_l2", classifier, batch, options.batch, settings, clock)
                )
        ratios.append(sum(smooth) / sum(plain))
        share = [f"{seconds / sum(smooth):.1%}" for seconds in parts.seconds.values()]
        rest = f"{1 - sum(parts.seconds.values()) / sum(smooth):.1%}"
        each = [f"{min(times) / len(batch.images):.2f}" for times in (smooth, plain)]
        rows.append([kind, *each, common.paired_ratio(smooth, plain), *share, rest])
    header = ["solver", "smooth, s an image", "C&W, s", "ratio [range]", *PARTS, "passes, rest"]
    print(common.table(header, rows))
    return int(ratios[0] > MOST)


def bench(network: str, count: int, side: int) -> tuple[Classifier, common.Images]:
    """The network, and images that it classifies correctly, or with random weights as it does."""
    if network == "mobilenet_v2":
        classifier = Classifier(common.load_network(network))
        return classifier, common.load_images(network, classifier, count, size=side)
    torch.manual_seed(0)
    classifier = catalog.model(f"torchvision:{network},weights=random")
    classifier.module.requires_grad_(False)
    images = common.photographs(count, side)
    with torch.no_grad():
        return classifier, common.Images(images, classifier(images).argmax(1))


def run(
    name: str,
    classifier: Classifier,
    batch: common.Images,
    size: int,
    settings: dict[str, Any],
    clock: Callable[[], float],
) -> float:
    """Seconds of the attack on all images; each must take every step."""
    attack, begin = FACTORIES[name](**settings), clock()
    outcomes = [attack(classifier, *part) for part in batch.batches(size)]
    took = clock() - begin
    steps = settings["steps"] * settings["search_steps"]
    assert all((outcome.steps == steps).all() for outcome in outcomes)
    print(
        f"{name} {settings}: success {torch.cat([o.success for o in outcomes]).double().mean():.3f}",
        flush=True,
    )
    return took


class Parts:
    """Seconds spent in the parts of smoothing."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def timed(self) -> Iterator[None]:
        with ExitStack() as stack:
            for owner, name, part in (
                (GridFactor, "of", "factorising"),
                (GridFactor, "solve", "solving"),
                (Iterated, "solve", "solving"),
            ):
                stack.enter_context(mock.patch.object(owner, name, self._timed(getattr(owner, name), part)))
            yield

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = self.clock()
            try:
                return function(*arguments)
            finally:
                self.seconds[part] += self.clock() - begin

        return timed


if __name__ == "__main__":
    sys.exit(main())

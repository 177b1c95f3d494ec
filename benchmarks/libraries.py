"""Limen against Foolbox, torchattacks, ART and adv-lib: the same attack, images, batch, steps and budget.

    python benchmarks/libraries.py --attacks pgd_linf ddn --images 32 --batch 16 --repeats 3

The libraries take turns in every repeat; a ratio above 1 says that Limen was faster. Success is what
the network predicts on the floating-point images, and on the PNG: the images rounded to 8 bits. Passes
are images forward and backward through the network, as it counted them, for each image attacked.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from contenders import PEERS, Run, Settings, limen_variants
from limen.classifier import Classifier
from limen.images import norm, quantize

STEPS = {"pgd_linf": 40, "pgd_l2": 40, "carlini_wagner_l2": 100, "deepfool": 50, "ddn": 100}
BUDGETS = {
    "mobilenet_v2": (8 / 255, 3.0),
    "cifar_resnet": (8 / 255, 0.5),
    "mnist_cnn": (0.2, 3.0),
}  # in L∞ and in L2


class Metered(nn.Module):
    """A network that counts the images that pass through it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.forwards = self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        self.forwards += len(images)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)
        return logits

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


class InPieces(nn.Module):
    """Limen's classifier as a plain network: its passes, in its pieces, for the other libraries."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network, self.classifier = classifier.module, classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(images)


@dataclass(frozen=True)
class Contender:
    """A library's attack, whole and cut short, and the network that it attacks."""

    library: str
    run: Run
    warm_up: Run
    network: nn.Module

    def attack(self, data: common.Images, batch: int) -> Tensor:
        found = [self.run(images, labels) for images, labels in data.batches(batch)]
        return torch.cat(found).detach()

    @torch.no_grad()
    def predict(self, images: Tensor, batch: int) -> Tensor:
        return torch.cat([self.network(part).argmax(1) for part in images.split(batch)])


@dataclass
class Row:
    """What one library did with one attack."""

    attack: str
    library: str
    seconds: list[float] = field(default_factory=list)
    forwards: float = 0
    backwards: float = 0
    success_float: float = 0
    success_png: float = 0
    median_l2_float: float = math.nan
    median_l2_png: float = math.nan


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    machine = common.settle(options)
    meter = Metered(common.load_network(options.network)).eval()
    classifier = Classifier(meter)
    data = common.load_images(options.network, classifier, options.images).to(options.device)
    classifier.to(options.device)
    eps_linf, eps_l2 = BUDGETS[options.network]
    given = Settings(
        shape=tuple(data.images.shape[1:]),
        classes=classifier(data.images[:1]).shape[1],
        batch=options.batch,
        steps={name: options.steps or steps for name, steps in STEPS.items()},
        eps_linf=eps_linf,
        eps_l2=eps_l2,
        random_start=options.random_start,
        search_steps=options.search_steps,
    )
    print(f"{options.network}, {len(data.images)} images {given.shape}, batches of {given.batch}")
    clock = time.process_time if options.processor_time else time.perf_counter
    pieces = InPieces(classifier).eval()
    network = pieces if options.passes == "limen" else meter
    # Cut short, to warm up: the first passes of a shape and the first calls of a library are slow.
    brief = replace(given, steps=dict.fromkeys(STEPS, 2), search_steps=1)
    tables, warm_ups = (
        limen_variants(classifier, each) | {name: PEERS[name](network, each) for name in options.libraries}
        for each in (given, brief)
    )
    rows: list[Row] = []
    for attack in options.attacks:
        contenders = [
            Contender(
                library, table[attack], warm_ups[library][attack], network if library in PEERS else pieces
            )
            for library, table in tables.items()
            if attack in table
        ]
        compared = compare(attack, contenders, meter, data, given.batch, options.repeats, clock)
        print(f"\n{attack}, {given.steps[attack]} steps\n{render(compared)}", flush=True)
        rows += compared
        if options.json:  # after every attack, so that an interrupted run keeps what it has
            content = {"machine": machine, "options": vars(options), "rows": [asdict(row) for row in rows]}
            Path(options.json).write_text(json.dumps(content, indent=1))


def _parser():
    parser = common.parser(__doc__)
    parser.add_argument("--network", choices=BUDGETS, default="mobilenet_v2")
    parser.add_argument("--attacks", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--libraries", nargs="*", choices=PEERS, default=list(PEERS), help="beside Limen")
    parser.add_argument("--images", type=common.positive, default=32)
    parser.add_argument("--batch", type=common.positive, default=16)
    parser.add_argument("--repeats", type=common.positive, default=3)
    parser.add_argument("--steps", type=common.positive, help=f"of every attack (default: {STEPS})")
    parser.add_argument("--search-steps", type=common.positive, default=9, help="multipliers of C&W")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--random-start", action="store_true", help="for PGD (default: the image itself)")
    parser.add_argument(
        "--passes",
        choices=("plain", "limen"),
        default="plain",
        help="what the others attack: the network as it is, in whole batches (default), or through Limen's "
        "Classifier, whose pieces are of another speed on a CPU, so that passes cost the same on all sides",
    )
    parser.add_argument(
        "--processor-time", action="store_true", help="for a machine that does other work; with --threads 1"
    )
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    return parser


def compare(
    attack: str,
    contenders: list[Contender],
    meter: Metered,
    data: common.Images,
    batch: int,
    repeats: int,
    clock: Callable[[], float],
) -> list[Row]:
    rows = [Row(attack, contender.library) for contender in contenders]
    for contender in contenders:
        contender.warm_up(data.images[:batch], data.labels[:batch])
    for repeat in range(repeats):
        for contender, row in zip(contenders, rows, strict=True):
            print(f"{attack}, repeat {repeat + 1}: {contender.library}", file=sys.stderr, flush=True)
            torch.manual_seed(0)
            meter.forwards = meter.backwards = 0
            found: list[Tensor] = []
            row.seconds.append(
                common.seconds(lambda by=contender, found=found: found.append(by.attack(data, batch)), clock)
            )
            row.forwards = meter.forwards / len(data.images)
            row.backwards = meter.backwards / len(data.images)
            if repeat == 0:  # seeds are fixed: all repeats find the same
                judge(row, found[0], contender, data, batch)
    return rows


def judge(row: Row, found: Tensor, contender: Contender, data: common.Images, batch: int) -> None:
    """Success and distance, by the network in the batches that were attacked, as C&W ends at its border."""
    stored = quantize(found)
    fooled = contender.predict(found, batch) != data.labels
    survives = fooled & (contender.predict(stored, batch) != data.labels)
    row.success_float, row.success_png = float(fooled.float().mean()), float(survives.float().mean())
    row.median_l2_float = median(norm(found - data.images)[fooled])
    row.median_l2_png = median(norm(stored - data.images)[survives])


def median(values: Tensor) -> float:
    return statistics.median(values.tolist()) if len(values) else math.nan


def render(rows: list[Row]) -> str:
    own = [row for row in rows if row.library in ("limen", "limen, float")]
    header = ["library", "s", *(f"/ {row.library} [range]" for row in own), "forward", "backward"]
    header += ["success", "on PNG", "L2", "L2 on PNG"]
    lines = [
        [
            row.library,
            f"{statistics.median(row.seconds):.2f}",
            *(common.paired_ratio(row.seconds, reference.seconds) for reference in own),
            f"{row.forwards:.1f}",
            f"{row.backwards:.1f}",
            f"{row.success_float:.1%}",
            f"{row.success_png:.1%}",
            f"{row.median_l2_float:.4f}",
            f"{row.median_l2_png:.4f}",
        ]
        for row in rows
    ]
    return common.table(header, lines)


if __name__ == "__main__":
    main()

"""Whether an attack that knows of a defence breaks it where one that does not know of it fails.

    python benchmarks/adaptive.py --network mobilenet_v2 --images 24

Behind each defence, of the images that the network then has right: the greatest of `--deltas`, root mean
squares in levels of 8 bits, at which an attack on the bare network fools less than 20 %. There two attacks
know of the defence, each on the images that the one before leaves: `pgd_l2` through `Adaptive` on the margin,
then `ddn`, bounded by the same length; where something stands in for the defence, both straight through. Of a
random defence they average `--draws` draws, and what counts is whether an image fools under draws that no
attack saw. Images have 8 bits, and lengths are checked on them. In brackets are Wilson's 95 % intervals. Exit
code 1 if of a defence that draws nothing, at a budget at which the unaware attack fails, under 95 % fall.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import math
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from limen import catalog
from limen.analysis import wilson
from limen.attacks import Attack, ddn, pgd_l2
from limen.classifier import Classifier
from limen.defenses import Adaptive, Defended
from limen.defenses.adaptive import is_random
from limen.images import norm

DEFENSES = (
    "resize:factor=2",
    "resize:factor=3",
    "jpeg:quality=75",
    "jpeg:quality=50",
    "jpeg:quality=25",
    "webp",
    "dnn_jpeg:quality=50",
    "average_pool:size=3",
    "average_pool:size=5",
    "max_pool:size=3",
    "bit_depth:bits=3",
    "bilateral",
)
DELTAS = (0.25, 0.3, 0.35, 0.42, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.4, 2.8, 3.4, 4.0)
"""Below these 8 bits let fewer than one value in 16 change by a level: the lattice is measured instead."""


BLIND, BROKEN = 0.2, 0.95
STEPS_UNAWARE = 20
TURNS = ("pgd_l2", "then ddn", "then straight through")


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--network", choices=common.NETWORKS, default="mobilenet_v2")
    parser.add_argument("--images", type=common.positive, default=24)
    parser.add_argument("--batch", type=common.positive, default=12)
    parser.add_argument("--defenses", nargs="+", default=list(DEFENSES))
    parser.add_argument("--deltas", nargs="+", type=float, default=list(DELTAS), help="budgets, rising")
    parser.add_argument("--steps", nargs=2, type=common.positive, default=(40, 300), help="of pgd_l2 and ddn")
    parser.add_argument("--draws", nargs="+", type=common.positive, default=[1], help="of a random defence")
    options = parser.parse_args(arguments)
    common.settle(options)
    bare = Classifier(common.load_network(options.network))
    data = common.load_images(options.network, bare, options.images)
    unaware = Unaware(bare, data, options.deltas, options.batch)
    rows, broken = [], True
    for spec in options.defenses:
        defense = catalog.defense(spec)
        for draws in options.draws if is_random(defense) else [1]:
            defended = Defended(bare, defense)
            row, holds = against(defended, draws, unaware, options.steps)
            rows.append([spec, draws, *row])
            print(*rows[-1], file=sys.stderr, flush=True)
            broken &= is_random(defense) or not holds
    print(common.table(["behind", "draws", "δ", "unaware", *TURNS, "images"], rows))
    return 0 if broken else 1


class Unaware:
    """Where `pgd_l2` on the bare network takes the images under each budget, made when asked for."""

    def __init__(self, bare: Classifier, data: common.Images, deltas: Sequence[float], batch: int) -> None:
        self.bare, self.data, self.deltas, self.batch = bare, data, deltas, batch
        self._made: dict[float, Tensor] = {}

    def __getitem__(self, delta: float) -> Tensor:
        if delta not in self._made:
            attack = pgd_l2(eps=length(delta, self.data.images), steps=STEPS_UNAWARE)
            parts = self.data.batches(self.batch)
            self._made[delta] = torch.cat([attack.perturb(self.bare, *part, lattice=255) for part in parts])
        return self._made[delta]


def against(
    defended: Classifier, draws: int, unaware: Unaware, steps: Sequence[int]
) -> tuple[list[object], bool]:
    """The row of a defence, and whether it holds where it makes the unaware attack fail."""
    data, batch = unaware.data, unaware.batch
    right = ~fools(defended, data.images, data.labels, batch)
    count = int(right.sum())
    delta, blind = blind_at(defended, right, unaware)
    eps = length(delta, data.images)
    climb = pgd_l2(eps=eps, steps=steps[0], loss="margin", early_stop=True)
    attacks = climb, ddn(steps=steps[1], eps=eps)
    own, straight = (Adaptive(defended, draws, backward) for backward in ("own", "identity"))
    turns = [[(own, each)] for each in attacks]
    turns += [[(straight, each) for each in attacks]] if own.has_stand_ins else []
    left, found = common.Images(data.images[right], data.labels[right]), []
    for turn in turns:
        for adaptive, attack in turn:
            withstood = ~broken_by(attack, adaptive, defended, left, eps, batch)
            left = common.Images(left.images[withstood], left.labels[withstood])
        found.append(count - len(left.images))
    shares = [share(each, count) for each in (blind, *found)]
    cells = [f"{delta:g}", *shares, *[""] * (len(TURNS) - len(turns)), count]
    return cells, blind < BLIND * count and found[-1] < BROKEN * count


def blind_at(defended: Classifier, right: Tensor, unaware: Unaware) -> tuple[float, int]:
    """The greatest budget at which the unaware attack fools few, or the least, and how many it fools."""
    found = []
    for delta in unaware.deltas:
        fooled = int((fools(defended, unaware[delta], unaware.data.labels, unaware.batch) & right).sum())
        few = fooled < BLIND * int(right.sum())
        found += [(delta, fooled)] if few or not found else []
        if not few:
            break
    return found[-1]


def broken_by(
    attack: Attack, adaptive: Classifier, defended: Classifier, data: common.Images, eps: float, batch: int
) -> Tensor:
    """Which images an attack turns into stored ones that fool the defended network within the length."""
    if not len(data.images):
        return torch.zeros(0, dtype=torch.bool)
    images = torch.cat([attack(adaptive, *part).images for part in data.batches(batch)])
    within = norm(images - data.images) <= eps * (1 + 1e-5)
    return within & fools(defended, images, data.labels, batch)


@torch.no_grad()
def fools(classifier: Classifier, images: Tensor, labels: Tensor, batch: int) -> Tensor:
    answers = [classifier(part).argmax(1) for part in images.split(batch)]
    return torch.cat(answers) != labels


def length(delta: float, images: Tensor) -> float:
    """A root mean square in levels as an L2 length."""
    return delta / 255 * math.sqrt(images[0].numel())


def share(count: int, of: int) -> str:
    if not of:
        return ""
    found = wilson(count, of)
    return f"{100 * found.value:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


if __name__ == "__main__":
    sys.exit(main())

"""Which attacks survive a file and a resize, at a change that is equally visible.

    python benchmarks/equal_visibility.py --network mobilenet_v2 --images 60
    python benchmarks/equal_visibility.py --images 20 --attacks qpgd_l2 superpixel_ssim_pgd mifgsm

Every attack runs under rising budgets without knowing of the defences; one that looks for the least distance
runs once, and what it found is made longer. Images have 8 bits, and where an attack fails, its last one
counts. Two tables come of that, over the images that the network has right behind the defence:

- what the first of `--attacks` fools behind each defence, in percent, and how many points more each other
  does, where the mean MAD, or the mean 1 − SSIM, over all images is equal, between budgets by interpolation;
  in brackets 95 % bootstrap intervals over the images,
- the least budget at which 90 % are fooled behind both defences in turn, and how visible that is.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from limen import catalog
from limen.analysis.intervals import interval, resamples
from limen.classifier import Classifier
from limen.images import quantize
from limen.metrics import dissimilarity, mad

DEFENSES = ("jpeg:quality=75", "resize:factor=2", "resize:factor=2+jpeg:quality=75")
METRICS = {"MAD": mad, "1 − SSIM": dissimilarity}
AT = (("MAD", 1.0), ("MAD", 2.0), ("1 − SSIM", 0.02), ("1 − SSIM", 0.05))
MOST = 0.9
RESAMPLES = 1000

RMS = (0.5, 1, 2, 3, 4, 6, 8, 12, 16)
"""Budgets as root mean squares in levels of 8 bits."""

TIMES = (1, 1.5, 2, 3, 4, 6, 8, 12)
"""How many times the length of what was found."""


@dataclass(frozen=True)
class Ladder:
    """An attack under rising budgets.

    Attributes:
        spec: Its spec, with `{}` where the budget stands; one without is made longer by the budgets.
        budgets: Rising, in units of `unit`.
        unit: What a budget of 1 is: `level` of 8 bits in each value, `rms` the same as an L2 length, or 1.
    """

    spec: str
    budgets: Sequence[float]
    unit: str = ""

    def images(self, classifier: Classifier, data: common.Images, batch: int) -> Iterator[Tensor]:
        """The attacked images under each budget."""
        if "{}" not in self.spec:
            found = perturbed(self.spec, classifier, data, batch)
            for times in self.budgets:
                yield quantize((data.images + times * (found - data.images)).clamp(0, 1))
            return
        one = {"level": 1 / 255, "rms": math.sqrt(data.images[0].numel()) / 255}.get(self.unit, 1.0)
        for budget in self.budgets:
            yield perturbed(self.spec.format(budget * one), classifier, data, batch)


PLAIN = "superpixels=none,attention=none,random_start=false"
BRIEF = "steps=20,search_steps=2,margin=15"
LEVEL = (1, 2, 3, 4, 6, 8, 12, 16)
LADDERS = {
    "ifgm": Ladder(f"sai_fgm:delta={{}},{PLAIN}", RMS),
    "sai_fgm": Ladder("sai_fgm:delta={}", RMS),
    "without_mask": Ladder("sai_fgm:delta={},attention=none", RMS),
    "qpgd_l2": Ladder("qpgd_l2:eps={},steps=20", RMS, "rms"),
    "superpixel_ssim_pgd": Ladder("superpixel_ssim_pgd:eps={},steps=20", (0.003, 0.01, 0.02, 0.05, 0.1, 0.2)),
    "ssim_pgd": Ladder("ssim_pgd:eps={},steps=20", (0.003, 0.01, 0.02, 0.05, 0.1, 0.2)),
    "mifgsm": Ladder("mifgsm:eps={}", LEVEL, "level"),
    "ifgsm": Ladder("ifgsm:eps={}", LEVEL, "level"),
    "pgd_linf": Ladder("pgd_linf:eps={},steps=20", LEVEL, "level"),
    "fgsm": Ladder("fgsm:eps={}", (*LEVEL, 24, 32), "level"),
    "carlini_wagner_l2": Ladder(
        "carlini_wagner_l2:steps=20,search_steps=2,initial_constant=1,margin=15", TIMES
    ),
    "smooth_carlini_wagner_l2": Ladder(f"smooth_carlini_wagner_l2:{BRIEF}", TIMES),
    "superpixel_carlini_wagner_l2": Ladder(f"superpixel_carlini_wagner_l2:{BRIEF}", TIMES),
    "ddn": Ladder("ddn:steps=60", TIMES),
    "superpixel_ddn": Ladder("superpixel_ddn:steps=60", TIMES),
}


@dataclass(frozen=True)
class Curve:
    """An attack over its budgets: how visible each image is (B, N), and what it fools behind each defence."""

    visible: dict[str, np.ndarray]
    fooled: dict[str, np.ndarray]


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--network", choices=common.NETWORKS, default="mobilenet_v2")
    parser.add_argument("--images", type=common.positive, default=24)
    parser.add_argument("--batch", type=common.positive, default=12)
    parser.add_argument("--attacks", nargs="+", choices=LADDERS, default=["ifgm", "sai_fgm", "without_mask"])
    options = parser.parse_args(arguments)
    common.settle(options)
    bare = Classifier(common.load_network(options.network))
    data = common.load_images(options.network, bare, options.images)
    behind = {spec: catalog.behind(bare, catalog.chain(spec)) for spec in DEFENSES}
    right = {spec: right_behind(each, data.images, data, options.batch) for spec, each in behind.items()}
    for spec, each in right.items():
        if not each.any():
            sys.exit(f"behind {spec} the network has none of the images right")
    curves = {}
    for name in options.attacks:
        print(name, file=sys.stderr, flush=True)
        curves[name] = curve(LADDERS[name], bare, behind, data, options.batch)
    print(common.table(["behind, at", *curves], [*gains(curves, right)]))
    header = ["attack", "least budget", "fooled", "median MAD", "median 1 − SSIM"]
    print(common.table(header, [least(name, each, right[DEFENSES[-1]]) for name, each in curves.items()]))
    return 0


def perturbed(spec: str, classifier: Classifier, data: common.Images, batch: int) -> Tensor:
    attack = catalog.attack(spec)
    parts = [attack.perturb(classifier, *part, lattice=255) for part in data.batches(batch)]
    return torch.cat(parts)


def right_behind(classifier: Classifier, images: Tensor, data: common.Images, batch: int) -> np.ndarray:
    with torch.no_grad():
        answers = torch.cat([classifier(part).argmax(1) for part in images.split(batch)])
    return (answers == data.labels).numpy()


def curve(
    ladder: Ladder, bare: Classifier, behind: dict[str, Classifier], data: common.Images, batch: int
) -> Curve:
    seen, fooled = [], []
    for images in ladder.images(bare, data, batch):
        parts = zip(data.images.split(batch), images.split(batch), strict=True)
        visible = torch.cat([torch.stack([f(*part) for f in METRICS.values()]) for part in parts], 1).numpy()
        seen.append(visible)
        fooled.append([~right_behind(each, images, data, batch) for each in behind.values()])
    return Curve(
        dict(zip(METRICS, np.stack(seen, 1), strict=True)),
        dict(zip(behind, np.stack(fooled, 1), strict=True)),
    )


def gains(curves: dict[str, Curve], right: dict[str, np.ndarray]) -> Iterator[list[str]]:
    """The rows of the first table: the first attack's share, and what each other's is more."""
    for spec in DEFENSES:
        for metric, level in AT:
            first, *others = (at_level(each, spec, metric, level, right[spec]) for each in curves.values())
            more = (100 * (shares - first) for shares in others)
            yield [f"{spec}, {metric} {level:g}", f"{100 * first[0]:.0f}", *map(difference, more)]


def difference(points: np.ndarray) -> str:
    """A difference and its interval; nothing where an attack was never as visible."""
    low, high = (float(end) for end in interval(points[1:]))
    return "" if np.isnan(points[0]) else f"{points[0]:+.0f} [{low:+.0f}, {high:+.0f}]"


def at_level(curve: Curve, spec: str, metric: str, level: float, right: np.ndarray) -> np.ndarray:
    """The share fooled where the mean of the metric is this: of all images, then of each resample."""
    images = len(right)
    weights = np.concatenate([np.ones((1, images), int), *resamples(images, RESAMPLES, seed=0)])
    weights = weights[weights @ right > 0]
    visible = weights @ curve.visible[metric].T / images
    shares = weights @ (curve.fooled[spec] & right).T / (weights @ right)[:, None]
    # Without a change nothing is seen and nothing is fooled; beyond the greatest budget nothing is known.
    start = np.zeros((len(weights), 1))
    rows = zip(np.hstack([start, visible]), np.hstack([start, shares]), strict=True)
    return np.array([np.interp(level, x, y, right=np.nan) for x, y in rows])


def least(name: str, curve: Curve, right: np.ndarray) -> list[str]:
    """The row of the least budget that fools enough, or of the greatest if none does."""
    shares = (curve.fooled[DEFENSES[-1]] & right).sum(1) / right.sum()
    enough = np.flatnonzero(shares >= MOST)
    at = enough[0] if len(enough) else len(shares) - 1
    medians = (f"{np.median(values[at][right]):.2g}" for values in curve.visible.values())
    budget = f"{LADDERS[name].budgets[at]:g} {LADDERS[name].unit}".strip()
    return [name, budget if len(enough) else f"more than {budget}", f"{100 * shares[at]:.0f}", *medians]


if __name__ == "__main__":
    sys.exit(main())

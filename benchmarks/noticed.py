"""Which attack people would notice least, of those that reach the same logit margin on the same images.

    python benchmarks/noticed.py --images 8 --steps 30 --confidences 0 1 5 20
    python benchmarks/noticed.py --attacks ddn "pgd_l2:eps=0.03,6.4,steps=10" --confidences 5 --kept found

Every attack is asked for a success whose margin exceeds the same confidence, in 8 bits. One that looks for
the least change runs as it is. Of one with a budget, two values in its spec are the ends between which the
least that suffices is looked for, of each image by itself, by bisection of the budget's logarithm: so all are
compared at equal success.

What is found is judged by the share of people who would notice, by MAD, by the length of `VisibilityTensor`,
which tells images of MAD 0 apart, by CIEDE2000, and by 1 less SSIM, MS-SSIM and FSIM: means over the images
fooled, with 95 % bootstrap intervals over the images. A judge that an attack itself makes least stands in
parentheses. The place is that among all attacks of the table, a failure last, in the mean over the images and
over all judges but these. Attacks that fool all images come first, by the share who would notice, then by
place.

With `--kept`, what is found is kept in a folder, batch by batch, and not looked for again.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from limen import catalog
from limen.analysis import estimate_means
from limen.analysis.intervals import interval, resampled_means, resamples
from limen.attacks import Attack
from limen.attacks.composition import Composition
from limen.classifier import Classifier
from limen.metrics import METRICS
from limen.metrics.psychometrics import CALIBRATION
from limen.metrics.visibility_tensor import VisibilityTensor
from limen.spec import spec_name

Judge = Callable[[Tensor, Tensor], Tensor]

DRAWS = 2000
BISECTIONS = 6
NOTICED, MAD, VISIBLE, SSIM, COLOUR = "would notice, %", "MAD", "visibility", "1 − SSIM", "CIEDE2000"
AIMS = {
    "least_noticed": (NOTICED, MAD, VISIBLE),
    "ssim_": (SSIM,),
    "superpixel_ssim_": (SSIM,),
    "pgap": (SSIM,),
    "fpgap": (SSIM,),
    "perc_al": (COLOUR,),
    "metric=ciede2000": (COLOUR,),
    "metric=ssim": (SSIM,),
}
"""What attacks make least themselves, by what is in their specs."""

RIVALS = (
    "least_noticed:steps={steps}",
    "ddn:steps={steps}",
    "perceptual_ddn:metric=ssim,steps={steps}",
    "perceptual_ddn:metric=ciede2000,steps={steps}",
    "ssim_ddn:steps={steps}",
    "perc_al:steps={steps}",
    "perceptual_gradient:metric=ssim,step_size=0.03",
    "smooth_carlini_wagner_l2:steps={half},search_steps=2,margin={a}",
    "carlini_wagner_l2:steps={half},search_steps=2,margin={a}",
    "superpixel_ddn:steps={steps}",
    "superpixel_carlini_wagner_l2:steps={half},search_steps=2,margin={a}",
    "dual_ddn:eps_foreground=0.1,steps={steps}",
    "deepfool:steps={steps}",
    "pgd_l2:eps=0.03,6.4,steps={few},early_stop=true",
    "qpgd_l2:eps=0.03,6.4,steps={few},early_stop=true",
    "pgd_linf:eps=0.004,0.064,steps={few},early_stop=true",
    "ifgsm:eps=0.004,0.064,steps={few},early_stop=true",
    "mifgsm:eps=0.004,0.064,steps={few},early_stop=true",
    "fgm:eps=0.03,12.8",
    "fgsm:eps=0.004,0.128",
    "ssim_step:eps=0.03,12.8",
    "ssim_pgd:eps=0.00001,0.01,steps={few},early_stop=true",
    "perceptual_pgd:metric=ssim,eps=0.00001,0.01,steps={few},early_stop=true",
    "perceptual_pgd:metric=ciede2000,eps=0.01,1,steps={few},early_stop=true",
    "pgap:eps=0.00001,0.01,steps={few}",
    "fpgap:eps=0.00001,0.01,steps={few}",
    "sa_fgm:delta=0.1,25.6",
    "sai_fgm:delta=0.1,12.8,steps={few},early_stop=true",
    "m_sai_fgm:delta=0.1,12.8,steps={few},early_stop=true",
    "superpixel_ssim_pgd:eps=0.00001,0.1,steps={few},early_stop=true",
    "dual_perturbation:eps_background=0.03,12.8,eps_foreground=0.1,steps={few},early_stop=true",
    "lpa:eps=0.05,1.6,steps={few},rounds=2,kappa={kappa}",
    "ppgd:eps=0.05,1.6,steps={few},kappa={kappa},early_stop=true",
    "jsma:eps=200",
)
"""Every attack of the library; the last three take hundreds of passes for an image."""


@dataclass(frozen=True)
class Found:
    """What an attack found: images (N, C, H, W), which (N,) succeeded, and the passes (N,) that it took."""

    images: Tensor
    success: Tensor
    passes: Tensor

    @property
    def told(self) -> str:
        count = f"{int(self.success.sum())}/{len(self.success)}"
        return f"{count} | {self.passes.double().mean():.0f} passes"


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--network", choices=common.NETWORKS, default="mobilenet_v2")
    parser.add_argument("--images", type=common.positive, default=8)
    parser.add_argument("--batch", type=common.positive, default=8)
    parser.add_argument("--steps", type=common.positive, default=30, help="{steps}, and half of them {half}")
    parser.add_argument("--few", type=common.positive, default=10, help="{few}, of attacks with a budget")
    parser.add_argument("--confidences", type=float, nargs="+", default=[0.0, 1.0, 5.0, 20.0])
    parser.add_argument("--attacks", nargs="+", default=RIVALS, help="specs, with {a}, {steps}, …")
    parser.add_argument("--without", nargs="+", default=[], help="names of attacks to leave out")
    parser.add_argument("--kept", type=Path, help="a folder for what is found")
    options = parser.parse_args(arguments)
    options.attacks = [spec for spec in options.attacks if spec_name(spec) not in options.without]
    common.settle(options)
    classifier = Classifier(common.load_network(options.network))
    data = common.load_images(options.network, classifier, options.images)
    side = min(data.images.shape[2:])
    judges = {name: judge for name, judge in JUDGES.items() if side >= LEAST_SIDES.get(name, 0)}
    values: dict[float, dict[str, Any]] = {a: {} for a in options.confidences}
    for spec in options.attacks:
        for a in options.confidences:
            found = kept(classifier, data, spec, a, options)
            print(f"{a:g} | {spec} | {found.told}", file=sys.stderr, flush=True)  # as it takes long
            values[a][spec] = found, judged(data.images, found, judges)
    for a, of_attacks in values.items():
        print(f"\nmargin above {a:g}\n")
        print(common.table(*compared(of_attacks, [*judges])))
    return 0


def kept(classifier: Classifier, data: common.Images, spec: str, a: float, options: Any) -> Found:
    """What the attack finds, or found when it was last looked for."""
    given = {"steps": options.steps, "half": max(1, options.steps // 2), "few": options.few}
    named = spec.format(a=a, kappa=a + 1, **given)
    parts: list[Found] = []
    for number, part in enumerate(data.batches(options.batch)):
        name = f"{options.network} {number}x{options.batch} {a:g} {named}.pt"
        place = options.kept / name if options.kept else None
        if place is None or not place.is_file():
            parts.append(found(classifier, *part, named, a))
            if place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                torch.save(vars(parts[-1]), place)
        else:
            parts.append(Found(**torch.load(place, weights_only=True)))
    return Found(*(torch.cat([getattr(part, each.name) for part in parts]) for each in fields(Found)))


def found(classifier: Classifier, images: Tensor, labels: Tensor, spec: str, a: float) -> Found:
    """What an attack finds at this confidence; of one with a budget, under the least that suffices."""
    made = catalog.attack_or_grid(spec)
    if isinstance(made, Attack):
        outcome = asked(made, a)(classifier, images, labels)
        return Found(outcome.images, outcome.success, outcome.forwards + outcome.backwards)
    low, high = (torch.full(labels.shape, end, dtype=torch.float64) for end in made.values)
    best = Found(images, torch.zeros_like(labels, dtype=torch.bool), torch.zeros_like(labels))
    for _ in range(BISECTIONS):
        middle = (low * high).sqrt()
        outcome = asked(made.make(middle), a)(classifier, images, labels)
        hit = outcome.success
        low, high = torch.where(hit, low, middle), torch.where(hit, middle, high)
        best = Found(
            torch.where(hit[:, None, None, None], outcome.images, best.images),
            best.success | hit,
            best.passes + outcome.forwards + outcome.backwards,
        )
    return best


def asked(made: Any, a: float) -> Attack:
    """The attack, asked for this confidence."""
    return Attack(made.identity, asked_for(made.search, a))


def asked_for(part: Any, confidence: float) -> Any:
    """The search with this confidence in each of its compositions."""
    if isinstance(part, Composition):
        return replace(part, confidence=confidence)
    held = {each.name: getattr(part, each.name) for each in fields(part)}
    if isinstance(held.get("compositions"), tuple):
        climbs = tuple(asked_for(each, confidence) for each in held["compositions"])
        return replace(part, compositions=climbs)
    return replace(part, parts=asked_for(held["parts"], confidence))


def visibility(originals: Tensor, images: Tensor) -> Tensor:
    return VisibilityTensor.at(originals).energy(images - originals).sqrt()


JUDGES: Mapping[str, Judge] = {
    NOTICED: METRICS["noticed"].cost,
    MAD: METRICS["mad"].cost,
    VISIBLE: visibility,
    COLOUR: METRICS["ciede2000"].cost,
    SSIM: METRICS["ssim"].cost,
    "1 − MS-SSIM": METRICS["ms_ssim"].cost,
    "1 − FSIM": METRICS["fsim"].cost,
}


LEAST_SIDES = {"1 − MS-SSIM": METRICS["ms_ssim"].least_side}


def judged(originals: Tensor, found: Found, judges: Mapping[str, Judge]) -> np.ndarray:
    """What each judge says of each image (N, J); NaN of a failure."""
    pair = originals[found.success], found.images[found.success]
    values = np.full((len(originals), len(judges)), np.nan)
    if len(pair[0]):
        values[found.success.numpy()] = torch.stack([judge(*pair) for judge in judges.values()], 1).numpy()
    return values


def compared(
    of_attacks: Mapping[str, tuple[Found, np.ndarray]], judges: list[str]
) -> tuple[list[str], list[list[str]]]:
    """The table of one confidence."""
    places = estimate_means(placed({spec: values for spec, (_, values) in of_attacks.items()}, judges))
    rows = []
    for at, (spec, (found, values)) in enumerate(of_attacks.items()):
        failures = int((~found.success).sum())
        means, of_share = estimate_means(values), share(values[:, 0])
        cells = [cell(*each) for each in zip(means.mean[1:], means.low[1:], means.high[1:], strict=True)]
        cells = [cell(*of_share), *cells]
        shown = [
            f"({each})" if judge in aims(spec) else each for judge, each in zip(judges, cells, strict=True)
        ]
        place = places.mean[at], places.low[at], places.high[at]
        told = f"{found.passes.double().mean():.0f}"
        key = failures, round(of_share[0], 6), place[0]
        rows.append((key, [spec, f"{len(values) - failures}/{len(values)}", cell(*place), *shown, told]))
    header = ["attack", "fooled", "place", *judges, "passes"]
    return header, [row for _, row in sorted(rows, key=lambda each: each[0])]


def placed(values: Mapping[str, np.ndarray], judges: list[str]) -> np.ndarray:
    """The place (N, A) of each attack on each image, in the mean over the judges that it does not aim at.

    The share who would notice is left out, as it is read off MAD.
    """
    beaten = np.nan_to_num(np.stack([*values.values()])[..., 1:], nan=np.inf)
    places = rankdata(beaten, axis=0)
    for each, spec in zip(places, values, strict=True):
        each[:, [judge in aims(spec) for judge in judges[1:]]] = np.nan
    return np.nanmean(places, axis=2).T


def aims(spec: str) -> set[str]:
    """The judges that an attack makes least itself."""
    return {judge for part, judges in AIMS.items() if part in spec for judge in judges}


def share(values: np.ndarray) -> tuple[float, float, float]:
    """The mean share in percent, and its interval over the images and what the curve leaves uncertain."""
    if np.isnan(values).all():
        return math.nan, math.nan, math.nan
    generator = np.random.default_rng(1)
    drawn = [
        resampled_means(weights, values[None], CALIBRATION, generator)
        for weights in resamples(len(values), DRAWS, seed=0)
    ]
    low, high = interval(np.concatenate(drawn)[:, 0])
    return 100 * float(np.nanmean(values)), 100 * float(low), 100 * float(high)


def cell(mean: float, low: float, high: float) -> str:
    return "" if np.isnan(mean) else f"{mean:.2g} [{low:.2g}, {high:.2g}]"


if __name__ == "__main__":
    sys.exit(main())

"""The attacks that Pochimireddy et al. compare, their budgets, and the figures that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from limen.recipes.budgets import Budgets, grid_spec, labels

_Row = TypeVar("_Row")

PAPER = (
    "Pochimireddy, Siripuram & Channappayya, Can Perceptual Guidance Lead to Semantically Explainable "
    "Adversarial Perturbations?"
)

DATA_SETS = {"imagenet": "ImageNet", "cifar10": "CIFAR-10", "mnist": "MNIST"}
"""What the paper calls the data sets of `limen.recipes.KINDS`."""

QUALITIES = {
    "ssim": {"imagenet": 0.998, "cifar10": 0.998, "mnist": 0.85},
    "psnr": {"imagenet": 65.0, "cifar10": 57.0, "mnist": 25.0},
}
"""The average quality at which Tables II and III compare."""


@dataclass(frozen=True)
class Competitor:
    """One attack over a grid of budgets.

    Attributes:
        title: What the paper calls it.
        attack: Its name.
        rest: The spec's further parameters.
        budgets: Its budgets, by kind of images.
        paper: The printed fooling rates, by metric and kind of images.
    """

    title: str
    attack: str
    rest: str
    budgets: Mapping[str, Budgets]
    paper: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def labels(self, kind: str, count: int) -> tuple[str, ...]:
        """The attack's label at each of so many budgets in geometric progression, weak to strong."""
        return labels(self.grid(kind, count))

    def grid(self, kind: str, count: int) -> str:
        """All these budgets in one spec."""
        return grid_spec(self.attack, self.budgets[kind].texts(count), self.rest)

    def range(self, kind: str) -> str:
        """The ends of the budgets, for people."""
        return f"{self.attack}, {self.budgets[kind].shown()}"


_LINF = {
    "imagenet": Budgets(1, 16, levels=True),
    "cifar10": Budgets(1, 16, levels=True),
    "mnist": Budgets(4, 128, levels=True),
}
_L2 = {"imagenet": Budgets(0.1, 5.0), "cifar10": Budgets(0.05, 2.5), "mnist": Budgets(0.3, 6.0)}
# A budget of a step: fifty of them add up.
_S2 = {"imagenet": Budgets(2e-5, 0.01), "cifar10": Budgets(5e-5, 0.02), "mnist": Budgets(1e-3, 0.3)}
_SSIM = {"imagenet": Budgets(1e-5, 0.03), "cifar10": Budgets(1e-5, 0.03), "mnist": Budgets(1e-3, 0.5)}

_FIXED = "steps=50"
_STOPPING = "steps=50,early_stop=true"


def _printed(ssim: tuple[float, ...], psnr: tuple[float, ...]) -> dict[str, dict[str, float]]:
    """Rates on MNIST, CIFAR-10 and ImageNet, in the order of the paper's rows."""
    kinds = ("mnist", "cifar10", "imagenet")
    return {"ssim": dict(zip(kinds, ssim, strict=True)), "psnr": dict(zip(kinds, psnr, strict=True))}


AS_IN_THE_PAPER = (
    Competitor(
        "FGSM",
        "fgsm",
        "",
        _LINF,
        paper=_printed((0.0556, 0.5892, 0.82696), (0.1592, 0.2102, 0.4822)),
    ),
    Competitor("FGM", "fgm", "", _L2, paper=_printed((0.3004, 0.5681, 0.79008), (0.3004, 0.3099, 0.66434))),
    Competitor(
        "PGD",
        "pgd_linf",
        f"{_FIXED},random_start=false",
        _LINF,
        paper=_printed((0.066, 0.7612, 0.92332), (0.2982, 0.4157, 0.4942)),
    ),
    Competitor(
        "PGD-L2", "pgd_l2", _FIXED, _L2, paper=_printed((0.1891, 0.8472, 0.97614), (0.4867, 0.3376, 0.74458))
    ),
    Competitor("FPGAP", "fpgap", _FIXED, _S2, paper=_printed((0.9953, 1.0, 1.0), (0.9953, 1.0, 0.99998))),
    Competitor("PGAP", "pgap", _FIXED, _S2),
)
"""The rows of Tables II and III, and PGAP, whose rates the paper only draws."""

STOPPING = (
    Competitor("PGD, early stop", "pgd_linf", f"{_STOPPING},random_start=false", _LINF),
    Competitor("PGD-L2, early stop", "pgd_l2", _STOPPING, _L2),
    Competitor("SSIM-PGD, early stop", "ssim_pgd", _STOPPING, _SSIM),
)
"""The rivals with the early stop that FPGAP and PGAP have, and natural-gradient PGD in the SSIM metric."""


def charted(as_in_the_paper: Sequence[_Row], stopping: Sequence[_Row]) -> dict[str, tuple[_Row, ...]]:
    """Which rows share a chart: the paper's own, and those that are alike in stopping at a success.

    In the paper's order FGSM and FGM have but one step, and FPGAP and PGAP stop; PGD and PGD-L2 between
    them, which do not, are the first two of `stopping` with the stop.
    """
    single, stop = as_in_the_paper[:2], as_in_the_paper[4:]
    return {
        "Settings of the paper": (*as_in_the_paper,),
        "All attacks that take steps stop at their first success": (
            *single,
            *stopping[:2],
            *stop,
            *stopping[2:],
        ),
    }

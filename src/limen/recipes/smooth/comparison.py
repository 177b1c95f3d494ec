"""The attacks that Zhang et al. compare, their settings, and the figures that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limen.recipes.budgets import Budgets, grid_spec, labels
from limen.recipes.recipe import Request

PAPER = "Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples,"

CW, SMOOTH_CW = "C&W", "sC&W"
TITLES = ("FGSM", "I-FGSM", "PGD2", CW, "qPGD2", SMOOTH_CW)
"""The paper's attacks, in the order of its rows."""

IN_THE_PAPER, BEST = "Settings of the paper", "Best settings of each attack"

DATA_SETS = {"imagenet": "ImageNet", "cifar10": "small colour images", "mnist": "MNIST"}
"""What pages call the kinds of images. Small ones in colour, which the paper has not, are like ImageNet."""

LENGTH = 5.0
"""The L2 budget of the paper's PGD2, and by its figures that of all its attacks within one in Table 3."""

STEPS, CLIMBS = 100, 9
"""The steps of C&W and sC&W in a climb, and their climbs."""


@dataclass(frozen=True)
class Printed:
    """What the paper prints of an attack: success probability, and mean L2 of the successes."""

    success: float
    mean: float


def _column(success: tuple[float, ...], mean: tuple[float, ...]) -> dict[str, Printed]:
    return {title: Printed(*pair) for title, *pair in zip(TITLES, success, mean, strict=True)}


TABLE_1: Mapping[str, Mapping[str, Mapping[str, Printed]]] = {
    "mnist": {"C4": _column((0.89, 1.00, 1.00, 1.00, 0.97, 1.00), (5.02, 2.69, 1.71, 2.49, 3.36, 1.97))},
    "cifar10": {},
    "imagenet": {
        "InceptionV3": _column((0.97, 1.00, 1.00, 0.99, 0.96, 0.99), (5.92, 5.54, 1.80, 4.91, 2.10, 3.00)),
        "ResNetV2": _column((0.92, 0.99, 1.00, 0.99, 0.93, 0.98), (8.20, 7.58, 3.63, 9.84, 4.80, 5.99)),
    },
}
"""Table 1: by kind of images, network and attack."""

FILTER, ROBUST = "Bilateral filter", "Adv. training"
TABLE_3: Mapping[str, Mapping[str, Printed]] = {
    FILTER: _column((0.77, 0.82, 1.00, 0.82, 0.95, 0.68), (5.13, 5.12, 5.14, 4.75, 5.13, 2.91)),
    ROBUST: _column((0.04, 0.02, 0.12, 0.02, 0.01, 0.01), (10.20, 10.10, 10.26, 10.21, 10.17, 4.63)),
}
"""Table 3, on ImageNet: by variant of InceptionV3, and attack."""

LOWER_MAD = 0.93
"""The share of images on which sC&W has the lower MAD (Section 5.3.1, on ImageNet)."""

WITHIN = {CW: 0.50, SMOOTH_CW: 0.67}
"""The success behind the bilateral filter within a distortion of `LENGTH` (Section 5.5, on ImageNet)."""


_WIDTH = 48


@dataclass(frozen=True)
class Entry:
    """One attack under one setting.

    Attributes:
        title: What the paper calls it.
        attack: Its name.
        rest: The spec's parameters but for the budgets.
        budgets: The budgets whose best counts; None for an attack that looks for the least distortion.
    """

    title: str
    attack: str
    rest: str = ""
    budgets: Budgets | None = None

    def labels(self, count: int) -> tuple[str, ...]:
        """The label under each of so many budgets."""
        return labels(self.spec(count))

    def spec(self, count: int) -> str:
        """All budgets in one spec."""
        if self.budgets is None:
            return f"{self.attack}:{self.rest}"
        return grid_spec(self.attack, self.budgets.texts(count), self.rest)

    def shown(self) -> str:
        """The attack and its settings, for people, in short lines."""
        lines = [f"{self.attack}:{self.rest}" if self.rest else self.attack]
        while len(lines[-1]) > _WIDTH and (cut := lines[-1].rfind(",", 0, _WIDTH)) > 0:
            lines[-1:] = [lines[-1][: cut + 1], lines[-1][cut + 1 :]]
        return "\n".join(lines if self.budgets is None else [*lines, self.budgets.shown()])


Groups = Mapping[str, tuple[Entry, ...]]
"""Attacks by the title that they stand under."""


@dataclass(frozen=True)
class _Setting:
    """What the paper sets for a kind of images, budgets around it, and the best that was found."""

    eps: float
    linf: Budgets
    l2: Budgets
    hinge: str
    smoothing: str
    best: str
    smooth_best: str


_ON_IMAGENET = (
    "initial_constant=100,margin=0",
    "kernel=gaussian,rate=300,alpha=0.997",
    "patience=none",
    "patience=none,initial_constant=1",
)
_ON_MNIST = "learning_rate=0.3,initial_constant=1"
_SETTINGS = {
    "imagenet": _Setting(0.1255, Budgets(1, 32, levels=True), Budgets(0.1, 10), *_ON_IMAGENET),
    "cifar10": _Setting(0.1255, Budgets(1, 32, levels=True), Budgets(0.05, 5), *_ON_IMAGENET),
    "mnist": _Setting(
        0.3,
        Budgets(4, 128, levels=True),
        Budgets(0.4, 10),
        "initial_constant=15,margin=1",
        "kernel=laplacian,rate=10,alpha=0.95",
        # Black and white lie where the sigmoid is flat, and are left by long steps alone.
        _ON_MNIST,
        _ON_MNIST,
    ),
}


def entries(kind: str, request: Request) -> Groups:
    """All attacks on images of this kind, under the settings of the paper and under the best ones.

    The best ones are C&W's and sC&W's defaults with what was found to be better on such images, and PGD that
    stops at its first success. What is smooth is a question of the images, not of the attack, so smoothing is
    the paper's in both.
    """
    one = _SETTINGS[kind]
    search = f"steps={_steps(request, STEPS)},search_steps={min(CLIMBS, request.search_steps or CLIMBS)}"
    published = f"{search},learning_rate=0.1,final_rate=1,patience=none,{one.hinge}"
    # The paper does not say how many steps it gives to I-FGSM and PGD2.
    signed, stopping = f"steps={_steps(request, 10)}", f"steps={_steps(request, 40)},early_stop=true"
    exact = f"steps={_steps(request, 20)},step_size=3,exact=true"
    return {
        IN_THE_PAPER: (
            Entry("FGSM", "fgsm", budgets=one.linf),
            Entry("I-FGSM", "ifgsm", f"{signed},step_size=0.08", one.linf),
            Entry("PGD2", "pgd_l2", exact, one.l2),
            Entry(CW, "carlini_wagner_l2", published),
            Entry("qPGD2", "qpgd_l2", f"{exact},{one.smoothing}", one.l2),
            Entry(SMOOTH_CW, "smooth_carlini_wagner_l2", f"{published},{one.smoothing}"),
        ),
        BEST: (
            Entry("FGSM", "fgsm", budgets=one.linf),
            Entry("I-FGSM", "ifgsm", f"{signed},early_stop=true", one.linf),
            Entry("PGD2", "pgd_l2", stopping, one.l2),
            Entry(CW, "carlini_wagner_l2", f"{search},{one.best}"),
            Entry("qPGD2", "qpgd_l2", f"{stopping},{one.smoothing}", one.l2),
            Entry(SMOOTH_CW, "smooth_carlini_wagner_l2", f"{search},{one.smooth_best},{one.smoothing}"),
        ),
    }


def without_budgets(kind: str, request: Request) -> Groups:
    """C&W and sC&W alone, under both settings."""
    return {
        setting: tuple(each for each in group if each.title in (CW, SMOOTH_CW))
        for setting, group in entries(kind, request).items()
    }


def at_one_budget(kind: str, request: Request) -> tuple[Entry, ...]:
    """The attacks of the paper, each at the one budget that it states."""
    one = _SETTINGS[kind]
    budgets = {"fgsm": f"eps={one.eps}", "ifgsm": f"eps={one.eps}"}
    budgets |= dict.fromkeys(("pgd_l2", "qpgd_l2"), f"eps={LENGTH:g}")
    return tuple(
        Entry(
            each.title, each.attack, ",".join(part for part in (budgets.get(each.attack), each.rest) if part)
        )
        for each in entries(kind, request)[IN_THE_PAPER]
    )


def at_length(request: Request, values: int) -> tuple[Entry, ...]:
    """FGSM and I-FGSM at the whole steps of the lattice that move so many values by about `LENGTH` in L2."""
    eps = f"eps={max(1, round(255 * LENGTH / values**0.5))}/255"
    return (
        Entry("FGSM", "fgsm", eps),
        Entry("I-FGSM", "ifgsm", f"{eps},steps={_steps(request, 10)},step_size=0.08"),
    )


def _steps(request: Request, count: int) -> int:
    return min(count, request.steps or count)

"""The attacks that Zhang et al. compare, their settings, and the figures that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from limen.recipes.bench import Kind
from limen.recipes.entries import Budgets, Entry, Groups, Printed, beside

CW, SMOOTH_CW = "C&W", "sC&W"
TITLES = ("FGSM", "I-FGSM", "PGD2", CW, "qPGD2", SMOOTH_CW)
"""The paper's attacks, in the order of its rows."""

IN_THE_PAPER, BEST = "Settings of the paper", "Best settings of each attack"
STATED = "At the budget that the paper states"
SAME_LENGTH = "At the whole step of 8 bits whose L2, but for clipping, is nearest 5"

LENGTH = 5.0
"""The L2 budget of the paper's PGD2, and by its figures that of all its attacks within one in Table 3."""

STEPS, CLIMBS = 100, 9
"""The steps of C&W and sC&W in a climb, and their climbs."""

FILTER, ROBUST = "Bilateral filter", "Adv. training"
"""The other classifiers that the images are shown to: the model behind a filter, and one trained robustly."""

LOWER_MAD = 0.93
"""The share of images on which sC&W has the lower MAD (Section 5.3.1, on ImageNet, not on which network)."""

_LOWER_MAD = {"less distorted mad": (None, None, None, None, None, LOWER_MAD)}
TABLE_1: dict[Kind, Printed] = {
    "mnist": {
        "paper_C4": {
            "success": (0.89, 1.00, 1.00, 1.00, 0.97, 1.00),
            "mean l2": (5.02, 2.69, 1.71, 2.49, 3.36, 1.97),
        },
    },
    "imagenet": {
        "paper_InceptionV3": {
            "success": (0.97, 1.00, 1.00, 0.99, 0.96, 0.99),
            "mean l2": (5.92, 5.54, 1.80, 4.91, 2.10, 3.00),
            **_LOWER_MAD,
        },
        "paper_ResNetV2": {
            "success": (0.92, 0.99, 1.00, 0.99, 0.93, 0.98),
            "mean l2": (8.20, 7.58, 3.63, 9.84, 4.80, 5.99),
            **_LOWER_MAD,
        },
    },
}
"""Table 1, by kind of images and network: success probability and mean L2 of the successes, by attack."""

TABLE_2: dict[Kind, Printed] = {
    "mnist": {
        "paper_C4": {
            f"{ROBUST} success": (0.15, 1.00, 1.00, 0.93, 0.99, 0.99),
            f"{ROBUST} mean l2": (4.53, 3.48, 2.52, 3.03, 2.94, 2.39),
        },
    },
    "imagenet": {
        "paper_InceptionV3": {
            f"{ROBUST} success": (0.06, 0.97, 1.00, 0.95, 0.69, 0.75),
            f"{ROBUST} mean l2": (6.40, 29.94, 3.89, 6.43, 7.86, 6.22),
        },
    },
}
"""Table 2, of the networks trained against attacks, which are attacked themselves: likewise."""

TABLE_3: dict[Kind, Printed] = {
    "imagenet": {
        "paper": {
            f"{FILTER} success": (0.77, 0.82, 1.00, 0.82, 0.95, 0.68),
            f"{FILTER} mean l2": (5.13, 5.12, 5.14, 4.75, 5.13, 2.91),
            f"{ROBUST} success": (0.04, 0.02, 0.12, 0.02, 0.01, 0.01),
            f"{ROBUST} mean l2": (10.20, 10.10, 10.26, 10.21, 10.17, 4.63),
        }
    }
}
"""Table 3, on ImageNet, by variant of InceptionV3: likewise."""

WITHIN: dict[Kind, Printed] = {"imagenet": {"paper": {f"{FILTER} within l2": (0.50, 0.67)}}}
"""The success of C&W and sC&W behind the filter within a distortion of `LENGTH` (Section 5.5)."""


@dataclass(frozen=True)
class Setup:
    """What attacks are given.

    Attributes:
        kind: The kind of images, whose settings they have.
        steps: The steps of C&W and sC&W in a climb; the others have no more.
        search_steps: The climbs in the search of C&W and sC&W.
    """

    kind: Kind
    steps: int = STEPS
    search_steps: int = CLIMBS


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


_IMAGENET = _Setting(
    eps=0.1255,
    linf=Budgets(1, 32, levels=True),
    l2=Budgets(0.1, 10),
    hinge="initial_constant=100,margin=0",
    smoothing="kernel=gaussian,rate=300,alpha=0.997",
    best="patience=none",
    smooth_best="patience=none,initial_constant=1",
)
# Black and white lie where the sigmoid is flat, and are left by long steps alone.
_LONG = "learning_rate=0.3,initial_constant=1"
_SETTINGS: dict[Kind, _Setting] = {
    "imagenet": _IMAGENET,
    "cifar10": replace(_IMAGENET, l2=Budgets(0.05, 5)),
    "mnist": _Setting(
        eps=0.3,
        linf=Budgets(4, 128, levels=True),
        l2=Budgets(0.4, 10),
        hinge="initial_constant=15,margin=1",
        smoothing="kernel=laplacian,rate=10,alpha=0.95",
        best=_LONG,
        smooth_best=_LONG,
    ),
}


def entries(setup: Setup, printed: Mapping[Kind, Printed] = TABLE_1) -> Groups:
    """All attacks on images of this kind, under the settings of the paper and under the best ones.

    The best ones are C&W's and sC&W's defaults with what was found to be better on such images, and PGD that
    stops at its first success. What is smooth is a question of the images, not of the attack, so smoothing is
    the paper's in both.
    """
    of = _SETTINGS[setup.kind]
    # The paper does not say how many steps it gives to I-FGSM and PGD2.
    signed, exact, stopping = (f"steps={min(steps, setup.steps)}" for steps in (10, 20, 40))
    exact, stopping = f"{exact},step_size=3,exact=true", f"{stopping},early_stop=true"
    search = f"steps={setup.steps},search_steps={setup.search_steps}"
    published = f"{search},learning_rate=0.1,final_rate=1,patience=none,{of.hinge}"
    in_the_paper = (
        Entry("FGSM", "fgsm", of.linf),
        Entry("I-FGSM", f"ifgsm:{signed},step_size=0.08", of.linf),
        Entry("PGD2", f"pgd_l2:{exact}", of.l2),
        Entry(CW, f"carlini_wagner_l2:{published}"),
        Entry("qPGD2", f"qpgd_l2:{exact},{of.smoothing}", of.l2),
        Entry(SMOOTH_CW, f"smooth_carlini_wagner_l2:{published},{of.smoothing}"),
    )
    return {
        IN_THE_PAPER: beside(in_the_paper, printed.get(setup.kind, {})),
        BEST: (
            Entry("FGSM", "fgsm", of.linf),
            Entry("I-FGSM", f"ifgsm:{signed},early_stop=true", of.linf),
            Entry("PGD2", f"pgd_l2:{stopping}", of.l2),
            Entry(CW, f"carlini_wagner_l2:{search},{of.best}"),
            Entry("qPGD2", f"qpgd_l2:{stopping},{of.smoothing}", of.l2),
            Entry(SMOOTH_CW, f"smooth_carlini_wagner_l2:{search},{of.smooth_best},{of.smoothing}"),
        ),
    }


def without_budgets(setup: Setup) -> Groups:
    """C&W and sC&W alone, under both settings."""
    published, best = ([each for each in group if each.budgets is None] for group in entries(setup).values())
    return {IN_THE_PAPER: beside(published, WITHIN.get(setup.kind, {})), BEST: best}


def at_one_budget(setup: Setup, values: int) -> Groups:
    """The attacks of the paper at the one budget that it states; FGSM and I-FGSM also at others' length.

    Args:
        setup: What the attacks are given.
        values: How many values an image has.
    """
    of, published = _SETTINGS[setup.kind], entries(setup)[IN_THE_PAPER]
    stated = {of.linf: [f"{of.eps:g}"], of.l2: [f"{LENGTH:g}"], None: []}
    step = [f"{max(1, round(255 * LENGTH / values**0.5))}/255"]
    groups = {
        STATED: [(each, stated[each.budgets]) for each in published],
        SAME_LENGTH: [(each, step) for each in published if each.budgets == of.linf],
    }
    return {
        title: beside(
            (Entry(each.title, each.under(texts)) for each, texts in group), TABLE_3.get(setup.kind, {})
        )
        for title, group in groups.items()
    }

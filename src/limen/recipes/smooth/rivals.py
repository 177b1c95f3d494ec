"""The attacks that Zhang et al. compare, their settings, and the figures that the paper prints."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from limen.errors import UsageError
from limen.recipes.bench import Kind
from limen.recipes.entries import Budgets, Entry, Groups

CW, SMOOTH_CW = "C&W", "sC&W"
TITLES = ("FGSM", "I-FGSM", "PGD2", CW, "qPGD2", SMOOTH_CW)
"""The paper's attacks, in the order of its rows."""

IN_THE_PAPER, BEST = "Settings of the paper", "Best settings of each attack"
STATED = "At the budget that the paper states"
SAME_LENGTH = "At the whole step of 8 bits whose L2, but for clipping, is nearest 5"

DATA_SETS = {"imagenet": "ImageNet", "cifar10": "small colour images", "mnist": "MNIST"}
"""What pages call the kinds of images. Small ones in colour, which the paper has not, are like ImageNet."""

LENGTH = 5.0
"""The L2 budget of the paper's PGD2, and by its figures that of all its attacks within one in Table 3."""

STEPS, CLIMBS = 100, 9
"""The steps of C&W and sC&W in a climb, and their climbs."""

TABLE_1 = {
    "mnist": {"paper_C4": ((0.89, 1.00, 1.00, 1.00, 0.97, 1.00), (5.02, 2.69, 1.71, 2.49, 3.36, 1.97))},
    "cifar10": {},
    "imagenet": {
        "paper_InceptionV3": (
            (0.97, 1.00, 1.00, 0.99, 0.96, 0.99),
            (5.92, 5.54, 1.80, 4.91, 2.10, 3.00),
        ),
        "paper_ResNetV2": ((0.92, 0.99, 1.00, 0.99, 0.93, 0.98), (8.20, 7.58, 3.63, 9.84, 4.80, 5.99)),
    },
}
"""Table 1, by kind of images and network: success probability and mean L2 of the successes, by attack."""

FILTER, ROBUST = "Bilateral filter", "Adv. training"
TABLE_3 = {
    FILTER: ((0.77, 0.82, 1.00, 0.82, 0.95, 0.68), (5.13, 5.12, 5.14, 4.75, 5.13, 2.91)),
    ROBUST: ((0.04, 0.02, 0.12, 0.02, 0.01, 0.01), (10.20, 10.10, 10.26, 10.21, 10.17, 4.63)),
}
"""Table 3, on ImageNet, by variant of InceptionV3: likewise."""

LOWER_MAD = 0.93
"""The share of images on which sC&W has the lower MAD (Section 5.3.1, on ImageNet)."""

WITHIN = {CW: 0.50, SMOOTH_CW: 0.67}
"""The success behind the bilateral filter within a distortion of `LENGTH` (Section 5.5, on ImageNet)."""


@dataclass(frozen=True)
class Caps:
    """What a user in a hurry allows.

    Attributes:
        steps: At most so many steps in a climb, of attacks that have more; None for all.
        search_steps: At most so many climbs in the search of C&W and sC&W; None for all.
    """

    steps: int | None = None
    search_steps: int | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; expected 1 or more")

    def of(self, steps: int) -> int:
        """So many steps, or fewer."""
        return min(steps, self.steps or steps)

    @property
    def climbs(self) -> int:
        """The climbs of C&W and sC&W."""
        return min(CLIMBS, self.search_steps or CLIMBS)


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
# Black and white lie where the sigmoid is flat, and are left by long steps alone.
_ON_MNIST = "learning_rate=0.3,initial_constant=1"
_SMOOTH_MNIST = "kernel=laplacian,rate=10,alpha=0.95"
_SETTINGS = {
    "imagenet": _Setting(0.1255, Budgets(1, 32, levels=True), Budgets(0.1, 10), *_ON_IMAGENET),
    "cifar10": _Setting(0.1255, Budgets(1, 32, levels=True), Budgets(0.05, 5), *_ON_IMAGENET),
    "mnist": _Setting(
        *(0.3, Budgets(4, 128, levels=True), Budgets(0.4, 10)),
        *("initial_constant=15,margin=1", _SMOOTH_MNIST, _ON_MNIST, _ON_MNIST),
    ),
}


def entries(kind: Kind, caps: Caps) -> Groups:
    """All attacks on images of this kind, under the settings of the paper and under the best ones.

    The best ones are C&W's and sC&W's defaults with what was found to be better on such images, and PGD that
    stops at its first success. What is smooth is a question of the images, not of the attack, so smoothing is
    the paper's in both.
    """
    one = _SETTINGS[kind]
    search = f"steps={caps.of(STEPS)},search_steps={caps.climbs}"
    published = f"{search},learning_rate=0.1,final_rate=1,patience=none,{one.hinge}"
    # The paper does not say how many steps it gives to I-FGSM and PGD2.
    signed, stopping = f"steps={caps.of(10)}", f"steps={caps.of(40)},early_stop=true"
    exact = f"steps={caps.of(20)},step_size=3,exact=true"
    in_the_paper = {
        "FGSM": ("fgsm", one.linf),
        "I-FGSM": (f"ifgsm:{signed},step_size=0.08", one.linf),
        "PGD2": (f"pgd_l2:{exact}", one.l2),
        CW: (f"carlini_wagner_l2:{published}", None),
        "qPGD2": (f"qpgd_l2:{exact},{one.smoothing}", one.l2),
        SMOOTH_CW: (f"smooth_carlini_wagner_l2:{published},{one.smoothing}", None),
    }
    printed = {
        title: {network: _figures(title, of) for network, of in TABLE_1[kind].items()} for title in TITLES
    }
    return {
        IN_THE_PAPER: tuple(Entry(title, *of, printed=printed[title]) for title, of in in_the_paper.items()),
        BEST: (
            Entry("FGSM", "fgsm", one.linf),
            Entry("I-FGSM", f"ifgsm:{signed},early_stop=true", one.linf),
            Entry("PGD2", f"pgd_l2:{stopping}", one.l2),
            Entry(CW, f"carlini_wagner_l2:{search},{one.best}"),
            Entry("qPGD2", f"qpgd_l2:{stopping},{one.smoothing}", one.l2),
            Entry(SMOOTH_CW, f"smooth_carlini_wagner_l2:{search},{one.smooth_best},{one.smoothing}"),
        ),
    }


def without_budgets(kind: Kind, caps: Caps) -> Groups:
    """C&W and sC&W alone, under both settings."""
    found = {}
    for setting, group in entries(kind, caps).items():
        known = kind == "imagenet" and setting == IN_THE_PAPER
        printed = {
            title: {"paper": {f"{FILTER} within l2": share}} for title, share in WITHIN.items() if known
        }
        of = (each for each in group if each.budgets is None)
        found[setting] = tuple(replace(each, printed=printed.get(each.title, {})) for each in of)
    return found


def at_one_budget(kind: Kind, caps: Caps, values: int) -> Groups:
    """The attacks of the paper at the one budget that it states; FGSM and I-FGSM also at others' length.

    Args:
        kind: The kind of images.
        caps: What the attacks are allowed.
        values: How many values an image has.
    """
    one, published = _SETTINGS[kind], entries(kind, caps)[IN_THE_PAPER]
    stated = {one.linf: [f"{one.eps:g}"], one.l2: [f"{LENGTH:g}"], None: []}
    step = [f"{max(1, round(255 * LENGTH / values**0.5))}/255"]
    known = TABLE_3 if kind == "imagenet" else {}

    def at(entry: Entry, texts: Sequence[str]) -> Entry:
        figures = [_figures(entry.title, of, variant) for variant, of in known.items()]
        return Entry(entry.title, entry.under(texts), printed={"paper": dict(ChainMap(*figures))})

    return {
        STATED: tuple(at(each, stated[each.budgets]) for each in published),
        SAME_LENGTH: tuple(at(each, step) for each in published if each.budgets == one.linf),
    }


def _figures(title: str, column: tuple[Sequence[float], Sequence[float]], *variant: str) -> dict[str, float]:
    """What a column of a table prints of an attack, by the words that name it."""
    names, place = ("success", "mean l2"), TITLES.index(title)
    return {" ".join((*variant, name)): of[place] for name, of in zip(names, column, strict=True)}

"""What each effort runs, as data: attacks in every geometry, evaluations, and on how many images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from limen.errors import UnknownNameError
from limen.spec import value_text

Level = Literal["quick", "standard", "thorough"]
"""How much is tried."""

UNBOUNDED = 128 / 255
"""A budget in L∞ that leaves nothing of an image that could be told apart, so that it must always do."""

REPEATS, DIMENSION = 5, 100
"""How often detectors are trained, and how many features a learner sees: to search for it takes too long."""

DETECTABLE = 20
"""From how many images on a detector is trained and tested; what fewer tell means little."""

LINF = (1 / 255, 2 / 255, 4 / 255, 8 / 255)
"""The budgets in L∞ that papers use."""


@dataclass(frozen=True)
class Attempt:
    """An attack of an effort.

    Attributes:
        geometry: What its changes are measured by, or made of.
        spec: Its spec, without a budget where it has some.
        passes: How many passes forward it makes per image and budget at most.
        norm: The metric of its budget; the budgets that rules ask about are tried, too. Empty for none.
        budgets: The budgets that are tried anyway, in that metric.
        gradient: Whether it takes gradients.
    """

    geometry: str
    spec: str
    passes: int
    norm: str = ""
    budgets: tuple[float, ...] = ()
    gradient: bool = True

    def asked(self, budgets: Iterable[float]) -> Attempt:
        """The same with further budgets."""
        return replace(self, budgets=tuple(sorted({*self.budgets, *budgets})))

    @property
    def runs(self) -> str:
        """The spec with its budgets; empty where it has a norm and no budget.

        Example:
            >>> Attempt("L∞", "apgd_linf:steps=20", 21, "linf", (1 / 255, 2 / 255)).runs
            'apgd_linf:eps=1/255,2/255,steps=20'
        """
        if not self.norm:
            return self.spec
        if not self.budgets:
            return ""
        name, _, rest = self.spec.partition(":")
        return ",".join([f"{name}:eps={','.join(map(value_text, self.budgets))}", *filter(None, [rest])])

    @property
    def rows(self) -> int:
        """How many labels it has in the run."""
        return len(self.budgets) if self.norm else 1


@dataclass(frozen=True)
class Effort:
    """What is run.

    Attributes:
        images: On how many images at most, if nobody says otherwise.
        attempts: The attacks.
        evaluations: What is measured of the run, as specs.
        indicators: Whether indicators of failed attacks are sought, which makes each attack anew, in other
            ways, on a few images.
        besides: How many times what the attacks cost these cost at most, on each of those images.
    """

    images: int
    attempts: tuple[Attempt, ...]
    evaluations: tuple[str, ...]
    indicators: bool = False
    besides: float = 0.0


def _climbs(steps: int, l2: tuple[float, ...] = (), targets: int = 0) -> tuple[Attempt, ...]:
    """Auto-PGD at budgets; the greatest in L∞ is there to see that it always does."""
    how = f"steps={steps},loss=margin,early_stop=true"
    found = [
        Attempt("L∞", f"apgd_linf:{how}", steps + 2, "linf", (*LINF, UNBOUNDED)),
        Attempt("L₂", f"apgd_l2:{how}", steps + 2, "l2", l2),
        Attempt("L₁", f"apgd_l1:{how}", steps + 2, "l1"),
    ]
    if targets:
        toward = f"steps={steps},targets={targets},early_stop=true"
        found.append(Attempt("L∞", f"apgd_linf:{toward}", targets * (steps + 2), "linf", LINF))
    return tuple(found)


_SHIELDS = "defenses:defense=jpeg,resize"
_DETECTION = f"detection:repeats={REPEATS},dimension={DIMENSION}"

EFFORTS: Mapping[str, Effort] = MappingProxyType(
    {
        "quick": Effort(
            40,
            (
                *_climbs(20),
                Attempt("L∞", "fmn:norm=linf,steps=30", 32),
                Attempt("L₂", "ddn:steps=30", 32),
                Attempt("L₀", "exchange:steps=30", 32),
                Attempt("SSIM", "ssim_ddn:steps=20", 22),
                Attempt("visibility", "least_noticed:steps=20", 22),
                Attempt("black box", "square:steps=60", 62, "linf", (8 / 255,), gradient=False),
            ),
            (_SHIELDS,),
        ),
        "standard": Effort(
            100,
            (
                *_climbs(50, (0.5, 1.0), targets=3),
                Attempt("L∞", "fmn:norm=linf,steps=100", 102),
                Attempt("L₂", "ddn:steps=100", 102),
                Attempt("L₁", "pdpgd:norm=l1,steps=100", 102),
                Attempt("L₀", "exchange:steps=150", 152),
                Attempt("SSIM", "ssim_ddn:steps=50", 52),
                Attempt("visibility", "least_noticed:steps=50", 52),
                Attempt("smooth", "smooth_carlini_wagner_l2:steps=30,search_steps=3", 96),
                Attempt("superpixels", "superpixel_ddn:steps=50", 52),
                Attempt("colour", "perc_al:steps=50", 52),
                Attempt("black box", "square:steps=500", 502, "linf", (8 / 255,), gradient=False),
            ),
            (_SHIELDS, _DETECTION),
            indicators=True,
            besides=2,
        ),
        "thorough": Effort(
            1000,
            (
                *_climbs(100, (0.5, 1.0, 3.0), targets=9),
                Attempt("L∞", "fmn:norm=linf,steps=1000", 1002),
                Attempt("L₂", "ddn:steps=1000", 1002),
                Attempt("L₂", "fmn:norm=l2,steps=500", 502),
                Attempt("L₁", "pdpgd:norm=l1,steps=500", 502),
                Attempt("L₀", "exchange:steps=1000", 1002),
                Attempt("L₀", "sigma_zero:steps=1000", 1002),
                Attempt("SSIM", "ssim_ddn:steps=300", 302),
                Attempt("visibility", "least_noticed:steps=300", 302),
                Attempt("smooth", "smooth_carlini_wagner_l2", 910),
                Attempt("superpixels", "superpixel_ddn:steps=300", 302),
                Attempt("colour", "perc_al:steps=1000", 1002),
                Attempt("black box", "square:steps=5000", 5002, "linf", (8 / 255,), gradient=False),
            ),
            (_SHIELDS, _DETECTION),
            indicators=True,
            besides=2,
        ),
    }
)
"""The efforts by name."""


def indicated_of(images: int) -> int:
    """On how many of so many images indicators are sought: a quarter, but four at least and eight at most.

    Example:
        >>> [indicated_of(images) for images in (2, 10, 100)]
        [2, 4, 8]
    """
    return min(images, max(4, min(8, images // 4)))


def effort_named(name: str) -> Effort:
    """The effort of this name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in EFFORTS:
        raise UnknownNameError("effort", name, EFFORTS)
    return EFFORTS[name]


def lesser(name: str) -> tuple[str, ...]:
    """An effort and those below it, from the greatest.

    Example:
        >>> lesser("standard")
        ('standard', 'quick')
    """
    names = get_args(Level)
    return names[names.index(name) :: -1]

"""Attacks with one budget for the foreground and another for the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, L2Ball, LinfBall, Regions, SsimBall
from limen.attacks.direction import Normalize, Precondition, Sign, UnitChange
from limen.attacks.factory import attack
from limen.attacks.library.arguments import (
    Loss,
    Method,
    budget,
    found,
    l2_distance,
    loss_named,
    one_of,
    positive,
    template,
    unsuspicious,
)
from limen.attacks.perturbation import Additive
from limen.attacks.protocols import Constraint, Perturbation, Transform
from limen.attacks.search import InTurn, Search
from limen.attacks.update import PerRegion, Scale
from limen.errors import UsageError, shown
from limen.operators import SsimTensor
from limen.safety import check_count
from limen.spec import value_text
from limen.structure import Foreground, Saliency

Norm = Literal["l2", "linf", "ssim"]
"""What the change of each region is measured by; `ssim` is 1 − SSIM of the image with that region changed."""


_USUAL = {
    "linf": {"eps_foreground": 4 / 255, "eps_background": 20 / 255},
    "ssim": {"eps_foreground": 0.01, "eps_background": 0.1},
}
"""Budgets that suit the norms whose budgets end at 1, as those of L2 do not: of L∞, those of the paper."""


def _usual(given: Mapping[str, Any]) -> Mapping[str, Any]:
    norm = given.get("norm")
    return _USUAL.get(norm, {}) if isinstance(norm, str) else {}


@attack(budget="eps_background", usual=_usual)
def dual_perturbation(
    eps_foreground: float | Tensor = 2.0,
    eps_background: float | Tensor = 20.0,
    norm: Norm = "l2",
    steps: int = 100,
    salience: float | Tensor = 1.0,
    mask: Foreground | str = "saliency",
    saliency: Saliency | str = "spectral_residual",
    step_size: float = 2.5,
    random_start: bool | None = None,
    restarts: int = 1,
    superpixels: Method | None = None,
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """A small perturbation of the foreground and a large one of the background, which draws no eyes to it.

    Climbs L + λ·S: the loss, and how much of what people would look at is foreground. The two budgets hold
    by themselves, also after rounding.

    Args:
        eps_foreground: The foreground's budget in the norm, a number or one per sample; if not given, 4/255
            in L∞, and 0.01 of SSIM.
        eps_background: The background's; if not given, 20/255 in L∞, and 0.1 of SSIM.
        norm: What budgets are measured by: `l2`, `linf`, or `ssim`, which is 1 − SSIM.
        steps: How many steps.
        salience: λ, which weighs S against the loss, a number or one per sample; at 0 no saliency is asked.
        mask: What finds the foreground: `saliency`, `attention`, `segmentation`, `data` for the masks of the
            data set, or a function of images that gives bool masks (N, 1, H, W).
        saliency: What predicts where people look, for S.
        step_size: The length of a step in each region, as a multiple of its budget / steps.
        random_start: Whether to start at a random point within both budgets; None for yes, except with
            `ssim`, from whose ball none can be drawn.
        restarts: How many times to try, each on the samples that have not been fooled yet.
        superpixels: What makes superpixels, on which the perturbation is constant, as in `sai_fgm`; so are
            the next three. None for pixels.
        size: The side of the square that a superpixel would be.
        merge: The distance of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour in SLIC.
        loss: What is climbed beside S. `cross_entropy` is the log-odds, which never fade: where the model is
            sure, the cross-entropy's own gradient would leave S alone.
        early_stop: Whether a sample stops at its first success.

    Source:
        Tong et al. 2020, Towards robustness against unsuspicious adversarial examples, eq. 3 and Section 3.3.

    Example:
        >>> dual_perturbation(eps_background=10.0, steps=20).name
        'dual_perturbation'
    """
    steps = check_count("steps", steps)
    one_of("norm", norm, Norm)
    front = _region(norm, _budget("eps_foreground", eps_foreground, norm), step_size, steps)
    back = _region(norm, _budget("eps_background", eps_background, norm), step_size, steps)
    starts = norm != "ssim" if random_start is None else random_start
    made = template(superpixels, size, merge, compactness, "mean")
    parts = Composition(
        objective=unsuspicious(loss_named(loss), salience, saliency),
        perturbation=Additive(made) if made else Perturbation(),
        constraint=Regions(foreground=front[0], background=back[0]),
        rule=(PerRegion(front[1], back[1]),),
        steps=steps,
        random_start=starts,
        early_stop=early_stop,
        foreground=found(mask),
    )
    return InTurn((parts,), restarts)


@attack(budget="eps_foreground")
def dual_ddn(
    eps_foreground: float | Tensor = 1.0,
    steps: int = 100,
    eps: float | Tensor = 1.0,
    gamma: float = 0.1,
    step_size: float = 1.0,
    mask: Foreground | str = "saliency",
    loss: Loss = "margin",
) -> Search:
    """The least change of the background, in L2, that fools at a given budget of the foreground.

    Args:
        eps_foreground: The foreground's budget in L2, a number or one per sample.
        steps: How many steps.
        eps: The first radius of the background in L2, a number or one per sample; not a bound.
        gamma: The share by which that radius changes at the first step; at the last it is a tenth.
        step_size: The length of the background's first step; it falls to a hundredth.
        mask: What finds the foreground, as in `dual_perturbation`.
        loss: What is climbed.

    Source:
        The regions of Tong et al. 2020, Towards robustness against unsuspicious adversarial examples, eq. 3;
        in the background, Rony et al. 2019, Decoupling direction and norm, Algorithm 1.

    Example:
        >>> dual_ddn(eps_foreground=0.5, steps=50).name
        'dual_ddn'
    """
    steps, gamma = check_count("steps", steps), float(positive("gamma", gamma))
    length = positive("step_size", step_size)
    front, climb = _region("l2", budget(eps_foreground, name="eps_foreground"), 2.5, steps)
    back = AdaptiveSphere(eps=positive("eps", eps), gamma=gamma, final=gamma / 10)
    parts = Composition(
        objective=loss_named(loss),
        constraint=Regions(foreground=front, background=back),
        rule=(PerRegion(climb, (Normalize(), Scale(length, final=length / 100))),),
        steps=steps,
        distance=l2_distance,
        foreground=found(mask),
    )
    return InTurn((parts,))


def _budget(name: str, eps: float | Tensor, norm: Norm) -> float | Tensor:
    if norm != "l2" and bool((torch.as_tensor(positive(name, eps, zero=True)) > 1).any()):
        such = value_text(_USUAL[norm][name])
        raise UsageError(f"{name} is {shown(eps)}; expected 1 at most with norm={norm}, such as {such}")
    return budget(eps, name=name)


def _region(
    norm: Norm, eps: float | Tensor, step_size: float, steps: int
) -> tuple[Constraint, tuple[Transform, ...]]:
    """The set of one region, and the rule of its steps, each a multiple of its budget / steps."""
    share = positive("step_size", step_size) / steps
    if norm == "linf":
        return LinfBall(eps=eps), (Sign(), Scale(share * eps))
    if norm == "ssim":
        # 1 − SSIM grows with the square of a perturbation, so a step is measured by its root.
        return SsimBall(eps=eps), (Precondition(SsimTensor.at), Scale(share * (2 * eps) ** 0.5))
    return L2Ball(eps=eps), (UnitChange(), Scale(share * eps))

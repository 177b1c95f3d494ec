"""Each named attack is the composition of its paper, written out: which parts, in which order, with what."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import replace
from typing import Any

import pytest
import torch

from limen import attacks
from limen.attacks.adaptive_boundary import AdaptiveBoundary
from limen.attacks.auto_step import AutoStep, SparseStep
from limen.attacks.best import LpDistance
from limen.attacks.composition import Composition
from limen.attacks.constraint import (
    AdaptiveSphere,
    BoundedMinimumNormBall,
    CostBall,
    FallingL1Ball,
    L0Ball,
    L2Ball,
    LinfBall,
    MinimumNormBall,
    OnLattice,
    Regions,
    S2Ball,
    SameReach,
    ShrinkingBall,
    SoftBall,
    SsimBall,
    Thresholded,
)
from limen.attacks.cost import ColourDifference, Difference
from limen.attacks.direction import (
    Descend,
    Maximize,
    NearestBoundary,
    Normalize,
    Penalize,
    Precondition,
    Sign,
    SmoothGradient,
    SmoothTotal,
    TopSaliency,
    UnitChange,
)
from limen.attacks.features import FeatureDistance
from limen.attacks.few_values import Exchange
from limen.attacks.library.within import within
from limen.attacks.logit_ratio import LogitRatio, LogitRatioToward
from limen.attacks.mask import Attended, Found
from limen.attacks.objective import (
    ClassMargins,
    CrossEntropy,
    DistanceAndHinge,
    ForegroundScore,
    HingeAndSupport,
    LogOddsOfMargin,
    Margin,
    Sum,
    TargetAndRest,
)
from limen.attacks.perturbation import (
    Additive,
    ExactLength,
    GraphSmooth,
    Masked,
    SigmoidBox,
    Template,
)
from limen.attacks.primal_dual import PrimalDual
from limen.attacks.protocols import Constraint
from limen.attacks.random_squares import LinfSquares
from limen.attacks.search import InTurn, LeastBudget, MultiplierSearch, Search
from limen.attacks.steps_in_features import FeatureLength, PenalizeExcess, SteepestInFeatures
from limen.attacks.update import Adam, BySuccess, Momentum, PerRegion, Scale, ShareOfRadius
from limen.images import norm
from limen.metrics import ciede2000_map, dissimilarity
from limen.metrics.visibility_tensor import VisibilityTensor
from limen.operators import Smoothing, SsimTensor
from limen.structure import gradcam
from limen.structure.saliency.center_surround import center_surround

from .geometry import features, left
from .networks import photos


def once(**parts: Any) -> InTurn:
    return InTurn((Composition(**parts),))


def l2(images: torch.Tensor, originals: torch.Tensor) -> torch.Tensor:
    return norm(images - originals)


def natural(exact: bool, border: float, tolerance: float = 1e-2, iterations: int = 6) -> Precondition:
    tensor = functools.partial(SsimTensor.at, border=border)
    return Precondition(tensor, exact=exact, tolerance=tolerance, iterations=iterations)


def seen(colour: float) -> Any:
    return functools.partial(VisibilityTensor.at, colour=colour)


SMOOTH = {
    "kernel": "laplacian",
    "rate": 10.0,
    "alpha": 0.95,
    "neighbours": 8,
    "joint": True,
    "solver": "conjugate_gradient",
    "tolerance": 1e-4,
    "iterations": 50,
    "memory": 0.5,
}
CARLINI_WAGNER = {
    "steps": 30,
    "search_steps": 4,
    "learning_rate": 0.1,
    "final_rate": 0.3,
    "initial_constant": 15.0,
    "margin": 1.0,
    "patience": 0.2,
}


def carlini_wagner(perturbation: Any, squared: bool = True) -> MultiplierSearch:
    """Adam on ‖x − x0‖² + c·[m − logit margin]₊, over a search of c that keeps the nearest success."""
    climb = Composition(
        objective=DistanceAndHinge(constant=15.0, margin=1.0, squared=squared),
        perturbation=perturbation,
        constraint=Constraint(),
        rule=(Adam(learning_rate=0.1), Scale(1.0, final=0.3)),
        steps=30,
        patience=0.2,
        distance=l2,
    )
    return MultiplierSearch(climb, 4)


PAPERS: dict[str, tuple[attacks.Attack, Search]] = {
    "fgsm": (  # Goodfellow et al. 2015: the corner of the ball that the gradient's sign points to
        attacks.fgsm(eps=0.1),
        once(objective=CrossEntropy(), rule=(Maximize(),), steps=1, constraint=LinfBall(eps=0.1)),
    ),
    "fgm": (
        attacks.fgm(eps=2.0, loss="margin"),
        once(objective=Margin(), rule=(Maximize(),), steps=1, constraint=L2Ball(eps=2.0)),
    ),
    "ifgsm": (  # Kurakin et al. 2017: signed steps, clipped to the ball
        attacks.ifgsm(eps=0.1, steps=5, early_stop=True),
        once(
            objective=CrossEntropy(),
            rule=(Sign(), Scale(0.02)),
            steps=5,
            constraint=LinfBall(eps=0.1),
            early_stop=True,
        ),
    ),
    "mifgsm": (  # Dong et al. 2018, eq. 6 and 7: momentum of gradients of unit L1 norm, then its sign
        attacks.mifgsm(eps=0.1, steps=5, step_size=0.03, decay=0.9),
        once(
            objective=CrossEntropy(),
            rule=(Normalize(1), Momentum(decay=0.9), Sign(), Scale(0.03)),
            steps=5,
            constraint=LinfBall(eps=0.1),
        ),
    ),
    "pgd_linf": (  # Madry et al. 2018: the same from random starts
        attacks.pgd_linf(eps=0.1, steps=5, restarts=2),
        InTurn(
            (
                Composition(
                    objective=CrossEntropy(),
                    rule=(Sign(), Scale(0.05)),
                    steps=5,
                    constraint=LinfBall(eps=0.1),
                    random_start=True,
                ),
            ),
            restarts=2,
        ),
    ),
    "pgd_l2": (  # Zhang et al. 2020, PGD2: steps of fixed length, scaled to the sphere
        attacks.pgd_l2(eps=5.0, steps=20, step_size=3.0, exact=True),
        once(
            objective=CrossEntropy(),
            rule=(Normalize(2), Scale(3.0)),
            steps=20,
            constraint=L2Ball(eps=5.0, exact=True),
        ),
    ),
    "carlini_wagner_l2": (  # Carlini & Wagner 2017, Section VI-A
        attacks.carlini_wagner_l2(**CARLINI_WAGNER),
        carlini_wagner(SigmoidBox()),
    ),
    "ddn": (  # Rony et al. 2019, Algorithm 1: α from 1 to 0.01 along a cosine
        attacks.ddn(steps=30, eps=0.5, gamma=0.05, step_size=1.0, loss="cross_entropy"),
        once(
            objective=CrossEntropy(),
            rule=(Normalize(2), Scale(1.0, final=0.01)),
            steps=30,
            constraint=AdaptiveSphere(eps=0.5, gamma=0.05, final=0.005),
            distance=l2,
        ),
    ),
    "deepfool": (  # Moosavi-Dezfooli et al. 2016, Algorithm 2
        attacks.deepfool(steps=30, classes=5, overshoot=0.03),
        once(
            objective=ClassMargins(5),
            rule=(NearestBoundary(), Scale(1.03)),
            steps=30,
            constraint=SameReach(),
            early_stop=True,
        ),
    ),
    "jsma": (  # Papernot et al. 2016, eq. 8: a value a step
        attacks.jsma(eps=20, step_size=0.5),
        once(
            objective=TargetAndRest(),
            rule=(TopSaliency(), Scale(0.5)),
            steps=20,
            constraint=L0Ball(eps=20),
            early_stop=True,
        ),
    ),
    "ssim_step": (  # Hua et al., eq. 3.4: ε·d/‖d‖₂, d = H⁻¹g
        attacks.ssim_step(eps=2.0, border=0.25, tolerance=1e-4),
        once(
            objective=CrossEntropy(),
            rule=(natural(True, 0.25, 1e-4, 500), Normalize(2), Scale(2.0)),
            steps=1,
            constraint=L2Ball(eps=2.0),
        ),
    ),
    "ssim_step of a quality": (  # δᵀHδ/2 = 1 − SSIM, so the step has length √(2ε)
        attacks.ssim_step(eps=0.02, measure="ssim", solver="diagonal", border=0.25),
        once(
            objective=CrossEntropy(),
            rule=(natural(False, 0.25, 1e-3, 500), Scale(0.2)),
            steps=1,
            constraint=SsimBall(eps=0.02, border=0.25),
        ),
    ),
    "ssim_pgd": (
        attacks.ssim_pgd(eps=0.02, steps=5, solver="conjugate_gradient", border=0.25, early_stop=True),
        once(
            objective=CrossEntropy(),
            rule=(natural(True, 0.25), Scale(0.1)),
            steps=5,
            constraint=SsimBall(eps=0.02, border=0.25),
            early_stop=True,
        ),
    ),
    "ssim_ddn": (
        attacks.ssim_ddn(steps=30, gamma=0.64, step_size=0.5, border=0.25),
        once(
            objective=Margin(),
            rule=(natural(False, 0.25), ShareOfRadius(0.5, final=0.02)),
            steps=30,
            constraint=AdaptiveSphere(
                gamma=0.64, final=0.01, operator=functools.partial(SsimTensor.at, border=0.25)
            ),
            distance=dissimilarity,
        ),
    ),
    "pgap": (  # Pochimireddy et al., Algorithm 1: re-centred balls, the mean kept, up to a lead of κ
        attacks.pgap(eps=0.05, steps=7, kappa=20.0, per_channel=True),
        once(
            objective=Margin(kappa=20.0),
            rule=(Maximize(),),
            steps=7,
            constraint=S2Ball(eps=0.05, recenter=True, mean=True, box=True, per_channel=True),
            early_stop=True,
        ),
    ),
    "fpgap": (  # Algorithm 2: the same without the mean
        attacks.fpgap(eps=0.05, steps=7, box=False, early_stop=False),
        once(
            objective=Margin(kappa=50.0),
            rule=(Maximize(),),
            steps=7,
            constraint=S2Ball(eps=0.05, recenter=True, mean=False, box=False),
        ),
    ),
    "fpgap in one ball": (  # Frank and Wolfe's shrinking steps
        attacks.fpgap(eps=0.05, steps=7, recenter=False),
        once(
            objective=Margin(kappa=50.0),
            rule=(Maximize(), Scale(1.0, final=0.0)),
            steps=7,
            constraint=S2Ball(eps=0.05, recenter=False, mean=False),
            early_stop=True,
        ),
    ),
    "qpgd_l2": (  # Zhang et al. 2020, eq. 12: the gradient is smoothed before its normalisation
        attacks.qpgd_l2(eps=5.0, steps=20, step_size=3.0, exact=True, **SMOOTH),
        once(
            objective=CrossEntropy(),
            rule=(SmoothGradient(Smoothing(**SMOOTH)), Normalize(2), Scale(3.0)),
            steps=20,
            constraint=L2Ball(eps=5.0, exact=True),
        ),
    ),
    "qpgd_l2 of the total": (
        attacks.qpgd_l2(eps=5.0, steps=20, step_size=3.0, smooth="total", **SMOOTH),
        once(
            objective=CrossEntropy(),
            rule=(Normalize(2), Scale(3.0), SmoothTotal(Smoothing(**SMOOTH))),
            steps=20,
            constraint=L2Ball(eps=5.0),
        ),
    ),
    "smooth_carlini_wagner_l2": (  # Zhang et al. 2020, eq. 18: x = clip(x0 + ŝ(z))
        attacks.smooth_carlini_wagner_l2(**CARLINI_WAGNER, distance="norm", **SMOOTH),
        carlini_wagner(Additive((GraphSmooth(Smoothing(**SMOOTH)),)), squared=False),
    ),
}


WHERE = {"superpixels": "lsc", "size": 4.0, "merge": 2.0, "compactness": 9.0, "attention": "gradcam",
         "threshold": 0.5}  # fmt: skip
TEMPLATE, LOOKED_AT = Template("lsc", 4.0, 2.0, 9.0), Masked(Attended(gradcam, 0.5))

PAPERS |= {
    "sa_fgm": (  # Dong et al. 2020, Section 3.3: one step from the original, the gradient taken before Scale
        attacks.sa_fgm(delta=5.1, **WHERE),
        once(
            objective=Margin(),
            perturbation=Additive((TEMPLATE,), later=(LOOKED_AT, ExactLength(0.02))),
            constraint=L2Ball(eps=0.02, rms=True),
            rule=(UnitChange(),),
            steps=1,
        ),
    ),
    "sai_fgm": (  # eq. 3 and 4, from ±δ/510 as in its program
        attacks.sai_fgm(delta=5.1, steps=4, **WHERE),
        once(
            objective=Margin(),
            perturbation=Additive((TEMPLATE,), later=(LOOKED_AT, ExactLength(0.02)), noise=0.01),
            constraint=L2Ball(eps=0.02, rms=True),
            rule=(UnitChange(), Scale(0.005, rms=True)),
            steps=4,
            random_start=True,
        ),
    ),
    "m_sai_fgm": (  # eq. 5
        attacks.m_sai_fgm(delta=5.1, steps=4, decay=0.8, length="noise", **WHERE),
        once(
            objective=Margin(),
            perturbation=Additive((TEMPLATE,), later=(LOOKED_AT, ExactLength(0.02)), noise=0.01),
            constraint=L2Ball(eps=0.02, rms=True),
            rule=(Normalize(1), Momentum(0.8), Normalize(), Scale(0.005, rms=True)),
            steps=4,
            random_start=True,
        ),
    ),
    "superpixel_ddn": (
        attacks.superpixel_ddn(steps=20, **WHERE),
        once(
            objective=Margin(),
            perturbation=Additive((replace(TEMPLATE, pooling="mean"), LOOKED_AT)),
            constraint=AdaptiveSphere(eps=1.0, gamma=0.1, final=0.01),
            rule=(UnitChange(), Scale(1.0, final=0.01)),
            steps=20,
            distance=l2,
        ),
    ),
    "superpixel_carlini_wagner_l2": (
        attacks.superpixel_carlini_wagner_l2(**CARLINI_WAGNER, **WHERE),
        carlini_wagner(Additive((TEMPLATE, LOOKED_AT))),
    ),
    "superpixel_ssim_pgd": (
        attacks.superpixel_ssim_pgd(eps=0.02, steps=4, **WHERE),
        once(
            objective=CrossEntropy(),
            perturbation=Additive((TEMPLATE, LOOKED_AT)),
            constraint=SsimBall(eps=0.02),
            rule=(Precondition(SsimTensor.at), Scale(0.125)),
            steps=4,
        ),
    ),
}


SCORED = Sum((CrossEntropy(), ForegroundScore(center_surround, 10.0)))

PAPERS |= {
    "dual_perturbation": (  # Tong et al. 2020, eq. 3 and Section 3.2: a normalised step in each region
        attacks.dual_perturbation(
            2.0, 20.0, steps=50, salience=10.0, mask=left, saliency="center_surround", restarts=2
        ),
        InTurn(
            (
                Composition(
                    objective=SCORED,
                    constraint=Regions(L2Ball(eps=2.0), L2Ball(eps=20.0)),
                    rule=(PerRegion((UnitChange(), Scale(0.1)), (UnitChange(), Scale(1.0))),),
                    steps=50,
                    random_start=True,
                    foreground=Found(left),
                ),
            ),
            restarts=2,
        ),
    ),
    "dual_perturbation in the maximum norm": (
        attacks.dual_perturbation(4 / 255, 20 / 255, norm="linf", steps=20, salience=0.0, mask=left),
        once(
            objective=CrossEntropy(),
            constraint=Regions(LinfBall(eps=4 / 255), LinfBall(eps=20 / 255)),
            rule=(PerRegion((Sign(), Scale(0.5 / 255)), (Sign(), Scale(2.5 / 255))),),
            steps=20,
            random_start=True,
            foreground=Found(left),
        ),
    ),
    "dual_perturbation of like structure": (
        attacks.dual_perturbation(0.02, 0.5, norm="ssim", steps=5, salience=0.0, mask=left),
        once(
            objective=CrossEntropy(),
            constraint=Regions(SsimBall(eps=0.02), SsimBall(eps=0.5)),
            rule=(
                PerRegion(
                    (Precondition(SsimTensor.at), Scale(0.1)), (Precondition(SsimTensor.at), Scale(0.5))
                ),
            ),
            steps=5,
            foreground=Found(left),
        ),
    ),
    "dual_perturbation on superpixels": (
        attacks.dual_perturbation(
            2.0, 20.0, steps=50, salience=0.0, mask=left, superpixels="lsc", size=4.0, merge=2.0,
            compactness=9.0,
        ),
        once(
            objective=CrossEntropy(),
            perturbation=Additive((replace(TEMPLATE, pooling="mean"),)),
            constraint=Regions(L2Ball(eps=2.0), L2Ball(eps=20.0)),
            rule=(PerRegion((UnitChange(), Scale(0.1)), (UnitChange(), Scale(1.0))),),
            steps=50,
            random_start=True,
            foreground=Found(left),
        ),
    ),
    "dual_ddn": (  # the foreground's budget by steps of 2.5 ε / K, the background as in DDN
        attacks.dual_ddn(eps_foreground=2.0, steps=50, eps=0.5, mask=left),
        once(
            objective=Margin(),
            constraint=Regions(L2Ball(eps=2.0), AdaptiveSphere(eps=0.5, gamma=0.1, final=0.01)),
            rule=(PerRegion((UnitChange(), Scale(0.1)), (Normalize(2), Scale(1.0, final=0.01))),),
            steps=50,
            distance=l2,
            foreground=Found(left),
        ),
    ),
}  # fmt: skip

PAPERS |= {
    "perceptual_gradient": (  # Hua et al., Algorithm 3.1: λ = 1, ε = 0.1, a strict stop at the margin
        attacks.perceptual_gradient(
            dissimilarity,
            confidence=5.0,
            steps=7,
            weight=1.0,
            relative=False,
            step="raw",
            validate="truncate",
        ),
        once(
            objective=CrossEntropy(fading=True),
            constraint=OnLattice(how="truncate"),
            rule=(Penalize(Difference(dissimilarity), 1.0), Scale(0.1)),
            steps=7,
            early_stop=True,
            confidence=5.0,
        ),
    ),
    "perceptual_gradient of Limen": (
        attacks.perceptual_gradient(dissimilarity, steps=7),
        once(
            objective=CrossEntropy(),
            rule=(Penalize(Difference(dissimilarity), 0.5, relative=True), Normalize(2), Scale(0.1)),
            steps=7,
            early_stop=True,
        ),
    ),
}


PAPERS |= {
    "perc_al": (  # Zhao et al. 2020: α_l from 1 to 0.01 and α_c from 0.5 to 0.05, along cosines
        attacks.perc_al(steps=9, confidence=3.0),
        once(
            objective=CrossEntropy(),
            rule=(
                BySuccess(
                    (Normalize(2), Scale(1.0, final=0.01)),
                    (Descend(ColourDifference()), Normalize(2), Scale(0.5, final=0.05)),
                ),
            ),
            steps=9,
            confidence=3.0,
            distance=lambda images, originals: norm(ciede2000_map(originals, images)),
        ),
    ),
    "ppgd": (  # Laidlaw et al. 2021, Algorithm 1: η = 2 · bound / T, the margin up to 1
        attacks.ppgd(eps=0.5, steps=10, network=features),
        once(
            objective=Margin(kappa=1.0),
            constraint=CostBall(cost=FeatureDistance(features), eps=0.5, newton=10, overshoot=0.1),
            rule=(
                SteepestInFeatures(FeatureDistance(features), 5),
                Normalize(2),
                FeatureLength(FeatureDistance(features), 0.1, ahead=1e-3),
            ),
            steps=10,
            random_start=True,
        ),
    ),
    "lpa": (  # Algorithm 2: five rounds, λ from 0.01, steps of bound · 0.1^(i/T) by h = 0.1
        attacks.lpa(eps=0.5, steps=10, network=features),
        once(
            objective=Margin(kappa=1.0),
            constraint=SoftBall(
                cost=FeatureDistance(features), eps=0.5, newton=10, overshoot=0.1, until=0.98
            ),
            rule=(
                PenalizeExcess(FeatureDistance(features), 0.5, weight=0.01, rounds=5, steps=10),
                Normalize(2),
                FeatureLength(FeatureDistance(features), 0.5, falls=0.1, rounds=5, ahead=0.1),
            ),
            steps=50,
            random_start=True,
            early_stop=True,
        ),
    ),
    "lpa, the fast one": (  # Algorithm 4: one round, λ from 1 to 10, never projected
        attacks.lpa(eps=0.5, steps=10, network=features, fast=True),
        once(
            objective=Margin(kappa=1.0),
            constraint=SoftBall(cost=FeatureDistance(features), eps=0.5, until=2.0),
            rule=(
                PenalizeExcess(FeatureDistance(features), 0.5, weight=1.0, rises=10.0, rounds=1, steps=10),
                Normalize(2),
                FeatureLength(FeatureDistance(features), 0.5, falls=0.1, rounds=1, ahead=0.1),
            ),
            steps=10,
            random_start=True,
            early_stop=True,
        ),
    ),
    "perceptual_pgd": (
        attacks.perceptual_pgd(eps=0.01, metric=dissimilarity, steps=10, confidence=1.0, early_stop=True),
        once(
            objective=CrossEntropy(),
            constraint=CostBall(cost=Difference(dissimilarity), eps=0.01, overshoot=0.01),
            rule=(Normalize(2), Scale(0.5, final=0.005)),
            steps=10,
            early_stop=True,
            confidence=1.0,
        ),
    ),
    "perceptual_ddn": (
        attacks.perceptual_ddn(dissimilarity, steps=10, confidence=1.0),
        once(
            objective=Margin(),
            constraint=ShrinkingBall(
                cost=Difference(dissimilarity), gamma=0.2, final=0.02, overshoot=0.0, newton=2
            ),
            rule=(Normalize(2), Scale(0.5, final=0.005)),
            steps=10,
            confidence=1.0,
            distance=lambda images, originals: dissimilarity(originals, images),
        ),
    ),
    "least_noticed": (
        attacks.least_noticed(steps=10, confidence=1.0, gamma=0.64, colour=0.1),
        once(
            objective=Margin(),
            constraint=AdaptiveSphere(gamma=0.64, final=0.01, operator=seen(0.1)),
            rule=(
                Precondition(seen(0.1), exact=True, tolerance=1e-2, iterations=6),
                ShareOfRadius(0.5, final=0.02),
            ),
            steps=10,
            confidence=1.0,
            distance=lambda images, originals: (
                1e-4 * VisibilityTensor.at(originals, 0.1).energy(images - originals).sqrt()
            ),
        ),
    ),
    "apgd_linf": (
        attacks.apgd_linf(eps=0.1, steps=30, loss="dlr", restarts=2, early_stop=True),
        InTurn(
            (
                Composition(
                    objective=LogitRatio(),
                    constraint=LinfBall(eps=0.1),
                    rule=(AutoStep(0.2, 30, direction=(Sign(),)),),
                    steps=30,
                    random_start=True,
                    early_stop=True,
                ),
            ),
            2,
        ),
    ),
    "apgd_l2, toward two classes": (
        attacks.apgd_l2(eps=0.5, steps=30, targets=2),
        InTurn(
            tuple(
                Composition(
                    objective=LogitRatioToward(rank),
                    constraint=L2Ball(eps=0.5),
                    rule=(AutoStep(1.0, 30, direction=(Normalize(),)),),
                    steps=30,
                    random_start=True,
                )
                for rank in (1, 2)
            )
        ),
    ),
    "apgd_l1": (
        attacks.apgd_l1(eps=2.0, steps=100),
        once(
            objective=CrossEntropy(),
            constraint=FallingL1Ball(eps=2.0, factors=((0.0, 3.0), (0.3, 2.0), (0.6, 1.0))),
            rule=(SparseStep(2.0, 100, begins=(30, 60)),),
            steps=100,
            random_start=True,
        ),
    ),
    "minimal_apgd": (
        attacks.minimal_apgd(norm="linf", steps=30, search_steps=8, eps=0.1),
        LeastBudget(
            functools.partial(within, norm="linf", steps=30, loss="dlr", targets=0, starts=(False,)),
            lambda images, originals: norm(images - originals, float("inf")),
            first=0.1,
            rounds=8,
        ),
    ),
    "fmn": (
        attacks.fmn(norm="l1", steps=50),
        once(
            objective=Margin(),
            constraint=MinimumNormBall(order=1, gamma=0.05, final=0.001),
            rule=(Normalize(), Scale(1.0, final=0.01)),
            steps=50,
            distance=lambda images, originals: norm(images - originals, 1),
        ),
    ),
    "fab": (
        attacks.fab(norm="l2", steps=50),
        once(
            objective=ClassMargins(10),
            constraint=SameReach(),
            rule=(AdaptiveBoundary(2, bias=0.1, overshoot=0.05, back=0.9),),
            steps=50,
            distance=lambda images, originals: norm(images - originals),
        ),
    ),
    "pdpgd": (
        attacks.pdpgd(norm="linf", steps=50, learning_rate=0.1, relative=False),
        once(
            objective=LogOddsOfMargin(),
            rule=(PrimalDual(float("inf"), Adam(1.0), 0.1, 50),),
            steps=50,
            distance=lambda images, originals: norm(images - originals, float("inf")),
        ),
    ),
    "sigma_zero": (
        attacks.sigma_zero(steps=50),
        once(
            objective=HingeAndSupport(1e-3),
            constraint=Thresholded(first=0.3, rate=0.01),
            rule=(Normalize(float("inf")), Adam(1.0), Scale(1.0, final=0.1)),
            steps=50,
            distance=lambda images, originals: norm(images - originals, 0),
        ),
    ),
    "exchange": (
        attacks.exchange(steps=50),
        once(
            objective=Margin(),
            rule=(Exchange(decay=0.7, tabu=3),),
            steps=50,
            distance=lambda images, originals: norm(images - originals, 0),
        ),
    ),
    "square": (
        attacks.square(eps=0.1, steps=50),
        once(
            objective=Margin(),
            constraint=LinfBall(eps=0.1),
            rule=(LinfSquares(0.1, 50, 0.8),),
            steps=50,
            early_stop=True,
        ),
    ),
    "autoattack": (
        attacks.autoattack(eps=0.1, steps=30, targets=1, squares=50),
        InTurn(
            (
                *attacks.apgd_linf(eps=0.1, steps=30, early_stop=True).search.compositions,
                *attacks.apgd_linf(eps=0.1, steps=30, targets=1, early_stop=True).search.compositions,
                Composition(
                    objective=Margin(),
                    constraint=BoundedMinimumNormBall(order=float("inf"), eps=0.1),
                    rule=(Normalize(), Scale(1.0, final=0.01)),
                    steps=30,
                    early_stop=True,
                ),
                *attacks.square(eps=0.1, steps=50).search.compositions,
            )
        ),
    ),
}


def written(value: Any) -> Any:
    """A part as its name and what it holds, so that two of them can be compared and read."""
    if dataclasses.is_dataclass(value) and not isinstance(value, LpDistance):
        names = [field.name for field in dataclasses.fields(value)]
        return type(value).__name__, {name: written(getattr(value, name)) for name in names}
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, tuple):
        return tuple(written(item) for item in value)
    return "a distance" if callable(value) else pytest.approx(value) if isinstance(value, float) else value


def distance_of(search: Any) -> Any:
    """What the search's climbs measure by, if they keep the nearest success."""
    if isinstance(search, LeastBudget):
        return search.distance
    return (search.parts if isinstance(search, MultiplierSearch) else search.compositions[0]).distance


@pytest.mark.parametrize("name", PAPERS)
def test_an_attack_is_the_composition_of_its_paper(name):
    attack, search = PAPERS[name]
    assert attack.name == name.partition(" ")[0].removesuffix(",")
    assert written(attack.search) == written(search)


@pytest.mark.parametrize("name", PAPERS)
def test_an_attack_of_least_distance_keeps_the_nearest_by_the_measure_of_its_paper(name):
    ours, theirs = (distance_of(search) for search in (PAPERS[name][0].search, PAPERS[name][1]))
    if theirs is None:
        assert ours is None
    else:
        a, b = photos(2, seed=0), photos(2, seed=1)
        assert torch.allclose(ours(a, b), theirs(a, b))


def test_every_attack_is_written_out():
    assert {name.partition(" ")[0].removesuffix(",") for name in PAPERS} == set(attacks.FACTORIES)

"""The table of all attacks, what each is expected to do, and two frauds that must not pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from limen.attacks import FACTORIES, Outcome

from .geometry import (
    L0,
    L1,
    L2,
    L2_DUAL,
    LINF,
    LINF_DUAL,
    S2,
    AlongSmooth,
    AlongSsim,
    Features,
    Geometry,
    OnSuperpixels,
    Ssim,
    features,
    left,
)
from .networks import Task


@dataclass(frozen=True)
class Row:
    """One attack under arguments that fool the small networks.

    Attributes:
        name: The factory.
        arguments: Under these it fools them.
        geometry: That of its budget, or of the distance that it makes least.
        passes: Steps and forward passes of a sample that is never fooled.
        gradients: Backward passes a step on three classes, untargeted and targeted.
        minimal: Whether it looks for the least distance.
        sharp: The arguments by which it comes up to the optimum of its geometry.
        per_step: Whether eps bounds every step by itself, so that there is no budget to hold in the whole.
        keeps_mean: Whether it keeps an image's mean, so that black and white images cannot be changed.
        stops: Whether it stops short of its budget, at its first success.
        random: Whether the seed matters.
        variant: Tells rows of one factory apart.
        has_optimum: Whether it is held against the optimum: another solver of one that is adds nothing.
        budget: The name of its budget, if it has one.
        of_scale: Whether it fools under its arguments at one scale of the logits alone.
        awkward: Arguments under which it fools images that are black, white, flat or checkered.
    """

    name: str
    arguments: dict[str, Any]
    geometry: Geometry
    passes: tuple[int, int]
    gradients: tuple[int, int] = (1, 1)
    minimal: bool = False
    sharp: dict[str, Any] = field(default_factory=dict)
    per_step: bool = False
    keeps_mean: bool = False
    stops: bool = False
    random: bool = False
    variant: str = ""
    has_optimum: bool = True
    budget: str = "eps"
    of_scale: bool = False
    awkward: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    @property
    def has_budget(self) -> bool:
        return self.budget in self.arguments and not (self.minimal or self.per_step)


Contract = Any
"""A function `contract_…(make, row, targeted)` that asserts something of any attack."""

SUPERPIXEL = {"size": 2.0, "attention": None}
"""Superpixels of images of 12×12, and no attention: linear classifiers have no feature maps."""

DUAL = {"salience": 0.0, "mask": left}
"""No salience, so that the loss alone is climbed, and a foreground of which little may change."""

SOLVED = {"solver": "conjugate_gradient", "border": "valid"}

TABLE = (
    Row("fgsm", {"eps": 0.06}, LINF, (1, 2)),
    Row("fgm", {"eps": 0.7}, L2, (1, 2)),
    Row("ifgsm", {"eps": 0.06, "steps": 5}, LINF, (5, 6)),
    Row("ifgsm", {"eps": 0.06, "steps": 5, "early_stop": True, "loss": "margin"}, LINF, (5, 6),
        stops=True, variant="early-stop"),
    Row("mifgsm", {"eps": 0.06, "steps": 5}, LINF, (5, 6)),
    Row("pgd_linf", {"eps": 0.06, "steps": 8, "step_size": 0.01, "restarts": 2}, LINF, (16, 19),
        random=True),
    Row("pgd_l2", {"eps": 0.7, "steps": 6}, L2, (6, 7)),
    Row("pgd_l2", {"eps": 0.7, "steps": 6, "exact": True}, L2, (6, 7), variant="exact"),
    Row("pgd_l2", {"eps": 0.7, "steps": 6, "random_start": True, "restarts": 2}, L2, (12, 15),
        random=True, variant="random"),
    Row("carlini_wagner_l2", {"steps": 8, "search_steps": 2, "patience": None}, L2, (16, 18), minimal=True,
        sharp={"steps": 36, "search_steps": 5}),
    Row("carlini_wagner_l2",
        {"steps": 8, "search_steps": 2, "learning_rate": 0.15, "initial_constant": 30.0,
         "patience": None},
        L2, (16, 18), minimal=True, has_optimum=False, variant="sigmoid", of_scale=True,
        # A sigmoid saturates at black and white: only great steps leave them, and many.
        awkward={"steps": 25, "search_steps": 3, "learning_rate": 1.0, "initial_constant": 10.0}),
    Row("ddn", {"steps": 15}, L2, (15, 16), minimal=True, sharp={"steps": 40}),
    # Each of DeepFool's steps loses in black and white what the bounds cut off.
    Row("deepfool", {"steps": 20}, L2, (20, 21), gradients=(2, 1), minimal=True, stops=True,
        awkward={"steps": 50}),
    Row("jsma", {"eps": 40}, L0(), (40, 41), gradients=(2, 2), stops=True),
    Row("ssim_step", {"eps": 3.0}, AlongSsim(), (1, 2), sharp={"border": "valid"}),
    Row("ssim_step", {"eps": 0.5, "measure": "ssim"}, Ssim(), (1, 2), sharp={"border": "valid"},
        variant="quality", of_scale=True),  # one long step, which comes down just where it should
    Row("ssim_pgd", {"eps": 0.5, "steps": 10}, Ssim(), (10, 11), sharp=SOLVED),
    Row("ssim_ddn", {"steps": 15}, Ssim(), (15, 16), minimal=True, sharp={"steps": 30, **SOLVED}),
    Row("ssim_ddn", {"steps": 10, "solver": "conjugate_gradient"}, Ssim(), (10, 11), minimal=True,
        sharp={"steps": 30, **SOLVED}, variant="solved"),
    Row("pgap", {"eps": 0.1, "steps": 20}, S2(), (20, 21), per_step=True, keeps_mean=True, stops=True),
    Row("pgap", {"eps": 0.5, "steps": 6, "recenter": False}, S2(), (6, 7), keeps_mean=True, stops=True,
        variant="fixed"),
    Row("fpgap", {"eps": 0.1, "steps": 20, "box": False}, S2(free_mean=True), (20, 21), per_step=True,
        stops=True),
    Row("fpgap", {"eps": 0.5, "steps": 6, "recenter": False, "early_stop": False}, S2(free_mean=True),
        (6, 7), variant="fixed"),
    Row("qpgd_l2", {"eps": 1.0, "steps": 6, "alpha": 0.5}, AlongSmooth(0.5), (6, 7)),
    Row("qpgd_l2", {"eps": 1.0, "steps": 6, "alpha": 0.5, "smooth": "total"}, L2, (6, 7),
        sharp={"alpha": 0.0}, variant="total"),
    Row("smooth_carlini_wagner_l2", {"steps": 8, "search_steps": 2, "alpha": 0.5}, L2, (16, 18), minimal=True,
        sharp={"steps": 36, "search_steps": 5}),
    Row("smooth_carlini_wagner_l2",
        {"steps": 8, "search_steps": 2, "learning_rate": 0.15, "initial_constant": 30.0,
         "patience": None, "alpha": 0.5, "solver": "conjugate_gradient", "joint": True},
        L2, (16, 18), minimal=True, variant="iterated", has_optimum=False, of_scale=True),
    Row("sa_fgm", {"delta": 45.0, **SUPERPIXEL, "gradient": "mean", "loss": "cross_entropy"},
        OnSuperpixels(2.0), (1, 2), budget="delta", awkward={"size": 1.0}),
    Row("sai_fgm", {"delta": 25.0, "steps": 6, **SUPERPIXEL}, OnSuperpixels(2.0), (6, 8), random=True,
        budget="delta", sharp={"steps": 60}, awkward={"size": 1.0}),
    Row("sai_fgm",
        {"delta": 25.0, "steps": 6, "superpixels": None, "attention": None, "random_start": False},
        OnSuperpixels(None), (6, 7), budget="delta", variant="pixels"),
    Row("m_sai_fgm", {"delta": 25.0, "steps": 6, **SUPERPIXEL, "gradient": "mean"},
        OnSuperpixels(2.0), (6, 8), random=True, budget="delta", sharp={"steps": 60}, awkward={"size": 1.0}),
    Row("superpixel_ddn", {"steps": 15, **SUPERPIXEL}, OnSuperpixels(2.0, rms=False), (15, 16), minimal=True,
        sharp={"steps": 40}, awkward={"steps": 60, "size": 1.0}),
    Row("superpixel_carlini_wagner_l2", {"steps": 8, "search_steps": 2, **SUPERPIXEL},
        OnSuperpixels(2.0, rms=False), (16, 18), minimal=True, sharp={"steps": 36, "search_steps": 5},
        awkward={"size": 1.0}),
    Row("dual_perturbation", {"eps_foreground": 0.03, "eps_background": 0.7, "steps": 8, **DUAL},
        L2_DUAL, (8, 10), random=True, budget="eps_background", sharp={"steps": 60}),
    Row("dual_perturbation",
        {"eps_foreground": 0.004, "eps_background": 0.06, "norm": "linf", "steps": 8, **DUAL,
         "random_start": False},
        LINF_DUAL, (8, 9), budget="eps_background", variant="linf"),
    Row("dual_perturbation",
        {"eps_foreground": 0.03, "eps_background": 0.7, "steps": 8, "salience": 0.1, "mask": left},
        L2_DUAL, (8, 10), random=True, budget="eps_background", variant="salient", has_optimum=False,
        of_scale=True),
    Row("dual_ddn", {"eps_foreground": 0.03, "steps": 15, "mask": left}, L2_DUAL, (15, 16), minimal=True,
        sharp={"steps": 60}, budget="eps_foreground"),
    Row("superpixel_ssim_pgd", {"eps": 0.9, "steps": 25, **SUPERPIXEL}, Ssim(), (25, 26), has_optimum=False,
        awkward={"eps": 0.9, "steps": 15, "size": 1.0}),
    Row("perceptual_gradient", {"steps": 15}, L2, (15, 16), stops=True),
    Row("perceptual_gradient",
        {"steps": 25, "metric": "l2", "step": "raw", "validate": "truncate", "confidence": 0.01,
         "weight": 0.1, "relative": False},
        L2, (25, 26), stops=True, variant="raw", has_optimum=False, of_scale=True),
    Row("perc_al", {"steps": 15}, L2, (15, 16), minimal=True, has_optimum=False),
    Row("ppgd", {"eps": 0.5, "steps": 6, "network": features}, Features(), (6, 8), random=True,
        has_optimum=False, awkward={"eps": 1.0, "steps": 20}),
    Row("lpa", {"eps": 0.8, "steps": 6, "rounds": 3, "network": features}, Features(), (18, 20), random=True,
        stops=True, has_optimum=False, awkward={"eps": 1.0, "steps": 20}),
    Row("perceptual_pgd", {"eps": 0.7, "metric": "l2", "steps": 10, "early_stop": True}, L2, (10, 11),
        stops=True, sharp={"steps": 60, "step_size": 0.3}),
    Row("perceptual_pgd", {"eps": 0.5, "steps": 10}, Ssim(), (10, 11), has_optimum=False, variant="ssim",
        awkward={"steps": 2, "step_size": 4.0, "early_stop": True}),
    Row("perceptual_pgd",
        {"eps": 0.7, "metric": "l2", "steps": 5, "method": "multiplier", "rounds": 4}, L2, (20, 21),
        has_optimum=False, variant="multiplier"),
    Row("perceptual_ddn", {"metric": "l2", "steps": 15}, L2, (15, 16), minimal=True, sharp={"steps": 40}),
    Row("least_noticed", {"steps": 25}, L2, (25, 26), minimal=True, has_optimum=False),
    Row("apgd_linf", {"eps": 0.06, "steps": 8}, LINF, (8, 10), random=True),
    Row("apgd_linf", {"eps": 0.06, "steps": 8, "loss": "dlr", "random_start": False, "early_stop": True},
        LINF, (8, 9), stops=True, variant="ratio"),
    Row("apgd_linf", {"eps": 0.06, "steps": 8, "targets": 2}, LINF, (16, 19), random=True, variant="toward"),
    Row("apgd_l2", {"eps": 0.7, "steps": 8}, L2, (8, 10), random=True, sharp={"steps": 40}),
    Row("apgd_l1", {"eps": 6.0, "steps": 12, "random_start": False}, L1, (12, 13), has_optimum=False),
    Row("minimal_apgd", {"steps": 6, "search_steps": 4}, L2, (24, 29), minimal=True,
        sharp={"steps": 8, "search_steps": 14}),
    Row("minimal_apgd", {"norm": "linf", "steps": 6, "search_steps": 4}, LINF, (24, 29), minimal=True,
        sharp={"steps": 8, "search_steps": 14}, variant="linf"),
    Row("minimal_apgd", {"norm": "l1", "steps": 8, "search_steps": 4, "loss": "margin"}, L1, (32, 37),
        minimal=True, has_optimum=False, variant="l1"),
    Row("minimal_apgd", {"norm": "ssim", "eps": 0.05, "steps": 6, "search_steps": 4}, Ssim(), (24, 29),
        minimal=True, has_optimum=False, variant="ssim"),
    Row("fmn", {"norm": "l0", "steps": 15}, L0(), (15, 16), minimal=True, sharp={"steps": 40}, variant="l0"),
    Row("fmn", {"norm": "l1", "steps": 15}, L1, (15, 16), minimal=True, sharp={"steps": 60}, variant="l1"),
    Row("fmn", {"norm": "l2", "steps": 15}, L2, (15, 16), minimal=True, sharp={"steps": 40}, variant="l2",
        awkward={"steps": 60}),
    Row("fmn", {"steps": 15}, LINF, (15, 16), minimal=True, sharp={"steps": 100}, awkward={"steps": 60}),
    Row("pdpgd", {"norm": "l1", "steps": 40}, L1, (40, 41), minimal=True, has_optimum=False, variant="l1"),
    Row("pdpgd", {"norm": "l1", "steps": 40, "relative": False, "learning_rate": 0.1}, L1, (40, 41),
        minimal=True, has_optimum=False, of_scale=True, variant="published"),
    Row("pdpgd", {"steps": 15}, L2, (15, 16), minimal=True, sharp={"steps": 200}),
    Row("pdpgd", {"norm": "linf", "steps": 15}, LINF, (15, 16), minimal=True, has_optimum=False,
        variant="linf"),
    Row("sigma_zero", {"steps": 15}, L0(), (15, 16), minimal=True, has_optimum=False),
    Row("exchange", {"steps": 15}, L0(), (15, 16), minimal=True, sharp={"steps": 60}),
    Row("fab", {"steps": 15}, LINF, (15, 16), gradients=(2, 1), minimal=True, sharp={"steps": 60}),
    Row("fab", {"norm": "l2", "steps": 15}, L2, (15, 16), gradients=(2, 1), minimal=True, sharp={"steps": 60},
        variant="l2", awkward={"steps": 50}),
    # Drawn to the original, steps along a single value may stay short of a boundary for ever.
    Row("fab", {"norm": "l1", "steps": 30, "bias": 0.0}, L1, (30, 31), gradients=(2, 1), minimal=True,
        sharp={"steps": 60}, variant="l1"),
    Row("square", {"eps": 0.15, "steps": 100}, LINF, (100, 101), gradients=(0, 0), random=True, stops=True,
        has_optimum=False),
    Row("square", {"eps": 3.1, "norm": "l2", "steps": 100}, L2, (100, 101), gradients=(0, 0), random=True,
        stops=True, has_optimum=False, variant="l2"),
    Row("autoattack", {"eps": 0.7, "norm": "l2", "steps": 6, "targets": 1, "squares": 0}, L2, (18, 22),
        random=True, stops=True),
)  # fmt: skip


def only(rows: Callable[[Row], bool]) -> Callable[[Contract], Contract]:
    """A contract that holds of these rows alone."""

    def marked(contract: Contract) -> Contract:
        contract.only = rows
        return contract

    return marked


def either(contract: Contract) -> Contract:
    """A contract that asks nothing of the aim: each row is tried with one of both, in turns."""
    contract.either = True
    return contract


def aims_of(contract: Contract, place: int) -> tuple[bool, ...]:
    """Whether the row at a place of the table is tried untargeted, targeted, or both."""
    return ((place + len(contract.__name__)) % 2 == 1,) if hasattr(contract, "either") else (False, True)


def budgeted(row: Row) -> bool:
    """Whether its attack takes the budget that the row names."""
    return row.budget in inspect.signature(FACTORIES[row.name]).parameters


def applies(contract: Contract, row: Row) -> bool:
    """Whether a contract holds of a row."""
    return getattr(contract, "only", lambda _: True)(row)


def broken_by(contract: Contract, fraud: Callable[..., Outcome]) -> bool:
    """Whether a fraud breaks a contract in every row."""
    rows = [row for row in TABLE if applies(contract, row)]
    for row in rows:
        with pytest.raises(AssertionError):
            contract(lambda **_: fraud, row, False)
    return bool(rows)


def no_op(classifier, images, labels, targeted=False, ids=None, seed=0, lattice=255) -> Outcome:
    """An attack that does nothing."""
    success = torch.zeros(len(images), dtype=torch.bool)
    return _untouched(images, labels, success)


def liar(classifier, images, labels, targeted=False, ids=None, seed=0, lattice=255) -> Outcome:
    """An attack that does nothing and claims success."""
    success = torch.ones(len(images), dtype=torch.bool)
    return _untouched(images, labels, success)


FRAUDS: dict[str, Callable[..., Outcome]] = {"no_op": no_op, "liar": liar}


def _untouched(images: Tensor, labels: Tensor, success: Tensor) -> Outcome:
    ones = torch.ones(len(images), dtype=torch.int64)
    return Outcome(images.clone(), success, labels.clone(), ones, ones + 1, ones, 0 * ones, 0 * ones)


Maker = Callable[..., Callable[..., Outcome]]
"""What a contract is given: keyword arguments to an attack; a factory, or a fraud."""


def solved(make: Maker, row: Row, problem: Task, **changes: Any) -> Outcome:
    """The attack's outcome on a problem within its reach.

    Checked are that every image is fooled, and that what the attack was given is left as it was.
    """
    call = {name: changes.pop(name) for name in ("seed", "lattice", "ids") if name in changes}
    attack = make(**{**row.arguments, **changes})
    given = problem.images.clone(), problem.labels.clone()
    outcome = attack(problem.classifier, problem.images, problem.labels, problem.targeted, **call)
    assert torch.equal(problem.images, given[0])
    assert torch.equal(problem.labels, given[1])
    assert not outcome.images.requires_grad
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()
    assert (outcome.images != problem.images).flatten(1).any(1).all()
    return outcome


FIELDS = [name for name in Outcome.__dataclass_fields__ if name != "trace"]
"""What an outcome has one row per sample of."""


def same(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes are equal in everything, bit for bit."""
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


def alike(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes are equal up to the rounding of a pass.

    Rounding may turn the sign of a gradient near 0, and a step across a boundary that it just reaches: a
    few values of an image differ, and by no more than a few levels.
    """
    gap = (a.images - b.images).abs().flatten(1)
    few = (gap > 0.5 / 255).to(gap.dtype).mean(1) <= 0.05
    return torch.equal(a.success, b.success) and bool((few & (gap.mean(1) <= 0.25 / 255)).all())


def rows_of(outcome: Outcome, rows: Any) -> Outcome:
    return Outcome(*(getattr(outcome, name)[rows] for name in FIELDS))


assert {row.name for row in TABLE} <= set(FACTORIES)

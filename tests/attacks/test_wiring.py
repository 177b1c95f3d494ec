"""Every argument of every factory changes what the attack does: none of them is accepted and dropped."""

from __future__ import annotations

import functools
import inspect
import warnings
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limen.attacks import FACTORIES, Outcome
from limen.errors import LimenWarning

from .geometry import features, left
from .networks import Task, photos, smooth_mlp, task


@dataclass(frozen=True)
class To:
    """Another value of an argument, and the setting in which it must matter."""

    value: Any
    setting: dict[str, Any] = field(default_factory=dict)


MARGIN, EARLY = "margin", {"eps": 0.2, "steps": 4}
GRADIENT_SOLVER = {"solver": "conjugate_gradient"}

PGD_LINF = {
    "eps": 0.01,
    "steps": 1,
    "step_size": 0.003,
    "random_start": False,
    "restarts": To(2, {"eps": 1e-3, "random_start": True}),
    "loss": MARGIN,
    "early_stop": To(True, EARLY),
}
PGD_L2 = {
    "eps": 0.1,
    "steps": 1,
    "step_size": 0.03,
    "exact": To(True, {"step_size": 0.01}),
    "loss": MARGIN,
    "early_stop": To(True, {"eps": 3.0}),
}
WHOLE = {"recenter": False, "early_stop": False}
PGAP = {
    "eps": 0.02,
    "steps": To(2, WHOLE),
    "recenter": To(False, {"early_stop": False}),
    "box": False,
    "per_channel": True,
    "kappa": To(0.1, {"early_stop": False}),
    "early_stop": False,
}
GRAPH = {
    "kernel": "laplacian",
    "rate": 3.0,
    "alpha": 0.5,
    "neighbours": 8,
    "joint": True,
    # One iteration is far from what the factors give, so that it shows which of them solves.
    "solver": To("conjugate_gradient", {"tolerance": 0.0, "iterations": 1}),
    "tolerance": To(0.5, GRADIENT_SOLVER),
    "iterations": To(1, GRADIENT_SOLVER),
    "memory": To(4e-4, {"solver": "factorised"}),
}
CARLINI_WAGNER = {
    "steps": 4,
    "search_steps": 2,
    "learning_rate": 0.02,
    "final_rate": 1.0,
    "initial_constant": 3.0,
    "margin": 1.0,
    "patience": 0.1,
}


def leftwards(classifier, images, classes=None):
    """Attention that falls from left to right."""
    return torch.linspace(1, 0, images.shape[3]).expand(len(images), *images.shape[2:])


WHERE = {
    "superpixels": None,
    "size": 6.0,
    "merge": To(90.0, {"size": 2.0}),
    "compactness": 0.1,
    "attention": leftwards,
    "threshold": To(0.9, {"attention": leftwards}),
}
SAI_FGM = {
    "delta": 5.0,
    "steps": 2,
    "step_size": 20.0,
    **WHERE,
    "gradient": "max",
    "length": "noise",
    "random_start": False,
    "loss": "cross_entropy",
    "early_stop": To(True, {"delta": 60.0, "steps": 8}),
}


def shallow(images):
    """The first feature map alone."""
    return features(images)[:1]


def least_likely(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """A loss whose values rise otherwise than the margin's."""
    return logits.sum(1) - 3 * logits.gather(1, labels[:, None])[:, 0]


APGD = {
    "eps": 0.01,
    "steps": 4,
    "loss": least_likely,
    "targets": 2,
    "random_start": False,
    "restarts": To(2, {"eps": 1e-4}),
    "early_stop": To(True, {"eps": 0.2}),
}
ON_SUPERPIXELS = {"superpixels": "slic", "size": 2.0, "eps_background": 3.0, "steps": 8}

BASE = {
    "carlini_wagner_l2": {"steps": 12, "search_steps": 1, "learning_rate": 0.2, "initial_constant": 10.0,
                          "patience": None},
    "smooth_carlini_wagner_l2": {"steps": 6, "search_steps": 1, "learning_rate": 0.2,
                                 "initial_constant": 10.0, "alpha": 0.9},
    "qpgd_l2": {"eps": 0.5, "steps": 4, "alpha": 0.9},
    "pgd_l2": {"eps": 0.5, "steps": 4},
    "pgd_linf": {"eps": 0.03, "steps": 4, "random_start": True},
    "ifgsm": {"eps": 0.03, "steps": 4},
    "mifgsm": {"eps": 0.03, "steps": 6},
    "ddn": {"steps": 10},
    "deepfool": {"steps": 5},
    "jsma": {"eps": 5},
    "ssim_step": {"eps": 0.5},
    "ssim_pgd": {"eps": 0.05, "steps": 4},
    "ssim_ddn": {"steps": 6},
    "pgap": {"eps": 0.1, "steps": 6},
    "fpgap": {"eps": 0.1, "steps": 6},
    "sa_fgm": {"delta": 30.0, "size": 3.0, "attention": None},
    "sai_fgm": {"delta": 30.0, "steps": 4, "size": 3.0, "attention": None},
    "m_sai_fgm": {"delta": 30.0, "steps": 4, "size": 3.0, "attention": None},
    "superpixel_ddn": {"steps": 10, "size": 3.0},
    "superpixel_carlini_wagner_l2": {"steps": 12, "search_steps": 1, "learning_rate": 0.1,
                                     "initial_constant": 10.0, "size": 3.0},
    "superpixel_ssim_pgd": {"eps": 0.5, "steps": 8, "size": 3.0},
    "dual_perturbation": {"eps_foreground": 0.2, "eps_background": 0.5, "steps": 4, "mask": left},
    "dual_ddn": {"eps_foreground": 0.2, "steps": 10, "mask": left},
    "perceptual_gradient": {"steps": 6},
    "perc_al": {"steps": 10},
    "ppgd": {"eps": 0.3, "steps": 4, "network": features},
    "lpa": {"eps": 0.1, "steps": 4, "rounds": 2, "network": features},
    "perceptual_pgd": {"eps": 0.01, "steps": 4},
    "perceptual_ddn": {"steps": 10},
    "least_noticed": {"steps": 10},
    "apgd_linf": {"eps": 0.03, "steps": 8},
    "apgd_l2": {"eps": 0.5, "steps": 8},
    "apgd_l1": {"eps": 2.0, "steps": 10},
    "minimal_apgd": {"steps": 4, "search_steps": 4},
    "fmn": {"steps": 10},
    "pdpgd": {"steps": 20},
    "sigma_zero": {"steps": 10},
    "exchange": {"steps": 10},
    "fab": {"steps": 8},
    "square": {"eps": 0.2, "steps": 40},
    "autoattack": {"eps": 0.01, "steps": 4, "targets": 1, "squares": 5},
}  # fmt: skip
"""The settings that an argument is changed in, unless its row says more."""

CHANGES: dict[str, dict[str, Any]] = {
    "fgsm": {"eps": 0.01, "loss": MARGIN},
    "fgm": {"eps": 0.1, "loss": MARGIN},
    "ifgsm": {name: PGD_LINF[name] for name in ("eps", "steps", "step_size", "loss", "early_stop")},
    "mifgsm": {
        **{name: PGD_LINF[name] for name in ("eps", "steps", "step_size", "loss", "early_stop")},
        "decay": 0.0,
    },
    "pgd_linf": PGD_LINF,
    "pgd_l2": {**PGD_L2, "random_start": True, "restarts": To(2, {"eps": 1e-3, "random_start": True})},
    "carlini_wagner_l2": CARLINI_WAGNER,
    "ddn": {"steps": 3, "eps": 0.2, "gamma": 0.3, "step_size": 0.1, "loss": "cross_entropy"},
    "deepfool": {"steps": To(1, {"overshoot": 0.0}), "classes": 1, "overshoot": 0.5},
    "jsma": {"eps": 2, "step_size": 0.1},
    "ssim_step": {
        "eps": 0.1,
        "measure": "ssim",
        "solver": "diagonal",
        "border": "valid",
        "tolerance": 0.5,
        "loss": MARGIN,
    },
    "ssim_pgd": {
        "eps": 0.01,
        "steps": 1,
        "step_size": 0.01,
        "solver": "conjugate_gradient",
        "border": "valid",
        "loss": MARGIN,
        "early_stop": To(True, {"eps": 0.3}),
    },
    "ssim_ddn": {
        "steps": 3,
        "gamma": 0.6,
        "step_size": 0.1,
        "solver": "conjugate_gradient",
        "border": "valid",
    },
    "pgap": PGAP,
    "fpgap": PGAP,
    "qpgd_l2": {**PGD_L2, "smooth": "total", **GRAPH},
    "smooth_carlini_wagner_l2": {**CARLINI_WAGNER, "distance": "norm", **GRAPH},
    "sa_fgm": {name: SAI_FGM[name] for name in ("delta", *WHERE, "gradient", "loss")},
    "sai_fgm": SAI_FGM,
    "m_sai_fgm": {**SAI_FGM, "decay": 0.0},
    "superpixel_ddn": {
        "steps": 3,
        "eps": 0.2,
        "gamma": 0.3,
        "step_size": 0.1,
        **WHERE,
        "loss": "cross_entropy",
    },
    "superpixel_carlini_wagner_l2": {**CARLINI_WAGNER, **WHERE},
    "superpixel_ssim_pgd": {
        "eps": 0.1,
        "steps": 2,
        "step_size": 0.01,
        **WHERE,
        "loss": MARGIN,
        "early_stop": To(True, {"eps": 0.9, "steps": 20}),
    },
    "dual_perturbation": {
        "eps_foreground": 0.1,
        "eps_background": 0.2,
        "norm": "linf",
        "steps": 2,
        "salience": 100.0,
        "mask": "saliency",
        "saliency": To("center_surround", {"salience": 3.0}),
        "step_size": 0.1,
        "random_start": False,
        "restarts": To(2, {"eps_background": 1e-3, "eps_foreground": 1e-3}),
        "superpixels": "slic",
        "size": To(6.0, ON_SUPERPIXELS),
        "merge": To(90.0, ON_SUPERPIXELS),
        "compactness": To(0.1, ON_SUPERPIXELS),
        "loss": MARGIN,
        "early_stop": To(True, {"eps_background": 3.0}),
    },
    "dual_ddn": {
        "eps_foreground": 0.05,
        "steps": 3,
        "eps": 0.2,
        "gamma": 0.3,
        "step_size": 0.1,
        "mask": "saliency",
        "loss": "cross_entropy",
    },
    "perceptual_gradient": {
        "metric": "l2",
        "confidence": 2.0,
        "steps": 1,
        "weight": 0.1,
        "relative": False,
        "step_size": 0.02,
        "step": "raw",
        "validate": To("truncate", {"lattice": 255}),
        "loss": MARGIN,
    },
    "perc_al": {
        "steps": 3,
        "step_size": 0.2,
        "colour_step": 0.1,
        "confidence": 0.3,
        "loss": MARGIN,
    },
    "ppgd": {
        "eps": 0.1,
        "steps": 1,
        "network": shallow,
        "step_size": 0.02,
        "iterations": 1,
        "kappa": 0.05,
        "random_start": False,
        "early_stop": To(True, {"eps": 1.0}),
    },
    "lpa": {
        "eps": 0.3,
        "steps": 2,
        "rounds": 1,
        "network": shallow,
        "fast": True,
        "kappa": To(1e-3, {"eps": 0.02}),
        "random_start": False,
    },
    "perceptual_pgd": {
        "eps": 0.1,
        "metric": "l2",
        "steps": 2,
        "step_size": 0.05,
        "confidence": To(0.5, {"early_stop": True, "eps": 0.5}),
        "loss": MARGIN,
        "early_stop": To(True, {"eps": 0.5}),
        "method": "multiplier",
        "rounds": To(2, {"method": "multiplier"}),
    },
    "perceptual_ddn": {
        "metric": "l2",
        "steps": 3,
        "gamma": 0.6,
        "step_size": 0.1,
        "confidence": 0.3,
        "loss": "cross_entropy",
    },
    "least_noticed": {
        "steps": 3,
        "confidence": 0.3,
        "gamma": 0.6,
        "step_size": 0.1,
        "iterations": 1,
        "colour": 5.0,
    },
    "apgd_linf": APGD,
    "apgd_l2": {**APGD, "eps": 0.1},
    "apgd_l1": {**APGD, "eps": 0.5, "larger_first": False, "early_stop": To(True, {"eps": 20.0})},
    "minimal_apgd": {
        "norm": "linf",
        "steps": 2,
        "search_steps": 2,
        "eps": 1.0,
        "loss": least_likely,
        "targets": 2,
        "onward": False,
        "restarts": 2,
    },
    "fmn": {
        "norm": "l1",
        "steps": 3,
        "step_size": 0.1,
        "gamma": 0.3,
        "loss": "cross_entropy",
        "retreat": To(3, {"norm": "l1"}),
    },
    "pdpgd": {"norm": "l1", "steps": 10, "learning_rate": 0.01, "relative": False},
    "sigma_zero": {"steps": 5, "learning_rate": 0.1, "smoothing": 1.0, "threshold": 0.01},
    "exchange": {"steps": 2, "decay": 0.0},
    "fab": {"norm": "l1", "steps": 2, "classes": 1, "bias": 0.0, "overshoot": 0.5, "back": 0.5},
    "square": {
        "eps": 0.1,
        "norm": To("l2", {"eps": 1.0}),
        "steps": 2,
        "area": 0.1,
        "loss": least_likely,
    },
    "autoattack": {
        "eps": 1e-4,
        "norm": To("l1", {"eps": 0.5}),
        "steps": To(3, {"eps": 1e-4}),
        "targets": To(2, {"eps": 1e-4}),
        "squares": To(3, {"eps": 1e-4}),
    },
}
"""For every factory and argument, another value."""

CASES = [
    pytest.param(name, argument, change if isinstance(change, To) else To(change), id=f"{name}-{argument}")
    for name, changes in CHANGES.items()
    for argument, change in changes.items()
]


class Recording(nn.Module):
    """A network that remembers how many images it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.counts = smooth_mlp(classes=4), []

    def forward(self, images):
        self.counts.append(len(images))
        return self.layers(images)


@functools.cache
def problem() -> Task:
    """Images that reach 0 and 1, so that the bounds matter, and are no multiples of each other."""
    return task(Recording(), photos(3, low=0, high=255))


def run(name: str, settings: frozenset[tuple[str, Any]]) -> tuple[Outcome, list[int]]:
    """The outcome, in floats if no lattice is set, and how many images the network was given at a time."""
    network = problem().classifier.module
    network.counts.clear()
    arguments = dict(settings)
    lattice = arguments.pop("lattice", None)
    attack = FACTORIES[name](**arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)  # some settings are too short to fool anything
        outcome = attack(problem().classifier, problem().images, problem().labels, lattice=lattice)
    return outcome, list(network.counts)


run_once = functools.cache(run)


def differ(a: tuple[Outcome, list[int]], b: tuple[Outcome, list[int]]) -> bool:
    """Whether two runs differ by more than rounding."""
    counts = ("success", "steps", "forwards", "backwards")
    images = (a[0].images - b[0].images).abs().max() > 1e-4
    told = any(not torch.equal(getattr(a[0], name), getattr(b[0], name)) for name in counts)
    return bool(images) or told or a[1] != b[1]


@pytest.mark.parametrize(("name", "argument", "change"), CASES)
def test_every_argument_of_every_factory_changes_something(name, argument, change):
    settings = {**BASE.get(name, {}), **change.setting}
    changed = {**settings, argument: change.value}
    assert differ(run_once(name, frozenset(settings.items())), run(name, frozenset(changed.items())))


@pytest.mark.parametrize("name", FACTORIES)
def test_nothing_changes_where_no_argument_does(name):
    settings = frozenset(BASE.get(name, {}).items())
    assert not differ(run_once(name, settings), run(name, settings))


def test_the_table_holds_every_argument_of_every_factory():
    arguments = {name: set(inspect.signature(factory).parameters) for name, factory in FACTORIES.items()}
    assert {name: set(changes) for name, changes in CHANGES.items()} == arguments

"""Arguments of the factories: what is wrong is refused when the attack is built, by name."""

from __future__ import annotations

import inspect

import pytest
import torch

from limen.attacks import FACTORIES
from limen.errors import UsageError

from .networks import on_small_networks, photos, smooth_mlp, task

NAN, INF = float("nan"), float("inf")
BAD = {
    "eps": [-0.1, NAN, INF, "much", torch.tensor([0.1, -0.1]), torch.tensor([0.1, NAN]), torch.ones(2, 2)],
    "eps_foreground": [-0.1, NAN, INF, "much"],
    "eps_background": [-0.1, NAN, INF, "much"],
    "norm": ["l3", "", None],
    "salience": [-0.1, NAN, INF, "much"],
    "mask": ["salience", ""],
    "saliency": ["spectral", ""],
    "steps": [0, -3, 2.5, True, None, "ten"],
    "restarts": [0, 1.5, True],
    "search_steps": [0, 2.5, True],
    "classes": [0, 2.5, True],
    "step_size": [0.0, -0.1, NAN, "far"],
    "loss": ["crossentropy", "", None],
    "decay": [-1.0, NAN],
    "learning_rate": [0.0, -0.1, NAN],
    "initial_constant": [0.0, -1.0, INF],
    "margin": [-1.0, NAN],
    "gamma": [0.0, -0.1, NAN],
    "overshoot": [-0.1, NAN],
    "final_rate": [0.0, -0.1, NAN],
    "patience": [0.0, -0.1, NAN],
    "kappa": [0.0, -1.0, NAN, INF, "sure"],
    "measure": ["ssm", "", None],
    "solver": ["conjugate_gradients", "", None],
    "border": ["reflct", "", -0.1, 1.5, NAN, None],
    "tolerance": [-0.1, NAN, "fine"],
    "distance": ["square", "", None],
    "smooth": ["all", "", None],
    "kernel": ["gauss", "", None],
    "rate": [-1.0, NAN, INF, "fast"],
    "alpha": [-0.1, 1.0, 1.5, NAN, "all"],
    "neighbours": [0, 6, 4.5, "four", None],
    "iterations": [0, -1, 2.5, True, "many"],
    "memory": [0.0, -1.0, NAN, INF, "enough"],
    "delta": [-1.0, 256.0, NAN, "much"],
    "superpixels": ["slick", ""],
    "size": [0.5, 0.0, NAN, "big"],
    "merge": [-1.0, NAN, "all"],
    "compactness": [0.0, NAN],
    "attention": ["grad_cam", ""],
    "threshold": [-0.1, 1.5, NAN],
    "gradient": ["total", "", None],
    "length": ["picture", "", None],
    "metric": ["mad", "l0", "SSIM", ""],
    "confidence": [-0.1, NAN, INF, "sure"],
    "weight": [-0.1, NAN, INF, "much"],
    "step": ["normal", "", None],
    "validate": ["floor", "", None],
    "colour_step": [0.0, -0.1, NAN, "far"],
    "network": ["resnet", ""],
    "squares": [-1, 2.5, True],
    "targets": [-1, 2.5, True, "all"],
    "smoothing": [0.0, -0.1, NAN],
    "area": [0.0, -0.1, 1.5, NAN],
    "rounds": [0, 1.5, True],
    "method": ["newton", "", None],
    "retreat": [-1, 2.5, True],
    "bias": [-0.1, 1.5, NAN],
    "back": [-0.1, 1.5, NAN],
    "colour": [0.0, -0.1, NAN],
}
FLAGS = {
    "exact",
    "random_start",
    "early_stop",
    "recenter",
    "box",
    "per_channel",
    "joint",
    "relative",
    "fast",
    "larger_first",
    "onward",
}
CASES = [
    pytest.param(name, argument, value, id=f"{name}-{argument}-{str(value).replace(chr(10), '')}")
    for name, factory in FACTORIES.items()
    for argument in inspect.signature(factory).parameters
    for value in BAD.get(argument, [])
]


@pytest.mark.parametrize(("name", "argument", "value"), CASES)
def test_a_bad_argument_is_refused_by_name(name, argument, value):
    with pytest.raises(UsageError, match=argument):
        FACTORIES[name](**{argument: value})


def test_every_argument_of_every_factory_is_tried():
    arguments = {a for factory in FACTORIES.values() for a in inspect.signature(factory).parameters}
    assert arguments == set(BAD) | FLAGS


@pytest.mark.parametrize("name", FACTORIES)
def test_every_argument_has_a_type_and_a_default(name):
    for parameter in inspect.signature(FACTORIES[name]).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
        assert parameter.default is not inspect.Parameter.empty


@pytest.mark.parametrize("name", FACTORIES)
def test_defaults_fool(name):
    problem = task(smooth_mlp(), photos(3))
    attack = FACTORIES[name](**on_small_networks(FACTORIES[name]))
    outcome = attack(problem.classifier, problem.images, problem.labels)
    assert problem.fooled(outcome.images).all()


BUDGETED = ["fgsm", "fgm", "ifgsm", "mifgsm", "pgd_linf", "pgd_l2", "ssim_step", "ssim_pgd", "pgap", "fpgap"]


@pytest.mark.filterwarnings("ignore:.*no step changed a value:limen.errors.LimenWarning")
@pytest.mark.parametrize("name", BUDGETED)
@pytest.mark.parametrize("lattice", [None, 255])
def test_a_budget_of_zero_fools_nothing(name, lattice):
    problem = task(smooth_mlp(), photos(3))
    outcome = FACTORIES[name](eps=0)(problem.classifier, problem.images, problem.labels, lattice=lattice)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)
    assert (outcome.steps >= 1).all()


def test_jsma_needs_a_value_to_change():
    with pytest.raises(UsageError, match=r"eps is 0\.5; expected how many values"):
        FACTORIES["jsma"](eps=0.5)


@pytest.mark.parametrize("name", ["pgap", "fpgap"])
@pytest.mark.parametrize("eps", [1.0, 1.5, torch.tensor([0.5, 1.0])])
def test_budgets_of_structure_are_less_than_one(name, eps):
    with pytest.raises(UsageError, match=r"eps is .* expected less than 1"):
        FACTORIES[name](eps=eps)


def test_an_unknown_loss_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'cross_entropy'"):
        FACTORIES["fgsm"](loss="crossentropy")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"lattice": 0}, "lattice is 0"),
        ({"lattice": 255.0}, "lattice is 255.0"),
        ({"lattice": True}, "lattice is True"),
        ({"ids": ["a"]}, "1 ids for 3 images"),
        ({"images": photos(3) * 255}, "scale them to"),
        ({"images": photos(3).to(torch.uint8)}, "uint8"),
        ({"images": photos(3).permute(0, 2, 3, 1)}, "looks like"),
        ({"labels": torch.tensor([0, 1])}, "2 labels for 3 images"),
        ({"labels": torch.tensor([0, 1, -1])}, r"labels\[2\] is -1"),
        ({"labels": torch.tensor([0, 1, 3]), "targeted": True}, "3 classes"),
        ({"labels": torch.tensor([0.0, 1.0, 2.0]), "targeted": True}, r"targets.long\(\)"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(call, reason):
    problem = task(smooth_mlp(), photos(3))
    with pytest.raises(UsageError, match=reason):
        FACTORIES["fgsm"]()(
            problem.classifier, **{"images": problem.images, "labels": problem.labels, **call}
        )


@pytest.mark.parametrize("name", ["fgsm", "ifgsm", "mifgsm", "pgd_linf"])
@pytest.mark.parametrize("eps", [8, torch.tensor([0.1, 8.0])], ids=["float", "per sample"])
def test_a_budget_in_levels_is_taken_for_the_slip_that_it_is(name, eps):
    with pytest.raises(UsageError, match="expected 1 at most, as images lie in"):
        FACTORIES[name](eps=eps)

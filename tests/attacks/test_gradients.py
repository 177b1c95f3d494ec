"""What an attack says of gradients that vanish, are not finite, or are missing."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from limen import Classifier
from limen.attacks import (
    FACTORIES,
    Attack,
    carlini_wagner_l2,
    ddn,
    deepfool,
    dual_perturbation,
    fgsm,
    jsma,
    pgd_l2,
    pgd_linf,
    sai_fgm,
)
from limen.attacks.objective import CrossEntropy
from limen.classifier import ModelError
from limen.errors import LimenWarning, UsageError
from limen.images import from_uint8, norm

from .geometry import left
from .networks import generator, on_small_networks, photos, smooth_mlp, task
from .states import problem_of, state_of

SILENT = "ignore::limen.errors.LimenWarning"


class _Spoil(torch.autograd.Function):
    """The identity, whose gradient is made 0 or NaN in some rows."""

    @staticmethod
    def forward(ctx, images, factors):
        ctx.factors = factors
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factors, None


class Spoilt(nn.Module):
    """A network that never changes its mind, whose gradient at call i is multiplied by `factors[i]`, (n,)."""

    def __init__(self, factors: list[list[float]]) -> None:
        super().__init__()
        self.module, self.factors, self.calls = smooth_mlp(), factors, 0

    def forward(self, images: Tensor) -> Tensor:
        factors = torch.tensor(self.factors[min(self.calls, len(self.factors) - 1)]).reshape(-1, 1, 1, 1)
        self.calls += 1
        return self.module(_Spoil.apply(images, factors)) + torch.tensor([20.0, 0.0, 0.0])


NAN = float("nan")
FACTORS = [[1.0, 0.0, NAN, 0.0], [1.0, 0.0, NAN, NAN], [1.0, 1.0, NAN, 0.0]]
LABELS = torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("attack", "functions"),
    [(pgd_l2(eps=0.1, steps=3), 1), (ddn(steps=3), 1), (deepfool(steps=3), 2), (jsma(eps=3), 2)],
    ids=["pgd_l2", "ddn", "deepfool", "jsma"],
)
@pytest.mark.filterwarnings(SILENT)
def test_every_backward_pass_without_a_gradient_is_counted(attack, functions):
    outcome = attack(Classifier(Spoilt(FACTORS), ask=False), photos(4), LABELS)
    assert outcome.backwards.tolist() == [3 * functions] * 4
    assert outcome.zero_gradients.tolist() == [0, 2 * functions, 0, 2 * functions]
    assert outcome.nonfinite_gradients.tolist() == [0, 0, 3 * functions, functions]
    assert outcome.stuck.tolist() == [False, False, True, True]


def test_counts_stay_with_their_samples_as_others_leave():
    problem = task(smooth_mlp(), photos(4))
    module = nn.Identity()
    module.forward = lambda images: problem.classifier.module(  # those that are fooled leave
        _Spoil.apply(images, (images.mean((1, 2, 3), True) > threshold).float())
    )
    means = problem.images.mean((1, 2, 3))
    threshold = means.sort().values[1:3].mean()
    with pytest.warns(LimenWarning, match="2 of 4 images could not be moved"):
        outcome = pgd_linf(eps=0.06, steps=8, random_start=False, early_stop=True)(
            Classifier(module), problem.images, problem.labels
        )
    dark = means < threshold
    assert torch.equal(outcome.success, ~dark)
    assert torch.equal(outcome.zero_gradients, torch.where(dark, 8, 0))
    assert (outcome.backwards[~dark] < 8).all()


def test_one_warning_says_how_many_images_could_not_be_moved():
    with pytest.warns(LimenWarning) as told:
        pgd_l2(eps=0.1, steps=3, random_start=True, restarts=2)(
            Classifier(Spoilt([[1.0, 0.0, NAN, 0.0]])), photos(4), LABELS
        )
    (warning,) = told
    assert "3 of 4 images could not be moved" in str(warning.message)
    assert "was 0 (2) or not finite (1)" in str(warning.message)
    assert "straight through" in str(warning.message)


def test_a_gradient_that_is_missing_in_most_passes_is_told_of_images_that_are_not_fooled():
    rare = Spoilt([[0.0, 1.0, NAN, 0.0], [0.0, 1.0, NAN, 0.0], [0.0, 1.0, NAN, 1.0], [1.0] * 4])
    with pytest.warns(LimenWarning, match="On 2 of 4 images, none of them fooled, the gradient") as told:
        outcome = pgd_l2(eps=0.1, steps=5)(Classifier(rare, ask=False), photos(4), LABELS)
    assert len(told) == 1
    assert outcome.faded.tolist() == [True, False, True, False]


def nothing(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    return 0 * logits[:, 0]


def test_a_salience_that_moves_an_image_does_not_hide_that_the_model_gives_no_gradient():
    problem = task(smooth_mlp(), photos(4))
    mute = dual_perturbation(0.05, 0.1, steps=4, mask=left, random_start=False, loss=nothing)
    with pytest.warns(LimenWarning, match="4 of 4 images could not be moved"):
        outcome = mute(problem.classifier, problem.images, problem.labels)
    assert outcome.stuck.all()
    assert not outcome.still.any()


def test_a_gradient_that_comes_back_is_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = pgd_l2(eps=0.1, steps=3)(Classifier(Spoilt([[0.0] * 4, [1.0] * 4])), photos(4), LABELS)
    assert outcome.zero_gradients.tolist() == [1] * 4


def test_images_that_no_step_changed_by_a_level_are_told():
    problem = task(smooth_mlp(), photos(4))
    short = carlini_wagner_l2(steps=2, search_steps=1, learning_rate=1e-4)
    with pytest.warns(
        LimenWarning, match="On 4 of 4 images no step changed a value that a file holds"
    ) as told:
        outcome = short(problem.classifier, problem.images, problem.labels)
    assert len(told) == 1
    assert outcome.still.all()
    assert not outcome.stuck.any()
    with pytest.warns(LimenWarning, match=r"^carlini_wagner_l2: For 4 of 4 images no multiplier sufficed"):
        moved = short(problem.classifier, problem.images, problem.labels, lattice=None)
    assert not moved.still.any()


HALF = 0.5 / 255


@pytest.mark.parametrize(
    ("attack", "count"),
    [
        (fgsm(eps=HALF), 4),
        (pgd_linf(eps=torch.tensor([HALF, 1 / 255, 0.0, 0.9 / 255]), steps=3), 2),
        (pgd_l2(eps=HALF, steps=3), 4),
        (sai_fgm(delta=0.02, steps=3, attention=None), 4),
        (dual_perturbation(HALF, HALF, steps=3, mask=left, salience=0.0), 4),
    ],
    ids=["fgsm", "one-a-sample", "pgd_l2", "sai_fgm", "dual_perturbation"],
)
def test_a_budget_below_one_level_is_said_before_any_step_is_made(attack, count):
    problem, passes = task(smooth_mlp(), photos(4)), []
    problem.classifier.module.register_forward_hook(lambda *_: passes.append(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            LimenWarning, match=rf"On {count} of 4 images the budget is less than one level .*255"
        ):
            attack(problem.classifier, problem.images, problem.labels)
    assert not passes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attack(problem.classifier, problem.images, problem.labels, lattice=None)


@pytest.mark.parametrize("eps", [0.0, 1 / 255])
def test_no_budget_at_all_or_one_level_is_nothing_to_warn_of_beforehand(eps):
    problem = task(smooth_mlp(), photos(4))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fgsm(eps=eps)(problem.classifier, problem.images, problem.labels)
    assert not any("less than one level" in str(each.message) for each in told)


def test_an_image_that_was_wrong_before_did_not_stand_still():
    problem = task(smooth_mlp(), photos(4))
    outcome = pgd_l2(eps=0.02, steps=3)(problem.classifier, problem.images, (problem.labels + 1) % 3)
    assert not outcome.still.any()


class WithoutGradient(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.module, self.way = smooth_mlp(), way

    def forward(self, images: Tensor) -> Tensor:
        if self.way == "no_grad":
            with torch.no_grad():
                return self.module(images)
        if self.way == "numpy":
            return self.module(torch.from_numpy(np.asarray(images.detach())))
        return self.module(images).detach()


@pytest.mark.parametrize("way", ["no_grad", "numpy", "detach"])
@pytest.mark.parametrize("name", [name for name in FACTORIES if name != "square"])
def test_a_model_without_any_gradient_is_refused_by_every_attack_with_gradients(name, way):
    problem = task(WithoutGradient(way), photos(2))
    attack = FACTORIES[name](**on_small_networks(FACTORIES[name]))
    with pytest.raises(ModelError, match=r"no gradient flows .* straight through .* without them"):
        attack(problem.classifier, problem.images, problem.labels)


class Probabilities(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.module = smooth_mlp()

    def forward(self, images: Tensor) -> Tensor:
        return self.module(images).softmax(1)


def test_probabilities_are_told_from_logits():
    problem = task(Probabilities(), photos(3))
    with pytest.warns(LimenWarning, match="returns probabilities, .* leave the softmax out") as told:
        pgd_l2(eps=0.7, steps=6)(problem.classifier, problem.images, problem.labels)
    assert len(told) == 1


def test_a_multiplier_search_says_where_none_sufficed():
    steadfast = Classifier(Spoilt([[1.0] * 4]))
    with pytest.warns(LimenWarning, match=r"For 4 of 4 images no multiplier sufficed, up to 10\. "):
        carlini_wagner_l2(steps=2, search_steps=3, initial_constant=0.1)(steadfast, photos(4), LABELS)


def test_the_log_odds_have_the_direction_of_the_cross_entropy(targeted):
    images = torch.rand(64, 1, 2, 2, generator=generator(0), dtype=torch.float64)
    weights = torch.randn(4, 7, generator=generator(1), dtype=torch.float64)
    labels = torch.randint(7, (64,), generator=generator(2))
    images.requires_grad_()
    logits = 3 * images.flatten(1) @ weights
    values = CrossEntropy()(state_of(problem_of(images.detach(), None, labels, targeted), logits=logits))
    loss = cross_entropy(logits, labels, reduction="none")
    sign = -1 if targeted else 1
    torch.testing.assert_close((sign * values).exp().log1p(), loss)
    ours, theirs = (torch.autograd.grad(each.sum(), images, retain_graph=True)[0] for each in (values, loss))
    ours, theirs = (each / norm(each).reshape(-1, 1, 1, 1) for each in (ours, sign * theirs))
    torch.testing.assert_close(ours, theirs)


def test_the_log_odds_do_not_fade_where_the_model_is_sure():
    images = photos(2).requires_grad_()
    logits = torch.tensor([[1e4, 0.0, 0.0]]) + images.flatten(1)[:, :3]
    problem = problem_of(images.detach())
    (ours,) = torch.autograd.grad(
        CrossEntropy()(state_of(problem, logits=logits)).sum(), images, retain_graph=True
    )
    (theirs,) = torch.autograd.grad(cross_entropy(logits, problem.labels, reduction="sum"), images)
    assert not theirs.any()
    assert ours.abs().amax((1, 2, 3)).tolist() == [1.0, 1.0]


class Sharp(nn.Module):
    def __init__(self, module: nn.Module, factor: float) -> None:
        super().__init__()
        self.module, self.factor = module, factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * self.module(images)


@pytest.mark.data
@pytest.mark.parametrize(
    "attack",
    [
        pgd_linf(eps=1 / 255, steps=8, random_start=False),
        pgd_l2(eps=0.15, steps=8),
        carlini_wagner_l2(steps=8, search_steps=2, learning_rate=0.05),
    ],
    ids=lambda attack: attack.name,
)
def test_logits_times_ten_or_a_hundred_change_nothing(attack: Attack, real_data, nets):
    held = np.load(real_data / "cifar10" / "test500.npz")
    images, labels = from_uint8(held["x"][:6]), torch.tensor(held["y"][:6]).long()
    network = nets.cifar_resnet(20).eval()
    plain, *sharp = (
        attack(Classifier(Sharp(network, factor)), images, labels) for factor in (1.0, 10.0, 100.0)
    )
    assert plain.success.sum() > 0
    for other in sharp:
        assert torch.equal(other.success, plain.success)


def least_likely(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    return logits.sum(1) - 3 * logits.gather(1, labels[:, None])[:, 0]


HEEDING_VALUES = {"apgd_linf", "apgd_l2", "apgd_l1", "minimal_apgd", "fmn", "square"}
"""Attacks that heed the loss's values, and not its gradient's direction alone."""

TAKING_A_LOSS = [name for name, make in FACTORIES.items() if "loss" in make.__wrapped__.__annotations__]


@pytest.mark.parametrize("name", TAKING_A_LOSS)
def test_a_plain_function_is_a_loss_that_is_climbed_or_for_targets_descended(name, targeted):
    problem = task(smooth_mlp(), photos(4), targeted)
    settings = on_small_networks(FACTORIES[name])
    if "salience" in FACTORIES[name].__wrapped__.__annotations__:
        settings["salience"] = 0.0  # beside another term, the length of the loss's gradient counts, too
    if "steps" in FACTORIES[name].__wrapped__.__annotations__ and name != "square":
        settings["steps"] = 25
    make = functools.partial(FACTORIES[name], **settings)
    plain = make(loss=lambda images, logits, labels: cross_entropy(logits, labels, reduction="none"))
    named = make(loss="cross_entropy")
    ours, theirs = (
        each(problem.classifier, problem.images, problem.labels, targeted, lattice=None)
        for each in (plain, named)
    )
    assert ours.success.any()
    assert torch.equal(ours.success, theirs.success)
    if name not in HEEDING_VALUES:
        torch.testing.assert_close(ours.images, theirs.images, atol=1e-4, rtol=0)


def test_a_loss_that_is_not_one_number_per_sample_is_refused():
    problem = task(smooth_mlp(), photos(2))
    with pytest.raises(UsageError, match=r"gives \(2, 3\); expected one value per sample, \(2,\)"):
        pgd_l2(loss=lambda images, logits, labels: logits)(problem.classifier, problem.images, problem.labels)


def test_a_loss_of_ones_own_finds_what_it_is_after():
    problem = task(smooth_mlp(), photos(4))
    outcome = pgd_l2(eps=0.7, steps=6, loss=least_likely)(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    assert pgd_l2(loss=least_likely).identity.label.startswith("pgd_l2:eps=3,loss=")

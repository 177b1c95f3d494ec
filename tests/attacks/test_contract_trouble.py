"""Contracts: awkward images, gradients that vanish or are NaN, modules that raise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier
from limen.attacks import FACTORIES
from limen.classifier import ModelError
from limen.images import quantize

from .geometry import L0
from .networks import SIZE, Task, fixed_weights, generator, photos, smooth_mlp, task
from .table import Maker, Row, broken_by, either, only, solved

pytestmark = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")


class _Spoil(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx, images, factor):
        ctx.save_for_backward(factor)
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None


class SpoiltForDarkImages(nn.Module):
    """A network whose gradient is multiplied by a factor, for images darker than a mean only."""

    def __init__(self, module: nn.Module, factor: float, mean: float = 0.35) -> None:
        super().__init__()
        self.module, self.factor, self.mean = module, factor, mean

    def forward(self, images: Tensor) -> Tensor:
        dark = images.mean((1, 2, 3), keepdim=True) < self.mean
        return self.module(_Spoil.apply(images, torch.where(dark, self.factor, 1.0)))


class Scaled(nn.Module):
    """A network whose logits are multiplied by a factor: the same model, surer of itself."""

    def __init__(self, module: nn.Module, factor: float) -> None:
        super().__init__()
        self.module, self.factor = module, factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * self.module(images)


class Raising(nn.Module):
    """A network in training mode that raises once it has answered `calls` times."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        values = 3 * SIZE * SIZE
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(values, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        fixed_weights(self.layers, seed=2)
        with torch.no_grad():
            self.layers[2].weight.fill_(1.0)
        self.layers[1].bias.requires_grad_(False)
        self.layers[4].train(False)
        for parameter in self.parameters():
            parameter.grad = torch.full_like(parameter, 7.0)
        self.calls = calls

    def forward(self, images: Tensor) -> Tensor:
        self.calls -= 1
        if self.calls < 0:
            raise RuntimeError("the power went out")
        return self.layers(images)

    def state(self) -> list:
        return [
            *(part.training for part in self.modules()),
            *(parameter.requires_grad for parameter in self.parameters()),
            *(parameter.grad.unique().tolist() for parameter in self.parameters()),
            *(value.tolist() for value in self.state_dict().values()),
        ]


def awkward_task(channels: int, targeted: bool) -> Task:
    """Black, white, flat, checkered and half black images, each equally near to one flat boundary."""
    shape = (channels, SIZE, SIZE)
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    checkered = ((rows + columns) % 2).double().expand(shape)
    half = torch.where(columns < SIZE // 2, 0.0, 100 / 255).double().expand(shape)
    flat = torch.ones(shape, dtype=torch.float64)
    images = torch.stack([0 * flat, flat, flat * 128 / 255, checkered, half])
    weights = torch.randn(flat.numel(), generator=generator(5), dtype=torch.float64, device="cpu").to(flat)
    plane = torch.linalg.qr(images[1:].flatten(1)[[0, 2, 3]].T).Q
    weights -= plane @ (plane.T @ weights)
    weights /= weights.norm()
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.stack([-weights, weights]))
        module[1].bias.copy_(torch.tensor([0.1, -0.1]))
    return task(module.float(), images, targeted)


@either
def contract_black_white_flat_and_grey_images_are_fooled(make: Maker, row: Row, targeted: bool) -> None:
    # Over the table, each number of channels meets each lattice, and each of both a target and none.
    for channels, lattice in ((1, 255), (3, None)) if targeted else ((1, None), (3, 255)):
        problem = awkward_task(channels, targeted)
        means = problem.images.mean((1, 2, 3))
        fixed = row.keeps_mean & ((means == 0) | (means == 1))
        outcome = solved(make, row, problem.at(~fixed), lattice=lattice, **row.awkward)
        assert outcome.images.isfinite().all()
        assert outcome.images.min() >= 0
        assert outcome.images.max() <= 1
        if fixed.any():
            whole = make(**row.arguments)(
                problem.classifier, problem.images, problem.labels, targeted, lattice=lattice
            )
            assert torch.equal(whole.images[fixed], problem.images[fixed])


@either
@only(lambda row: any(row.gradients))
def contract_spoilt_gradients_spoil_no_other_sample(make: Maker, row: Row, targeted: bool) -> None:
    dark = photos(3, low=10, high=60, seed=5)
    bright = photos(3, low=110, high=246, seed=3)
    images = torch.stack([dark, bright], 1).flatten(0, 1)
    steady = _steady(row)
    alone = solved(make, row, task(smooth_mlp(), bright, targeted), ids=["b0", "b1", "b2"], **steady)
    # The darkest of the three has no gradient that is a number, the other two have one of 0.
    between = float(dark.mean((1, 2, 3)).sort().values[:2].mean())
    network = SpoiltForDarkImages(SpoiltForDarkImages(smooth_mlp(), 0.0), float("nan"), between)
    problem = task(network, images, targeted)
    attack, ids = make(**row.arguments, **steady), ["d0", "b0", "d1", "b1", "d2", "b2"]
    outcome = attack(problem.classifier, problem.images, problem.labels, targeted, ids=ids)
    assert outcome.success.tolist() == [False, True] * 3
    assert torch.equal(outcome.images[::2], problem.images[::2])
    assert torch.allclose(outcome.images[1::2], alone.images, atol=1.5 / 255)


def _steady(row: Row) -> dict[str, bool]:
    """A random start may fool without a gradient."""
    return {"random_start": False} if row.random and row.budget == "delta" else {}


@either
@only(lambda row: not row.of_scale and any(row.gradients))
def contract_logits_a_hundred_times_as_great_change_nothing(make: Maker, row: Row, targeted: bool) -> None:
    bright, dark = photos(3, low=110, high=246, seed=3), photos(3, low=10, high=60, seed=5)
    # However sure the model is, where there is no gradient no step is NaN.
    network = SpoiltForDarkImages(Scaled(smooth_mlp(), 100.0), 0.0)
    problem = task(network, torch.cat([bright, dark]), targeted)
    attack = make(**row.arguments, **_steady(row))
    outcome = attack(problem.classifier, problem.images, problem.labels, targeted)
    assert outcome.success.tolist() == [True] * 3 + [False] * 3
    assert outcome.stuck.tolist() == [False] * 3 + [True] * 3
    if row.minimal:
        plain = solved(make, row, task(smooth_mlp(), bright, targeted), **_steady(row))
        found, first = (row.geometry.measure(each.images[:3], bright) for each in (outcome, plain))
        assert (found <= 1.1 * first).all()


@either
@only(lambda row: not row.of_scale)
def contract_a_faint_gradient_is_followed_or_it_is_told(make: Maker, row: Row, targeted: bool) -> None:
    dark = photos(3, low=10, high=60, seed=5)
    problem = task(SpoiltForDarkImages(smooth_mlp(), 1e-25), dark, targeted)
    outcome = make(**row.arguments)(problem.classifier, dark, problem.labels, targeted)
    assert outcome.images.isfinite().all()
    assert torch.equal(problem.fooled(outcome.images), outcome.success)
    assert (outcome.success | outcome.stuck | outcome.still).all()


@either
def contract_what_is_already_fooled_is_left_alone(make: Maker, row: Row, targeted: bool) -> None:
    problem = task(smooth_mlp(), photos(4), targeted)
    predictions = problem.classifier(problem.images).argmax(1)
    done = torch.tensor([True, False, True, False])
    labels = torch.where(done, predictions if targeted else (predictions + 1) % 3, problem.labels)
    outcome = make(**row.arguments)(problem.classifier, problem.images, labels, targeted)
    assert outcome.success.all()
    assert torch.equal(outcome.predictions[done], predictions[done])
    assert torch.equal(outcome.images[done], problem.images[done])
    assert (outcome.images != problem.images).flatten(1).any(1).tolist() == (~done).tolist()
    assert outcome.steps[done].tolist() == [0, 0]
    assert outcome.forwards[done].tolist() == [1, 1]
    assert outcome.backwards[done].tolist() == [0, 0]


@either
def contract_originals_may_lie_off_the_lattice(make: Maker, row: Row, targeted: bool) -> None:
    problem = task(smooth_mlp(), photos(4), targeted)
    problem = replace(problem, images=problem.images + 0.3 / 255)
    outcome = solved(make, row, problem)
    levels = outcome.images * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    if row.has_budget:
        # Rounding changes every value: those that the attack changes are counted from what a file stores.
        counted = quantize(problem.images) if isinstance(row.geometry, L0) else problem.images
        distance = row.geometry.measure(outcome.images, counted)
        assert (distance <= row.arguments[row.budget] + 1e-5).all()


@either
def contract_the_module_is_left_as_it_was(make: Maker, row: Row, targeted: bool) -> None:
    images = photos(3)
    for calls in (1, 2, 10_000):
        module = Raising(10_000)
        problem = task(module, images, targeted)
        before = module.state()
        if calls == 10_000:
            solved(make, row, problem)
        else:
            module.calls = calls - 1
            assert _raises(make, row, problem)
        assert module.state() == before
        assert any(part.training for part in module.modules())


def _raises(make: Maker, row: Row, problem: Task) -> bool:
    try:
        make(**row.arguments)(problem.classifier, problem.images, problem.labels, problem.targeted)
    except ModelError as error:
        return "the power went out" in str(error)
    return False


def test_contract(contract, row, targeted):
    contract(FACTORIES[row.name], row, targeted)


def test_frauds_break(contract, fraud):
    assert broken_by(contract, fraud)


def test_labels_beyond_the_models_classes_are_refused(row):
    classifier = Classifier(smooth_mlp())
    with pytest.raises(ValueError, match=r"labels\[1\] is 3; .*less than the model's 3 classes"):
        FACTORIES[row.name](**row.arguments)(classifier, photos(2), torch.tensor([0, 3]))

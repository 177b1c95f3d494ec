"""Attacks along the natural gradient of SSIM: against dense matrices, and on the network of the demo."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import limen
from limen import Classifier
from limen.attacks import Outcome, ddn, pgd_l2, ssim_ddn, ssim_pgd, ssim_step
from limen.data import batches
from limen.images import quantize
from limen.metrics import ssim, ssim_map

from .networks import Task, photos, smooth_mlp

MEASURES = {"reflect": lambda x, y: ssim_map(x, y).mean((1, 2, 3)), "valid": ssim}


class Seen(nn.Module):
    """A network that keeps the last images it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.images = smooth_mlp(channels=1, dtype=torch.float64), torch.zeros(0)

    def forward(self, images: Tensor) -> Tensor:
        self.images = images.detach().clone()
        return self.layers(images)


def losses(network: Seen, images: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(network.layers(images), labels, reduction="none")


def natural_gradient(network: Seen, images: Tensor, labels: Tensor, border: str) -> tuple[Tensor, Tensor]:
    """H⁻¹g and gᵀH⁻¹g of each image: H and g by autograd, H a dense matrix."""
    moving = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(losses(network, moving, labels).sum(), moving)
    found = []
    for x, g in zip(images.split(1), gradient.flatten(1), strict=True):
        matrix = torch.autograd.functional.hessian(
            lambda y, x=x: 1 - MEASURES[border](x, y)[0], x, vectorize=True
        )
        found.append(torch.linalg.solve(matrix.reshape(len(g), len(g)), g))
    directions = torch.stack(found)
    return directions.reshape(images.shape), (directions * gradient.flatten(1)).sum(1)


def stepped(border: str, eps: Tensor, measure: str, scale) -> tuple[Tensor, Tensor, Tensor]:
    """What one step gives, what it should give by the dense matrices, and the originals."""
    network = Seen()
    images = photos(len(eps), channels=1, low=110, high=146).double()
    labels = network(images).argmax(1)
    directions, energies = natural_gradient(network, images, labels, border)
    ssim_step(eps, measure, border=border, tolerance=1e-10)(Classifier(network), images, labels, lattice=None)
    expected = images + scale(directions, energies).reshape(-1, 1, 1, 1) * directions
    assert 0 < expected.min() < expected.max() < 1
    assert (losses(network, network.images, labels) > losses(network, images, labels)).all()
    return network.images, expected, images


@pytest.mark.parametrize("border", MEASURES)
def test_one_step_is_the_natural_gradient_of_this_length(border):
    eps = torch.tensor([0.02, 0.1, 0.5], dtype=torch.float64)
    found, expected, images = stepped(border, eps, "l2", lambda d, _: eps / d.flatten(1).norm(dim=1))
    assert torch.allclose(found, expected, atol=1e-7)
    assert (found - images).flatten(1).norm(dim=1).tolist() == pytest.approx(eps.tolist())


@pytest.mark.parametrize("border", MEASURES)
def test_one_step_is_the_natural_gradient_of_this_dissimilarity(border):
    eps = torch.tensor([1e-5, 1e-4, 1e-3], dtype=torch.float64) * (1 if border == "reflect" else 1e-3)
    found, expected, images = stepped(border, eps, "ssim", lambda _, energy: (2 * eps / energy).sqrt())
    assert (cost(found, images) <= eps * (1 + 1e-6)).all()
    shares = (found - images).flatten(1).norm(dim=1) / (expected - images).flatten(1).norm(dim=1)
    assert torch.allclose(found, images + shares.reshape(-1, 1, 1, 1) * (expected - images), atol=1e-7)
    assert ((shares > 0.85) & (shares < 1 + 1e-6)).all()
    tensors_own = 1 - MEASURES[border](found, images)
    assert (tensors_own / (eps * shares.square()) - 1).abs().max() < 0.05


def cost(images: Tensor, originals: Tensor) -> Tensor:
    return 1 - ssim(images.double(), originals.double())


@pytest.fixture(scope="module")
def demo() -> Task:
    """The network and photographs of `limen demo`, 96×96."""
    classifier = limen.catalog.model("demo:photos")
    (batch,) = batches(limen.catalog.data("demo:photos,count=12"), range(12), 12, print)
    return Task(classifier, batch.images, classifier(batch.images).argmax(1))


def attacked(attack, demo: Task, lattice: int | None = 255) -> tuple[Outcome, Tensor]:
    outcome = attack(demo.classifier, demo.images, demo.labels, lattice=lattice)
    assert torch.equal(demo.fooled(outcome.images), outcome.success)
    return outcome, cost(outcome.images, demo.images)


@pytest.fixture(scope="module")
def least(demo) -> dict[str, Tensor]:
    """The 1 − SSIM of each image that the minimal attacks find in 30 steps."""
    attacks = {
        "ddn": ddn(steps=30),
        "diagonal": ssim_ddn(steps=30),
        "solved": ssim_ddn(steps=30, solver="conjugate_gradient"),
    }
    some = demo.at(torch.arange(0, 12, 3))
    found = {name: attacked(attack, some) for name, attack in attacks.items()}
    assert all(outcome.success.all() for outcome, _ in found.values())
    return {name: costs for name, (_, costs) in found.items()}


def test_the_least_dissimilarity_is_far_below_that_of_the_least_length(least):
    assert (least["diagonal"] < least["ddn"]).all()
    assert least["diagonal"].mean() < 0.8 * least["ddn"].mean()
    assert least["solved"].mean() < 0.3 * least["ddn"].mean()


def test_where_perturbations_are_many_levels_solving_finds_less_than_the_diagonal(least):
    assert (least["solved"] <= 1.02 * least["diagonal"]).all()
    assert least["solved"].mean() < 0.4 * least["diagonal"].mean()


@pytest.mark.parametrize("solver", ["diagonal", "conjugate_gradient"])
def test_a_budget_of_dissimilarity_holds_on_the_file(demo, solver):
    eps = torch.logspace(-4, -1, 6)
    outcome, costs = attacked(ssim_pgd(eps=eps, steps=10, solver=solver), demo.at(torch.arange(1, 12, 2)))
    assert outcome.success[-1]
    assert torch.equal(outcome.images, quantize(outcome.images))
    assert (costs <= eps * (1 + 1e-4)).all()  # as exact as SSIM is in float32
    assert (costs[outcome.success] > 0.8 * eps[outcome.success]).all()


def test_at_equal_success_natural_ascent_is_far_less_visible_than_ascent_in_l2(demo):
    some = demo.at(torch.arange(0, 12, 2))
    plain, visible = attacked(pgd_l2(eps=3.0, steps=30, step_size=0.1, early_stop=True), some)
    solved = ssim_pgd(eps=0.02, steps=30, solver="conjugate_gradient", early_stop=True)
    natural, hidden = attacked(solved, some)
    assert natural.success.sum() >= plain.success.sum()
    both = natural.success & plain.success
    assert both.sum() >= 4
    assert hidden[both].mean() < 0.4 * visible[both].mean()


def share_in_frame(outcome: Outcome, demo: Task, pixels: int = 5) -> Tensor:
    energy = (outcome.images - demo.images).double().square()
    inner = energy[..., pixels:-pixels, pixels:-pixels].flatten(1).sum(1)
    return 1 - inner / energy.flatten(1).sum(1)


def test_windows_inside_the_image_alone_drive_the_perturbation_into_its_frame(demo):
    some = demo.at(torch.arange(0, 12, 2))
    valid, seen = attacked(ssim_ddn(steps=30, border="valid"), some)
    reflect, everywhere = attacked(ssim_ddn(steps=30), some)
    rows = valid.success & reflect.success
    assert rows.sum() >= 4
    assert (share_in_frame(valid, some)[rows] > 0.9).all()
    assert (share_in_frame(reflect, some)[rows] < 0.25).all()
    assert seen[rows].mean() < 0.5 * everywhere[rows].mean()
    mirrored = 1 - ssim_map(valid.images.double(), some.images.double()).mean((1, 2, 3))
    assert (mirrored[rows] > 5 * seen[rows]).all()

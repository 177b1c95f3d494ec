"""Contracts: the table is whole, and what an outcome says of itself is true."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from limen.attacks import FACTORIES
from limen.images import from_uint8, quantize, to_uint8

from .networks import conv_net, photos, smooth_mlp, task
from .table import TABLE, Maker, Row, broken_by, either, solved

pytestmark = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")


class Counting(nn.Module):
    """A network that counts the rows it sees and the rows of gradient that come back."""

    def __init__(self, module: nn.Module, steadfast: bool) -> None:
        super().__init__()
        self.module, self.steadfast = module, steadfast
        self.forwards = self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits = self.module(images)
        if self.steadfast:
            logits = logits + torch.tensor([20.0, 0.0, 0.0])
        if logits.requires_grad:
            logits.register_hook(self.count)
        return logits

    def count(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def contract_a_sample_that_resists_takes_every_pass(make: Maker, row: Row, targeted: bool) -> None:
    problem = task(Counting(smooth_mlp(), steadfast=True), photos(3), targeted)
    network = problem.classifier.module
    network.forwards = network.backwards = 0
    outcome = make(**row.arguments)(problem.classifier, problem.images, problem.labels, targeted)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)
    steps, forwards = row.passes
    assert outcome.steps.tolist() == [steps] * 3
    assert outcome.forwards.tolist() == [forwards] * 3
    assert outcome.backwards.tolist() == [steps * row.gradients[targeted]] * 3
    assert network.forwards == 3 * forwards
    assert network.backwards == int(outcome.backwards.sum())


def written_and_read(images: Tensor) -> Tensor:
    read = []
    for pixels in to_uint8(images):
        file = io.BytesIO()
        Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
        read.append(np.asarray(Image.open(file)).reshape(pixels.shape))
    return from_uint8(np.stack(read)).to(images.device)


def contract_passes_success_and_budget_are_those_of_the_file(make: Maker, row: Row, targeted: bool) -> None:
    channels = 1 if targeted else 3
    network = Counting(conv_net(channels), steadfast=False)
    problem = task(network, photos(6, channels, seed=9), targeted)
    network.forwards = 0
    outcome = make(**row.arguments)(problem.classifier, problem.images, problem.labels, targeted)
    assert int(outcome.forwards.sum()) == network.forwards
    most_steps, most_forwards = row.passes
    assert row.random or (outcome.steps >= 1).all()  # a random start may fool already
    assert (outcome.steps <= most_steps).all()
    assert (outcome.forwards <= most_forwards).all()
    assert torch.equal(outcome.backwards, outcome.steps * row.gradients[targeted])
    stored, failed = written_and_read(outcome.images), ~outcome.success
    assert torch.equal(stored, outcome.images)
    assert outcome.success.any()
    assert torch.equal(problem.fooled(stored), outcome.success)
    assert torch.equal(problem.classifier(stored).argmax(1), outcome.predictions)
    assert torch.equal(stored[failed], problem.images[failed])
    if row.has_budget:
        exact, originals = (images.double().mul(255).round() / 255 for images in (stored, problem.images))
        distance = row.geometry.measure(exact, originals)
        assert (distance <= row.arguments[row.budget] * (1 + 1e-6) + 1e-6).all()


@either
def contract_images_keep_their_type_and_lie_on_the_lattice(make: Maker, row: Row, targeted: bool) -> None:
    dtype = torch.float64 if targeted else torch.float32
    problem = task(smooth_mlp(dtype=dtype), photos(3), targeted)
    floats = solved(make, row, problem, lattice=None)
    assert floats.images.dtype == dtype
    assert floats.images.aminmax().min >= 0
    assert floats.images.aminmax().max <= 1
    coarse = task(smooth_mlp(dtype=dtype), quantize(photos(3), 51), targeted)
    stored = solved(make, row, coarse, lattice=51).images
    assert stored.dtype == dtype
    levels = stored * 51
    assert (levels - levels.round()).abs().max() < 1e-4


def test_contract(contract, row, targeted):
    contract(FACTORIES[row.name], row, targeted)


def test_frauds_break(contract, fraud):
    assert broken_by(contract, fraud)


def test_every_attack_is_in_the_table():
    assert {row.name for row in TABLE} == set(FACTORIES)


def test_attacks_are_named_after_their_factories(row):
    assert FACTORIES[row.name](**row.arguments).name == row.name

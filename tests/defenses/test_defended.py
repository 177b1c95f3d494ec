"""A classifier behind a defence."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from limen import Classifier, attacks, catalog, data, defenses
from limen.defenses import Defended, defenses_of, undefended
from limen.errors import UsageError
from limen.evaluation import describe_run
from limen.identity import Identity


@pytest.fixture
def classifier() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))
    return Classifier(net, mean=0.5, std=0.25, class_names=[*"abcde"])


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 10, 10, generator=torch.Generator().manual_seed(1))


def halved(images: Tensor) -> Tensor:
    return images / 2


def brightened(images: Tensor) -> Tensor:
    return images * 0.5 + 0.5


def in_steps(images: Tensor) -> Tensor:
    return images.detach().mul(3).round() / 3


def test_the_classifier_sees_defended_images(classifier, images):
    assert torch.equal(
        Defended(classifier, defenses.bilateral)(images), classifier(defenses.bilateral(images))
    )
    assert not torch.equal(Defended(classifier, defenses.bilateral)(images), classifier(images))


def test_of_two_defences_the_outer_one_comes_first(classifier, images):
    twice = Defended(Defended(classifier, halved), brightened)
    assert torch.equal(twice(images), classifier(halved(brightened(images))))


def test_all_else_is_the_classifiers_own(classifier, images):
    defended = Defended(classifier, defenses.bilateral)
    assert (defended.module, defended.class_names) == (classifier.module, classifier.class_names)
    with defended.frozen():
        assert not any(parameter.requires_grad for parameter in defended.module.parameters())
        defended(images)
        assert not defended.module.training
    assert defended.module.training
    assert all(parameter.requires_grad for parameter in defended.module.parameters())


def test_an_attack_climbs_through_the_defence(classifier, images):
    defended = Defended(classifier, defenses.bilateral)
    labels = defended(images).argmax(1)
    attack = attacks.pgd_linf(eps=0.1, steps=10, random_start=False)
    outcome = attack(defended, images, labels)
    assert torch.equal(defended(outcome.images).argmax(1) != labels, outcome.success)
    inputs = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(defended(inputs)[:, 0].sum(), inputs)
    step = 1e-3 * gradient
    rise = (defended(images + step)[:, 0] - defended(images - step)[:, 0]).sum() / 2
    torch.testing.assert_close(rise, 1e-3 * gradient.square().sum(), rtol=0.02, atol=0)


def test_an_attack_through_a_defence_without_a_gradient_is_refused(classifier, images):
    defended = Defended(classifier, in_steps)
    labels = defended(images).argmax(1)
    with pytest.raises(UsageError, match=r"no gradient flows through the defence \(in_steps\)"):
        attacks.fgsm(eps=0.1)(defended, images, labels)


def scaled(images: Tensor, factor: float = 0.5) -> Tensor:
    return images * factor


def test_a_defended_classifier_is_another_than_the_bare_one_and_than_one_behind_another_defence(classifier):
    chains = [
        classifier,
        Defended(classifier, defenses.bilateral),
        Defended(classifier, functools.partial(defenses.bilateral, radius=3)),
        Defended(classifier, scaled),
        Defended(classifier, functools.partial(scaled, factor=0.25)),
        Defended(Defended(classifier, scaled), defenses.bilateral),
        Defended(Defended(classifier, defenses.bilateral), scaled),
    ]
    assert len({each.fingerprint() for each in chains}) == len(chains)
    assert Defended(classifier, scaled).fingerprint() == chains[3].fingerprint()
    assert {undefended(each) for each in chains} == {classifier}


def test_a_chain_says_what_it_is_in_the_order_in_which_images_pass(classifier):
    chain = Defended(Defended(classifier, scaled), catalog.defense("bilateral:radius=3"))
    first, second = defenses_of(chain)
    assert first == catalog.defense("bilateral:radius=3").identity
    assert (second.parameters, second.label.endswith(":scaled")) == ({"factor": 0.5}, True)
    assert second.code is not None
    assert defenses_of(classifier) == ()


def test_a_defence_without_a_name_is_used_but_not_in_a_run(classifier, images):
    defended = Defended(classifier, lambda images: images / 2)
    assert torch.equal(defended(images), classifier(images / 2))
    dataset = data.from_arrays("black", np.zeros((2, 8, 8, 3), np.uint8), np.arange(2))
    with pytest.raises(
        UsageError, match="no name; write it as a function of a module, or give it an attribute"
    ):
        describe_run(defended, dataset, [])

    class Named:
        identity = Identity("mine", {"size": 3})

        def __call__(self, images: Tensor) -> Tensor:
            return images

    manifest = describe_run(Defended(classifier, Named()), dataset, [])
    assert manifest.model.defenses == (Named.identity,)

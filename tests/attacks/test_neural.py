"""Neural perceptual threat models: the distance, the directions, and the published attacks beside Limen's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier
from limen.attacks import dual_perturbation, lpa, ppgd
from limen.attacks.features import FeatureDistance
from limen.attacks.steps_in_features import FeatureLength, PenalizeExcess, SteepestInFeatures
from limen.defenses import Adaptive, Defended
from limen.errors import LimenWarning, UsageError
from limen.images import norm
from limen.seeds import content_seeds
from limen.structure import maps_of_each_size
from limen.structure.asking import taking

from . import published_ppgd as published
from .geometry import Features, features
from .networks import Task, fixed_weights, generator, photos, smooth_mlp, task
from .states import problem_of, state_of

F64 = torch.float64


class Small(nn.Module):
    """Three convolutions, whose maps are the features, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inner, outer, 3, stride, 1), nn.ReLU())
            for inner, outer, stride in ((3, 8, 1), (8, 12, 2), (12, 16, 2))
        )
        self.head = nn.Linear(16, 4)
        fixed_weights(self, seed=0)
        with torch.no_grad():
            self.head.weight.mul_(8)
            self.head.bias.sub_(self(photos(64, seed=99)).mean(0))

    def features(self, images: Tensor) -> list[Tensor]:
        maps = [2 * images - 1]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images)[-1].mean((2, 3)))


def small(count: int = 12) -> tuple[Small, Task]:
    network = Small().requires_grad_(False)
    return network, task(network, photos(count, low=20, high=236, seed=5))


def test_the_distance_is_that_of_the_published_program():
    a, b = (photos(3, seed=seed).double() for seed in (0, 1))
    distance = FeatureDistance(features).bind(problem_of(a))
    expected = (published.flattened(features(a)) - published.flattened(features(b))).norm(dim=1)
    torch.testing.assert_close(distance(b), expected)
    torch.testing.assert_close(Features().measure(b, a), expected)
    torch.testing.assert_close(norm(distance.features(a)).square(), torch.full((3,), 2.0, dtype=F64))
    leaf = a.clone().requires_grad_()
    assert torch.equal(torch.autograd.grad(distance(leaf).sum(), leaf)[0], torch.zeros_like(a))


def jacobian(distance: FeatureDistance, images: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(distance.features, images)[0].flatten(1).squeeze()


def test_the_steepest_direction_in_features_solves_the_normal_equations():
    images = photos(1).double()
    distance = FeatureDistance(lambda x: [torch.nn.functional.avg_pool2d(x, 4) + 0.1]).bind(
        problem_of(images)
    )
    jac = jacobian(distance, images)
    gradient = (jac.T @ torch.randn(jac.shape[0], generator=generator(1), dtype=F64)).reshape(images.shape)
    state = state_of(problem_of(images), images, variables=images)
    found, _ = SteepestInFeatures(distance, 25)(gradient.clone(), state)
    expected = torch.linalg.lstsq(jac.T @ jac, gradient.flatten(), driver="gelsd").solution
    cosine = torch.cosine_similarity(found.flatten(), expected, dim=0)
    assert cosine > 0.999
    few, _ = SteepestInFeatures(distance, 1)(gradient.clone(), state)
    assert torch.cosine_similarity(few.flatten(), gradient.flatten(), dim=0) > 0.999999
    nothing, _ = SteepestInFeatures(distance, 5)(torch.zeros_like(images), state)
    assert torch.equal(nothing, torch.zeros_like(images))


def test_a_length_in_features_is_a_change_of_them_that_falls_in_every_round():
    images = photos(2).double()
    distance = FeatureDistance(features).bind(problem_of(images))
    unit = torch.randn(images.shape, generator=generator(4), dtype=F64)
    unit /= norm(unit).reshape(-1, 1, 1, 1)
    for progress, share in ((0.0, 1.0), (0.25, 0.1**0.5), (0.5, 1.0), (0.75, 0.1**0.5)):
        state = state_of(problem_of(images), images, progress=progress)
        link = FeatureLength(distance, 1e-3, falls=0.1, rounds=2, ahead=1e-4)
        move, _ = link(unit.clone(), state)
        assert distance(images + move).tolist() == pytest.approx([1e-3 * share] * 2, rel=0.02)


def test_the_weight_of_the_excess_grows_after_a_round_where_it_is_outside():
    originals = photos(2).double()
    images = originals.clone()
    images[1] = photos(1, seed=8).double()
    distance = FeatureDistance(features).bind(problem_of(originals))
    state, link = state_of(problem_of(originals), images, variables=images), None
    link = PenalizeExcess(distance, 0.1, weight=0.01, rounds=3, steps=2)
    taken = []
    for _ in range(6):
        move, link = link(torch.zeros_like(images), state)
        taken.append(norm(move).tolist())
    first = taken[0][1]
    assert [each[0] for each in taken] == [0] * 6
    assert [each[1] / first for each in taken] == pytest.approx([1, 1, 10, 10, 100, 100])


@pytest.mark.parametrize(("name", "make"), [("ppgd", ppgd), ("lpa", lpa)])
def test_a_bound_holds_for_each_sample_and_fools_no_less_than_the_published_program(name, make):
    bound, (network, problem) = 0.2, small()
    noise = 0.01 * torch.randn(problem.images.shape, generator=generator(0))
    theirs = getattr(published, name)(
        network, network.features, problem.images, problem.labels, noise, bound, steps=10
    )
    distance = FeatureDistance(network.features).bind(problem_of(problem.images))
    fooled = problem.fooled(theirs) & (distance(theirs) <= bound * (1 + 1e-4))
    for lattice in (None, 255):
        outcome = make(eps=bound, steps=10, network=network.features)(
            problem.classifier, problem.images, problem.labels, lattice=lattice
        )
        assert (distance(outcome.images) <= bound * (1 + 1e-4)).all()
        assert torch.equal(problem.fooled(outcome.images), outcome.success)
        assert outcome.success.sum() >= fooled.sum() > 0


def test_the_fast_attack_counts_only_what_it_finds_within_the_bound():
    network, problem = small()
    attack = lpa(eps=0.1, steps=20, network=network.features, fast=True)
    outcome = attack(problem.classifier, problem.images, problem.labels)
    distance = FeatureDistance(network.features).bind(problem_of(problem.images))(outcome.images)
    assert 0 < outcome.success.sum() < len(problem.images)
    assert (distance <= 0.1).all()
    ended = attack.perturb(problem.classifier, problem.images, problem.labels)
    assert not torch.equal(ended, problem.images)


def test_the_classifiers_own_features_are_the_last_map_of_each_size():
    network, problem = small(3)
    own, given = maps_of_each_size(problem.classifier, problem.images), network.features(problem.images)
    for mine, theirs in zip(own, given, strict=True):
        torch.testing.assert_close(mine, theirs)
    call = (problem.classifier, problem.images, problem.labels)
    by_name, by_hand = (ppgd(steps=4, network=each)(*call) for each in ("self", network.features))
    torch.testing.assert_close(by_name.images, by_hand.images, rtol=0, atol=1.5 / 255)


def test_a_classifier_without_feature_maps_has_no_features_of_its_own():
    problem = task(smooth_mlp(), photos(2))
    with pytest.raises(UsageError, match="no layer that gives a feature map"):
        ppgd()(problem.classifier, problem.images, problem.labels)
    with pytest.raises(UsageError, match=r"gives maps of shapes \[\(2, 432\)\]"):
        ppgd(network=lambda x: [x.flatten(1)])(problem.classifier, problem.images, problem.labels)


def test_feature_maps_of_a_large_batch_are_put_together():
    classifier = Classifier(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    images = torch.rand(17, 3, 192, 192, generator=generator(0))
    (maps,) = maps_of_each_size(classifier, images)
    assert len(maps) == 17
    torch.testing.assert_close(maps[16:], classifier.module[:2](images[16:]))


def test_feature_maps_through_random_draws_are_their_means_and_can_be_attacked():
    network, problem = small(2)
    drawn = Adaptive(Defended(problem.classifier, faded), draws=3)
    seen = [faded(problem.images, content_seeds(-1 - draw, problem.images)) for draw in range(3)]
    expected = zip(*map(network.features, seen), strict=True)
    for maps, of_draws in zip(maps_of_each_size(drawn, problem.images), expected, strict=True):
        torch.testing.assert_close(maps, torch.stack(of_draws).mean(0))
    assert len(ppgd(steps=2)(drawn, problem.images, problem.labels).images) == 2


class Gate(torch.autograd.Function):
    """The identity, which counts the rows of images that pass it, and those of gradients that come back."""

    @staticmethod
    def forward(ctx, images, counts):
        ctx.counts = counts
        counts["forwards"] += len(images)
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.counts["backwards"] += len(gradient)
        return GateOfGradients.apply(gradient, ctx.counts), None


class GateOfGradients(torch.autograd.Function):
    """The same where a gradient is itself differentiated, which takes a pass of the network, too."""

    @staticmethod
    def forward(ctx, gradient, counts):
        ctx.counts = counts
        return gradient.clone()

    @staticmethod
    def backward(ctx, vectors):
        ctx.counts["backwards"] += len(vectors)
        return vectors.clone(), None


class Gated(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.counts = module, {"forwards": 0, "backwards": 0}

    def forward(self, images: Tensor) -> Tensor:
        return self.module(Gate.apply(images, self.counts))


def faded(batch: Tensor, seeds: Tensor | None = None) -> Tensor:
    """Darker by a random factor."""
    return batch if seeds is None else batch * (0.5 + seeds.float() / 2.0**64)[:, None, None, None]


@taking((1, 0))
def sure(images: Tensor, classifier: Classifier) -> Tensor:
    """A foreground that asks the classifier: the brighter half of an image that has an answer."""
    grey = images.mean(1, keepdim=True)
    return (grey > grey.mean()) & classifier(images).isfinite().all(1)[:, None, None, None]


def looking(images: Tensor, classifier: Classifier) -> Tensor:
    """A saliency model that asks the classifier: density where its gradient is large."""
    return classifier(images).sum(1)[:, None, None] + images.mean(1).abs()


DRAWN = {
    "ppgd": ppgd(eps=0.03, steps=3),
    "lpa": lpa(eps=0.003, steps=3, rounds=2),
    "foreground that asks": dual_perturbation(steps=2, mask=sure, salience=0.0),
    "saliency that asks": dual_perturbation(steps=2, mask=sure, saliency=looking),
}


@pytest.mark.parametrize("attack", DRAWN.values(), ids=DRAWN)
def test_passes_of_a_classifier_that_is_the_mean_of_draws_are_those_of_all_draws(attack):
    problem = task(Gated(small()[0]), photos(2, low=20, high=236, seed=5))
    counts, drawn = problem.classifier.module.counts, Adaptive(Defended(problem.classifier, faded), draws=3)
    labels = drawn(problem.images).argmax(1)
    counts.update(forwards=0, backwards=0)
    outcome = attack(drawn, problem.images, labels, lattice=None)
    assert (outcome.steps > 0).all()
    assert counts == {name: int(getattr(outcome, name).sum()) for name in counts}


@pytest.mark.parametrize("attack", [ppgd(eps=0.03, steps=3), lpa(eps=0.003, steps=3, rounds=2)])
def test_passes_that_the_classifiers_own_features_take_are_counted_for_each_sample(attack):
    problem = task(Gated(small()[0]), photos(4, low=20, high=236, seed=5))
    call = problem.classifier, problem.images, problem.labels
    counts = problem.classifier.module.counts
    counts.update(forwards=0, backwards=0)
    outcome = attack(*call)
    assert counts == {name: int(getattr(outcome, name).sum()) for name in counts}
    assert (outcome.forwards > outcome.steps + 1).all()
    assert (outcome.backwards > outcome.steps).all()
    for row in range(4):
        alone = attack(call[0], *(each[row : row + 1] for each in call[1:]), ids=[row])
        assert alone.forwards == outcome.forwards[row]
        assert alone.backwards == outcome.backwards[row]


def test_features_of_another_network_take_no_passes_of_the_classifier():
    network, problem = small(3)
    outcome = ppgd(eps=0.03, steps=3, network=network.features)(
        problem.classifier, problem.images, problem.labels
    )
    assert outcome.steps.tolist() == outcome.backwards.tolist() == [3] * 3


def test_what_no_gradient_moves_is_stuck_whatever_passes_its_features_took():
    network = small()[0]
    network.head.weight.zero_()
    problem = task(network, photos(3))
    attack = lpa(eps=0.1, steps=3, rounds=1)
    with pytest.warns(LimenWarning, match="could not be moved"):
        outcome = attack(problem.classifier, problem.images, problem.labels)
    assert outcome.stuck.all()
    assert (outcome.backwards > outcome.steps).all()

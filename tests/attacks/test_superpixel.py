"""Attacks on superpixels, against loops over regions, and against their paper's program in plain autograd."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from limen import Classifier, catalog
from limen.attacks import Attack, m_sai_fgm, sa_fgm, sai_fgm, superpixel_ddn
from limen.attacks.composition import Composition
from limen.attacks.direction import Precondition, UnitChange
from limen.attacks.objective import Margin
from limen.attacks.perturbation import Additive, ExactLength, GraphSmooth, SigmoidBox, Template
from limen.attacks.search import InTurn
from limen.attacks.update import Scale
from limen.errors import LimenWarning, UsageError
from limen.images import norm
from limen.operators import Smoothing, SsimTensor
from limen.structure import cam, superpixels

from .networks import fixed_weights, generator
from .states import problem_of

SIDE, MEAN = 24, {"steps": 5, "pooling": "mean"}


def pooled_net(dtype: torch.dtype = torch.float64) -> Classifier:
    """A network with a pooled head, which class activation maps ask for."""
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    layers = fixed_weights(layers, seed=6).double()
    with torch.no_grad():
        layers[-1].weight.mul_(20)
        layers[-1].bias.sub_(layers(scenes()).mean(0))  # so that every class is about as likely as another
    return Classifier(layers.to(dtype))


def scenes(count: int = 3, low: float = 0.3, high: float = 0.7, dtype: torch.dtype = torch.float64):
    """Coloured blocks with a little noise, on the 8-bit lattice."""
    random = generator(2)
    blocks = torch.rand(count, 3, 4, 4, generator=random, dtype=torch.float64)
    images = blocks.repeat_interleave(SIDE // 4, 2).repeat_interleave(SIDE // 4, 3)
    images = images + 0.03 * torch.randn(images.shape, generator=random, dtype=torch.float64)
    return (low + (high - low) * images.clamp(0, 1)).mul(255).round().div(255).to(dtype)


def right_half(classifier, images, classes=None):
    maps = torch.zeros(len(images), SIDE, SIDE, dtype=images.dtype)
    maps[..., SIDE // 2 :] = 1
    return maps


def published(classifier, images, labels, labels_of, mask, delta, steps, momentum=None, pooling="sum"):
    """SAI-FGM as its program writes it, from n = 0, in plain autograd on one value per region and channel."""
    eps = delta / 255 * images[0].numel() ** 0.5
    members = torch.nn.functional.one_hot(labels_of.flatten(1)).to(images.dtype)
    noise = torch.zeros(len(images), 3, members.shape[2], dtype=images.dtype)
    total = torch.zeros_like(noise)
    for step in range(steps + 1):
        noise.requires_grad_(True)
        filled = (noise @ members.mT).reshape(images.shape)
        cropped = mask * filled
        made = filled if step == 0 else eps * cropped / norm(cropped)[:, None, None, None]
        adversarial = images + made
        if step == steps:
            return adversarial.detach()
        logits = classifier(adversarial)
        own = logits.gather(1, labels[:, None])[:, 0]
        others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
        (gradient,) = torch.autograd.grad((own - others).sum(), noise)
        if pooling == "mean":
            gradient = gradient / members.sum(1, keepdim=True).clamp_min(1)
        if momentum is not None:
            total = momentum * total + gradient / gradient.abs().sum((1, 2), keepdim=True)
            gradient = total
        length = norm(mask * (gradient @ members.mT).reshape(images.shape))[:, None, None]
        noise = noise.detach() - eps / steps * gradient / length
    return None


@pytest.mark.parametrize(
    ("attack", "how"),
    [
        (sa_fgm, {"steps": 1}),
        (functools.partial(sai_fgm, steps=5, random_start=False), {"steps": 5}),
        (functools.partial(sai_fgm, steps=5, random_start=False, gradient="mean"), MEAN),
        (functools.partial(m_sai_fgm, steps=5, random_start=False, decay=0.7), {"steps": 5, "momentum": 0.7}),
    ],
    ids=["sa_fgm", "sai_fgm", "mean", "m_sai_fgm"],
)
def test_iterates_are_those_of_the_papers_program(attack, how):
    classifier, images = pooled_net(), scenes()
    labels = classifier(images).argmax(1)
    regions, mask = superpixels(images, size=4.0).labels, right_half(classifier, images)[:, None]
    expected = published(classifier, images, labels, regions, mask, delta=12.0, **how)
    made = attack(delta=12.0, size=4.0, attention=right_half)
    outcome = made(classifier, images, labels, lattice=None)
    assert outcome.success.any()
    fooled = classifier(expected).argmax(1) != labels
    assert fooled[outcome.success].any()
    torch.testing.assert_close(outcome.images[fooled], expected[fooled], atol=1e-9, rtol=0)


@pytest.mark.parametrize("lattice", [None, 255])
def test_a_perturbation_is_one_value_a_region_where_the_model_looks_and_as_long_as_asked(lattice):
    classifier, images = pooled_net(), scenes()
    labels = classifier(images).argmax(1)
    outcome = sai_fgm(delta=12.0, size=4.0, attention=right_half)(classifier, images, labels, lattice=lattice)
    assert outcome.success.all()
    delta, regions = outcome.images - images, superpixels(images, size=4.0).labels
    assert not delta[..., : SIDE // 2].any()
    for change, region in zip(delta, regions, strict=True):
        for each in region[:, SIDE // 2 :].unique():
            values = change[:, region == each]
            values = values[:, (region == each).nonzero()[:, 1] >= SIDE // 2]
            assert (values - values[:, :1]).abs().max() < 1e-9
    length = norm(delta) * 255 / images[0].numel() ** 0.5
    low, high = (12 - 1e-9, 12 + 1e-9) if lattice is None else (11.6, 12 + 1e-6)
    assert ((low <= length) & (length <= high)).all(), length


def test_a_random_start_is_half_the_budget_up_or_down_in_every_region():
    images = scenes()
    perturbation = sai_fgm(delta=12.0, size=4.0, attention=None).search.compositions[0].perturbation
    problem = problem_of(images)
    bound = perturbation.bind(problem)
    start = bound.sample(problem, 0)
    assert torch.allclose(start.abs(), torch.tensor(6 / 255, dtype=torch.float64))
    assert (start > 0).any()
    assert (start < 0).any()
    alone = perturbation.bind(problem.select(torch.tensor([1]))).sample(problem.select(torch.tensor([1])), 0)
    assert torch.equal(start[1:2, :, : alone.shape[2]], alone)


@given(st.integers(0, 2**31), st.sampled_from(["sum", "mean", "max"]))
def test_gradients_are_pooled_over_regions(seed, pooling):
    images = scenes(2)
    bound = Template(size=5.0, pooling=pooling).bind(problem_of(images))
    random = generator(seed)
    noise = torch.randn(bound.invert(images).shape, generator=random, dtype=torch.float64).requires_grad_()
    weights = torch.randn(images.shape, generator=random, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((bound(noise) * weights).sum(), noise)
    regions = superpixels(images, size=5.0)
    for row, count in enumerate(regions.counts.tolist()):
        for each in range(count):
            values = weights[row][:, regions.labels[row] == each]
            expected = {
                "sum": values.sum(1),
                "mean": values.mean(1),
                "max": values.gather(1, values.abs().argmax(1, keepdim=True))[:, 0],
            }[pooling]
            torch.testing.assert_close(gradient[row, :, each, 0], expected)
        assert not gradient[row, :, count:].any()


def test_a_template_makes_back_what_it_was_made_of_also_behind_a_mask_and_a_bound():
    images = scenes(2)
    bound = Template(size=5.0).bind(problem_of(images))
    noise = 0.1 * torch.randn(bound.invert(images).shape, generator=generator(3), dtype=torch.float64)
    noise[0, :, int(bound.labels[0].max()) + 1 :] = 0
    noise[1, :, int(bound.labels[1].max()) + 1 :] = 0
    cut = bound(noise) * (torch.arange(SIDE) % 2)
    assert torch.allclose(bound.invert(bound(noise)), noise)
    assert torch.allclose(bound.invert(cut), noise)


def test_nothing_stays_nothing_whatever_length_is_asked_for():
    images = scenes(2)
    exact = ExactLength(0.1).bind(problem_of(images))
    delta = torch.zeros_like(images).requires_grad_()
    made = exact(delta)
    assert not made.any()
    (gradient,) = torch.autograd.grad(made.sum(), delta)
    assert gradient.isfinite().all()


def test_a_change_of_the_length_asked_for_is_made_of_itself():
    images = scenes(2)
    exact = ExactLength(0.1).bind(problem_of(images))
    made = exact(torch.randn(images.shape, generator=generator(3), dtype=images.dtype))
    torch.testing.assert_close(exact(exact.invert(made)), made)


def test_what_is_no_perturbation_has_no_length():
    with pytest.raises(UsageError, match=r"UnitChange measures .* SigmoidBox is not additive"):
        Composition(objective=Margin(), perturbation=SigmoidBox(), rule=(UnitChange(),), steps=1)


def test_what_mixes_values_has_no_diagonal():
    with pytest.raises(UsageError, match=r"Precondition divides by a diagonal, .* mixes values"):
        Composition(
            objective=Margin(),
            perturbation=Additive((Template(), GraphSmooth(Smoothing()))),
            rule=(Precondition(SsimTensor.at), Scale(0.1)),
            steps=1,
        )


def test_a_perturbation_that_draws_its_own_start_needs_no_constraint_that_can():
    classifier, images = pooled_net(), scenes()
    parts = Composition(
        objective=Margin(),
        perturbation=Additive((Template(size=4.0),), noise=0.02),
        rule=(UnitChange(), Scale(0.2)),
        steps=10,
        random_start=True,
    )
    outcome = Attack("own start", InTurn((parts,)))(classifier, images, classifier(images).argmax(1))
    assert outcome.success.all()
    assert (outcome.images != images).flatten(1).any(1).all()


@pytest.mark.filterwarnings("ignore:.*On .* the mask says nothing:limen.errors.LimenWarning")
def test_the_passes_that_attention_takes_are_counted():
    classifier, images = pooled_net(torch.float32), scenes(dtype=torch.float32)
    labels = classifier(images).argmax(1)
    attacks = {name: sa_fgm(delta=20.0, attention=name) for name in (None, "cam", "gradcam")}
    made = {name: attack(classifier, images, labels) for name, attack in attacks.items()}
    passes = {name: (int(each.forwards[0]), int(each.backwards[0])) for name, each in made.items()}
    assert passes == {None: (2, 1), "cam": (3, 1), "gradcam": (3, 2)}


def test_attention_that_is_flat_leaves_the_whole_image_and_is_told_of():
    classifier, images = pooled_net(torch.float32), scenes(dtype=torch.float32)
    labels = classifier(images).argmax(1)

    def flat(classifier, images, classes=None):
        maps = right_half(classifier, images)
        maps[0] = 0
        return maps

    with pytest.warns(LimenWarning, match="On 1 of 3 images the mask says nothing"):
        outcome = sai_fgm(delta=20.0, attention=flat)(classifier, images, labels)
    changed = (outcome.images != images)[..., : SIDE // 2].flatten(1).any(1)
    assert changed.tolist() == outcome.unmasked.tolist() == [True, False, False]


def test_a_spec_names_attention_with_options_and_a_run_makes_it_again(tmp_path):
    made = catalog.attack("sai_fgm:attention=cam:relu=false,,enlarge=nearest,delta=8")
    assert made.identity.parameters["attention"] == "cam:relu=false,enlarge=nearest"
    assert catalog.ATTACKS.restore(made.identity).identity == made.identity
    method = made.search.compositions[0].perturbation.later[0].mask.method
    classifier, images = pooled_net(torch.float32), scenes(dtype=torch.float32)
    assert torch.equal(method(classifier, images), cam(classifier, images, relu=False, enlarge="nearest"))
    for wrong, message in {"camm": "did you mean 'cam'", "cam:rellu=true": "did you mean 'relu'"}.items():
        with pytest.raises(UsageError, match=message):
            catalog.attack(f"sai_fgm:attention={wrong}")
    (tmp_path / "mine.py").write_text(
        "def mine(classifier, images, classes, power: float = 1.0):\n    return images.mean(1) ** power\n"
    )
    own = catalog.attack(f"superpixel_ddn:attention=python:{tmp_path / 'mine.py'}:mine,,power=2,steps=3")
    assert "power=2" in own.identity.parameters["attention"]
    assert catalog.attack("sai_fgm:attention=none").identity.parameters["attention"] is None


def test_the_least_superpixel_perturbation_is_longer_than_the_least_and_shorter_than_a_budget():
    classifier, images = pooled_net(), scenes()
    labels = classifier(images).argmax(1)
    free, bound = (
        superpixel_ddn(steps=60, size=6.0, superpixels=method)(classifier, images, labels, lattice=None)
        for method in (None, "slic")
    )
    assert free.success.all()
    assert bound.success.all()
    assert (norm(free.images - images) < norm(bound.images - images)).all()

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from limen import Classifier
from limen.attacks import Outcome, dual_perturbation, fgsm, ifgsm, pgd_linf
from limen.errors import LimenError, UsageError
from limen.images import norm
from limen.training import (
    OBJECTIVES,
    WRM,
    Adversarial,
    CrossEntropy,
    GaussianNoise,
    GroupDRO,
    Learning,
    Lesson,
    StepLeastLikely,
    Team,
)

from .networks import fresh


def a_lesson(count: int = 8, seed: int = 3, first: int = 0) -> Lesson:
    """Grey noise, whose images and ids are those of their places in a greater whole."""
    images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))[first : first + count]
    rows = torch.arange(first, first + count)
    return Lesson(
        ids=tuple(f"image {row}" for row in rows.tolist()),
        indices=tuple(rows.tolist()),
        images=images,
        labels=rows % 10,
        targets=None,
        weights=torch.ones(count),
        places=rows,
        whole=64,
        seed=seed,
    )


class Watched:
    """A learner that keeps what it is shown; of the same random numbers, where dropout draws some."""

    def __init__(self, classifier: Classifier | None = None) -> None:
        self.classifier, self.shown, self.modes = fresh() if classifier is None else classifier, [], []
        self.classifier.module.eval()

    def __call__(self, images):
        self.shown.append(images)
        return self.classifier.module(images)

    def under_attack(self, mode="eval"):
        self.modes.append(mode)
        return self.classifier

    def total(self, values):
        return values


def test_the_cross_entropy_is_torchs_one_per_sample():
    learner, lesson = Watched(), a_lesson()
    losses = CrossEntropy()(learner, lesson)
    expected = cross_entropy(learner.classifier.module(lesson.images), lesson.labels, reduction="none")
    torch.testing.assert_close(losses, expected)
    smoothed = CrossEntropy(0.1)(learner, lesson)
    chances = learner.classifier.module(lesson.images).log_softmax(1)
    torch.testing.assert_close(smoothed, 0.9 * expected - 0.1 * chances.mean(1))


def test_all_images_are_trained_where_the_attack_takes_them_though_none_is_fooled():
    learner, lesson = Watched(), a_lesson()
    attack = ifgsm(eps=1e-3, steps=2)
    losses = Adversarial(attack)(learner, lesson)
    (shown,) = learner.shown
    moved = norm(shown - lesson.images, torch.inf)
    assert bool((moved > 0.9e-3).all())
    assert bool((moved < 1.1e-3).all())
    direct = attack.perturb(learner.classifier, lesson.images, lesson.labels)
    torch.testing.assert_close(shown, direct)
    torch.testing.assert_close(
        losses, cross_entropy(learner.classifier.module(shown), lesson.labels, reduction="none")
    )


@pytest.mark.parametrize("share", [0.125, 0.3, 0.5, 0.75])
def test_a_share_of_the_whole_batch_is_attacked_whichever_part_a_process_takes(share):
    objective, attacked = Adversarial(fgsm(eps=0.01), share=share), 0
    for first in range(0, 64, 16):
        learner, lesson = Watched(), a_lesson(16, first=first)
        objective(learner, lesson)
        attacked += int((norm(learner.shown[0] - lesson.images) > 0).sum())
    assert attacked == int(64 * share)


def test_a_mixed_batch_weighs_its_attacked_images_as_kurakin_et_al_do():
    learner, lesson, weight = Watched(), a_lesson(16), 0.3
    losses = Adversarial(fgsm(eps=0.1), share=0.5, weight=weight)(learner, lesson)
    (shown,) = learner.shown
    attacked = norm(shown - lesson.images) > 0
    assert int(attacked.sum()) == 8
    plain = cross_entropy(learner.classifier.module(shown), lesson.labels, reduction="none")
    # Equation 1: (sum over clean + weight * sum over attacked) / (8 + weight * 8).
    expected = (plain[~attacked].sum() + weight * plain[attacked].sum()) / (8 + weight * 8)
    torch.testing.assert_close(losses.mean(), expected)


def test_random_starts_come_from_the_epochs_seed_and_the_ids():
    shown = []
    for seed, count, first in ((3, 8, 0), (3, 4, 4), (4, 8, 0)):
        learner = Watched()
        Adversarial(pgd_linf(eps=0.1, steps=1))(learner, a_lesson(count, seed, first))
        shown.append(learner.shown[0])
    torch.testing.assert_close(shown[0][4:], shown[1], rtol=0, atol=1e-6)
    assert not torch.allclose(shown[0], shown[2], atol=0.01)


def test_the_mode_under_attack_is_a_choice():
    learner = Watched()
    Adversarial(fgsm())(learner, a_lesson())
    Adversarial(fgsm(), mode="train")(learner, a_lesson())
    assert learner.modes == ["eval", "train"]


class Modes(nn.Module):
    """A network that notes the mode of its dropout, and whether its batch norm sees the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = []
        self.norm, self.drop, self.head = nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Linear(784, 10)

    def forward(self, images):
        self.seen.append((self.training, self.norm.training, self.drop.training))
        return self.head(self.drop(self.norm(images).flatten(1)))


@pytest.mark.parametrize(("mode", "during"), [("eval", False), ("train", True)])
def test_the_network_is_attacked_in_the_mode_asked_for_and_left_as_it_was(mode, during):
    network, lesson = Modes(), a_lesson()
    learning = Learning(Classifier(network), Team(), torch.optim.SGD(network.parameters(), lr=0.1))
    with learning.training():
        before = torch.get_rng_state()
        running = network.norm.running_mean.clone()
        fgsm(eps=0.1).perturb(learning.under_attack(mode), lesson.images, lesson.labels)
        assert network.seen == [(during,) * 3]
        assert network.training
        assert network.drop.training
        assert torch.equal(before, torch.get_rng_state())
        assert torch.equal(running, network.norm.running_mean) is not during
        assert all(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
    assert not network.drop.training


def test_steps_towards_the_least_likely_class_have_lengths_of_a_cut_normal_distribution():
    lesson = replace(a_lesson(1), ids=tuple(map(str, range(20_000))), images=torch.zeros(20_000, 1, 1, 1))
    lengths = StepLeastLikely(eps=1.0).lengths(lesson)
    assert float(lengths.min()) >= 0
    assert float(lengths.max()) <= 1
    # |z| of a normal distribution of deviation 1/2, cut at 1: its mean and share below 1/2 in closed form.
    density = math.sqrt(2 / math.pi) / math.erf(math.sqrt(2)) / 2
    assert float(lengths.mean()) == pytest.approx(density * (1 - math.exp(-2)), abs=0.005)
    below = math.erf(1 / math.sqrt(2)) / math.erf(math.sqrt(2))
    assert float((lengths < 0.5).float().mean()) == pytest.approx(below, abs=0.01)


def test_a_step_towards_the_least_likely_class_makes_it_likelier_and_is_one_signed_step():
    learner, lesson = Watched(), a_lesson(16)
    objective = StepLeastLikely(eps=0.1)
    objective(learner, lesson)
    (shown,) = learner.shown
    rows = lesson.chosen(0.5)
    assert rows.tolist() == list(range(1, 16, 2))
    module = learner.classifier.module
    images = lesson.images[rows].clone().requires_grad_()
    least = module(images).argmin(1)
    (gradient,) = torch.autograd.grad(cross_entropy(module(images), least, reduction="sum"), images)
    lengths = objective.lengths(lesson)[rows].view(-1, 1, 1, 1)
    by_hand = (images - lengths * gradient.sign()).clamp(0, 1).detach()
    torch.testing.assert_close(shown[rows], by_hand, rtol=0, atol=1e-6)
    clean = lesson.chosen(1.0)[::2]
    assert torch.equal(shown[clean], lesson.images[clean])


def test_noise_has_the_deviation_asked_for_is_not_clipped_and_belongs_to_the_sample():
    learner, lesson = Watched(), a_lesson(32)
    GaussianNoise(sigma=0.5)(learner, lesson)
    noise = learner.shown[0] - lesson.images
    assert float(noise.std()) == pytest.approx(0.5, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(learner.shown[0].min()) < -0.5
    part = Watched()
    GaussianNoise(sigma=0.5)(part, a_lesson(8, first=24))
    torch.testing.assert_close(part.shown[0], learner.shown[0][24:])
    later = Watched()
    GaussianNoise(sigma=0.5)(later, a_lesson(32, seed=4))
    assert not torch.allclose(later.shown[0], learner.shown[0], atol=0.1)


def test_every_objective_has_a_spec():
    made = {
        "cross_entropy:smoothing=0.1": CrossEntropy(0.1),
        "step_ll:eps=8/255,share=1": StepLeastLikely(8 / 255, 1.0),
        "noise:sigma=0.5": GaussianNoise(0.5),
        "group_dro:step_size=0.1,adjustment=2,by=both": GroupDRO(0.1, 2.0, "both"),
        "wrm:strength=0.5,steps=5": WRM(0.5, 5),
    }
    for spec, expected in made.items():
        named = OBJECTIVES.make(spec)
        assert named.function == expected
        assert named.identity.label == spec
    nested = OBJECTIVES.make("adversarial:attack=pgd_linf:eps=8/255,,steps=3,share=0.5,mode=train")
    assert nested.function.attack.identity.label == "pgd_linf:eps=8/255,steps=3"
    assert nested.function.share == 0.5
    assert nested.function.mode == "train"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("adverserial", "did you mean 'adversarial'"),
        ("adversarial", "attack is missing"),
        ("adversarial:attack=pgd_linff", "did you mean 'pgd_linf'"),
        ("adversarial:attack=fgsm,share=0", "share is 0.0; expected more than 0, and at most 1"),
        ("step_ll:share=1.5", "share is 1.5; expected more than 0, and at most 1"),
        ("adversarial:attack=fgsm,weight=0", "weight is 0"),
        ("noise:sigma=-1", "sigma is -1"),
        ("step_ll:eps=2", "eps is 2"),
        ("cross_entropy:smoothing=1.5", "smoothing is 1.5"),
    ],
)
def test_a_spec_that_cannot_be_followed_is_one_clear_error(spec, message):
    with pytest.raises(UsageError, match=message):
        OBJECTIVES.make(spec)


def test_an_objective_and_an_attack_of_ones_own_come_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch.nn.functional import cross_entropy\n"
        "def doubled(times: float = 2.0):\n"
        "    def objective(learner, lesson):\n"
        "        return times * cross_entropy(learner(lesson.images), lesson.labels, reduction='none')\n"
        "    return objective\n"
        "def nothing():\n"
        "    return None\n"
    )
    learner, lesson = Watched(), a_lesson()
    mine = OBJECTIVES.make(f"python:{file}:doubled,times=3")
    torch.testing.assert_close(mine(learner, lesson), 3 * CrossEntropy()(learner, lesson))
    assert mine.identity.label.endswith("mine.py:doubled,times=3")
    with pytest.raises(LimenError, match="returned NoneType; it must return an objective"):
        OBJECTIVES.make(f"python:{file}:nothing")


def test_an_attack_is_given_the_foregrounds_of_the_data():
    lesson = a_lesson()
    masks = torch.zeros(8, 1, 28, 28, dtype=torch.bool)
    masks[:, :, :14] = True
    attack = dual_perturbation(eps_foreground=0.0, eps_background=3.0, mask="data", salience=0.0, steps=2)
    learner = Watched()
    Adversarial(attack, share=0.5)(learner, replace(lesson, masks=masks))
    moved = (learner.shown[0] - lesson.images).abs().amax((1, 3))
    assert bool((moved[:, :14] == 0).all())
    assert bool((moved[1::2, 14:] > 0).any(1).all())
    assert bool((moved[0::2] == 0).all())


def test_an_attack_that_is_a_plain_function_is_trained_on_what_it_returns():
    def brighten(classifier, images, labels, *, targeted=False, ids=None, seed=0, lattice=255):
        assert lattice is None
        ones = torch.ones_like(labels)
        return Outcome((images + 0.1).clamp(0, 1), ones > 0, labels, *[ones] * 5)

    learner, lesson = Watched(), a_lesson()
    Adversarial(brighten)(learner, lesson)
    torch.testing.assert_close(learner.shown[0], (lesson.images + 0.1).clamp(0, 1))


def test_the_state_of_a_named_objective_is_that_of_the_objective_itself():
    first, second = (OBJECTIVES.make("group_dro:by=label") for _ in range(2))
    state = {"weights": torch.tensor([0.25, 0.75])}
    first.load_state_dict(state)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.function.state_dict()["weights"], state["weights"])
    plain = OBJECTIVES.make("cross_entropy")
    plain.load_state_dict(state)
    assert plain.state_dict() == {}

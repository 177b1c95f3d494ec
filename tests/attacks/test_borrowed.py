"""Functions of a user's own that make images: measured as Limen's attacks are, whatever they do."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from limen import Classifier, catalog
from limen.attacks import Outcome, fgsm, from_function, ifgsm
from limen.catalog import ATTACKS
from limen.defenses import Defended, bit_depth
from limen.errors import LimenError, LimenWarning, UsageError
from limen.evaluation.adaptive_attack import AdaptiveAttack
from limen.images import norm, quantize

from .networks import photos, smooth_mlp, task

LEVELS = 15 / 255


def gradient(model, images, labels):
    images = images.requires_grad_()
    (found,) = torch.autograd.grad(cross_entropy(model(images), labels, reduction="sum"), images)
    return found


def signed(model, images, labels, eps: float = LEVELS, targeted: bool = False):
    """One signed step."""
    step = -eps if targeted else eps
    return (images.detach() + step * gradient(model, images, labels).sign()).clamp(0, 1)


signed.norm = "linf"


def straight(model, images, labels, eps: float = 1.0, norm: str = "l2"):
    """One step along the gradient, to just the budget."""
    move = gradient(model, images, labels)
    return images.detach() + eps * move / move.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def noisy(model, images, labels, eps: float = 0.2):
    """Noise of all three generators."""
    drawn = torch.from_numpy(np.random.rand(*images.shape))  # noqa: NPY002
    image = drawn + torch.rand(images.shape) + random.random()
    return (images + eps * (image - 1.5)).clamp(0, 1)


@pytest.fixture
def problem():
    return task(smooth_mlp(), photos(6))


def attacked(problem, function, **call) -> Outcome:
    return from_function(function)()(
        problem.classifier, problem.images, problem.labels, problem.targeted, **call
    )


@pytest.mark.parametrize("lattice", [255, None])
def test_a_function_that_does_what_an_attack_does_has_its_outcome(targeted, lattice):
    problem = task(smooth_mlp(), photos(6), targeted)
    mine = attacked(problem, signed, lattice=lattice)
    limens = fgsm(eps=LEVELS)(problem.classifier, problem.images, problem.labels, targeted, lattice=lattice)
    assert mine.success.any()
    assert torch.equal(mine.success, limens.success)
    torch.testing.assert_close(mine.images, limens.images, rtol=0, atol=1e-7)
    assert torch.equal(mine.predictions, limens.predictions)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.rows, self.seen = smooth_mlp(), 0, []

    def forward(self, images):
        self.rows += len(images)
        return self.inner(images)


def test_passes_are_those_that_the_network_saw(problem):
    problem = task(Counting(), photos(6))
    network = problem.classifier.module
    network.rows = 0
    outcome = attacked(problem, signed)
    assert outcome.forwards.tolist() == [3] * 6  # the original, the step's, and the look at what is stored
    assert outcome.backwards.tolist() == outcome.steps.tolist() == [1] * 6
    assert network.rows == 18


def test_passes_of_a_part_of_the_batch_are_spread_evenly():
    problem = task(Counting(), photos(5))

    def shrinking(model, images, labels):
        for rows in (5, 3, 1):
            gradient(model, images[:rows].clone(), labels[:rows])
        model(images[:4])
        return images

    problem.classifier.module.rows = 0
    outcome = attacked(problem, shrinking)
    assert outcome.forwards.tolist() == [2 + 3, 2 + 3, 2 + 3, 2 + 2, 2 + 2]
    assert outcome.backwards.tolist() == [2, 2, 2, 2, 1]
    assert int(outcome.forwards.sum()) == problem.classifier.module.rows


def test_what_is_wrong_already_is_settled_and_not_shown_to_the_function(problem):
    labels, seen = problem.labels.clone(), []
    labels[[1, 4]] = (labels[[1, 4]] + 1) % 3

    def watching(model, images, labels):
        seen.append((images.clone(), labels.clone()))
        return images

    outcome = from_function(watching)()(problem.classifier, problem.images, labels)
    rest = [0, 2, 3, 5]
    assert torch.equal(seen[0][0], problem.images[rest])
    assert torch.equal(seen[0][1], labels[rest])
    assert outcome.success.tolist() == [False, True, False, False, True, False]
    assert outcome.forwards.tolist() == [2, 1, 2, 2, 1, 2]
    assert torch.equal(outcome.images, problem.images)


def test_one_that_does_nothing_fails_and_gives_the_originals_back(problem):
    outcome = attacked(problem, lambda model, images, labels: images)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)
    assert torch.equal(outcome.predictions, problem.labels)


SHAPE = re.escape(str((6, 3, 12, 12)))
WANTED = f"it must return the images, floats in \\[0, 1\\] of shape {SHAPE}"


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda images: images[:, :, :-1], f"hostile returned shape \\(6, 3, 11, 12\\); {WANTED}"),
        (lambda images: images[:3], f"hostile returned shape \\(3, 3, 12, 12\\); {WANTED}"),
        (lambda images: list(images), f"hostile returned list; {WANTED}"),
        (lambda images: None, f"hostile returned NoneType; {WANTED}"),
        (lambda images: (images * 255).byte(), f"hostile returned torch.uint8; {WANTED}"),
        (lambda images: images.numpy() > 0, f"hostile returned bool; {WANTED}"),
        (lambda images: 1 / 0, "hostile raised ZeroDivisionError: division by zero"),
        (lambda images: images @ images[:, :, :5], "hostile raised RuntimeError: .*"),
        (lambda images: exit(3), "hostile raised SystemExit: 3"),
    ],
    ids=["height", "count", "list", "none", "bytes", "bools", "raises", "torch-raises", "exits"],
)
def test_what_is_no_batch_of_images_is_one_line(problem, returned, said):
    def hostile(model, images, labels):
        return returned(images)

    with pytest.raises(LimenError) as told:
        attacked(problem, hostile)
    assert re.fullmatch(said, str(told.value)), str(told.value)


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), 255.0, -0.5])
def test_images_that_are_none_count_as_failures_and_are_said(problem, spoilt):
    def spoiling(model, images, labels):
        found = signed(model, images, labels)
        found[2, 0, 3, 3] = spoilt
        return found

    sound = attacked(problem, signed)
    with pytest.warns(LimenWarning, match=r"spoiling: 1 of 6 images came back with NaN, or with values outs"):
        outcome = attacked(problem, spoiling)
    assert not outcome.success[2]
    assert torch.equal(outcome.images[2], problem.images[2])
    others = [0, 1, 3, 4, 5]
    assert torch.equal(outcome.images[others], sound.images[others])


def test_arguments_that_are_changed_in_place_and_arrays_do_no_harm(problem):
    given = problem.images.clone(), problem.labels.clone()

    def in_place(model, images, labels):
        found = signed(model, images.clone(), labels.clone())
        labels.zero_()
        return images.copy_(found)

    outcome = attacked(problem, in_place)
    assert torch.equal(problem.images, given[0])
    assert torch.equal(problem.labels, given[1])
    assert torch.equal(outcome.images, attacked(problem, signed).images)
    array = attacked(problem, lambda model, images, labels: signed(model, images, labels).numpy())
    assert torch.equal(array.images, outcome.images)


def generator_of_numpy() -> list[int]:
    return np.random.get_state()[1].tolist()  # noqa: NPY002


def test_modes_gradients_and_generators_are_left_as_they_were(problem):
    network = problem.classifier.module
    network.train()
    network[1].weight.requires_grad_(False)
    before = torch.get_rng_state(), generator_of_numpy(), random.getstate()

    def meddling(model, images, labels):
        model.train()
        for weight in model.parameters():
            weight.requires_grad_(True)
        torch.manual_seed(3)
        noisy(model, images, labels)
        cross_entropy(model(images), labels).backward()
        return images

    attacked(problem, meddling)
    assert network.training
    assert network[2].training
    assert [weight.requires_grad for weight in network.parameters()] == [False, True, True, True]
    assert all(weight.grad is None for weight in network.parameters())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert generator_of_numpy() == before[1]
    assert random.getstate() == before[2]

    def failing(model, images, labels):
        meddling(model, images, labels)
        raise ValueError("no")

    with pytest.raises(LimenError, match="failing raised ValueError: no"):
        attacked(problem, failing)
    assert network.training
    assert random.getstate() == before[2]


def test_random_numbers_come_from_the_seed_and_the_ids(problem):
    first = attacked(problem, noisy, lattice=None).images
    assert torch.equal(attacked(problem, noisy, lattice=None).images, first)
    for other in ({"seed": 1}, {"ids": [*"abcdef"]}):
        assert not torch.equal(attacked(problem, noisy, lattice=None, **other).images, first)
    told = []

    def seeded(model, images, labels, seed):
        told.append(seed)
        return images

    for seed in (0, 0, 1):
        attacked(problem, seeded, seed=seed)
    assert told[0] == told[1] != told[2]


def test_a_budget_is_kept_by_rounding_and_what_breaks_it_is_no_success(problem):
    # Rounding to the nearest would lead out of the ball: gradients are dense.
    rounded = quantize(straight(problem.classifier, problem.images.clone(), problem.labels))
    assert (norm(rounded - problem.images) > 1).any()
    outcome = attacked(problem, straight)
    assert outcome.success.all()
    assert (norm(outcome.images - problem.images) <= 1 + 1e-6).all()
    assert torch.equal(outcome.images, quantize(outcome.images))

    def further(model, images, labels, eps: float = 1.0):
        return straight(model, images, labels, eps * 1.1).clamp(0, 1)

    assert attacked(problem, further).success.all()  # of which norm its budget is, nobody said
    further.norm = "l2"
    with pytest.warns(LimenWarning, match="further: 6 of 6 images fooled the model from outside the"):
        outcome = attacked(problem, further)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)


@pytest.mark.parametrize(
    ("norm_name", "eps", "order"), [("linf", 10.6 / 255, torch.inf), ("l1", 20.0, 1), ("l0", 30, 0)]
)
def test_what_lies_in_a_ball_is_stored_in_it(problem, norm_name, eps, order):
    def at_the_edge(model, images, labels, eps: float = eps, norm: str = norm_name):
        move = gradient(model, images, labels).flatten(1)
        if order == 0:
            kept = torch.zeros_like(move).scatter(1, move.abs().topk(int(eps)).indices, 1.0)
            moved = images.detach() + (0.3 * kept * move.sign()).view_as(images)
            return moved.clamp(0, 1)
        unit = move.sign() if order == torch.inf else move / move.abs().sum(1, keepdim=True)
        return images.detach() + eps * unit.view_as(images)

    outcome = attacked(problem, at_the_edge)
    assert outcome.success.any()
    assert (norm(outcome.images - problem.images, order) <= eps * (1 + 1e-5)).all()


def test_targets_are_told_or_refused_with_the_cure():
    problem = task(smooth_mlp(), photos(3), targeted=True)
    with pytest.raises(UsageError) as told:
        attacked(problem, straight)
    assert str(told.value) == (
        "straight knows of no targets; give it a parameter targeted, which says that labels are those"
    )


def test_budgets_per_sample_are_asked_for_apart_and_give_what_each_gives_alone(problem):
    budgets = torch.tensor([2, 30, 2, 30, 15, 15]) / 255
    outcome = from_function(signed)(eps=budgets)(problem.classifier, problem.images, problem.labels)
    for row, eps in enumerate(budgets.tolist()):
        alone = from_function(signed)(eps=eps)(
            problem.classifier, problem.images[row : row + 1], problem.labels[row : row + 1], ids=[row]
        )
        assert torch.equal(alone.images[0], outcome.images[row])
    assert outcome.forwards.tolist() == [3] * 6
    with pytest.raises(UsageError, match="eps has shape"):
        from_function(signed)(eps=budgets[:2])(problem.classifier, problem.images, problem.labels)


def test_training_is_given_where_it_takes_all_images(problem):
    wrong = (problem.labels + 1) % 3
    call = (problem.classifier, problem.images, wrong)
    expected = ifgsm(eps=LEVELS, steps=1).perturb(*call)
    torch.testing.assert_close(from_function(signed)().perturb(*call), expected, rtol=0, atol=1e-6)


def test_an_adaptive_attack_takes_one_through_a_defence_as_it_takes_limens(problem):
    mine, limens = (
        AdaptiveAttack(attack)(Defended(problem.classifier, bit_depth), problem.images, problem.labels)
        for attack in (from_function(signed)(eps=0.2), fgsm(eps=0.2))
    )
    assert limens.success.any()
    assert torch.equal(mine.success, limens.success)
    torch.testing.assert_close(mine.images, limens.images, rtol=0, atol=1e-7)


def test_a_failure_of_the_model_is_the_models(problem):
    class Broken(nn.Module):
        def forward(self, images):
            if len(images) == 1:
                raise RuntimeError("out of paper")
            return images.flatten(1)[:, :3]

    with pytest.raises(
        LimenError, match=r"the model raised RuntimeError on images of shape .*: out of paper"
    ):
        from_function(lambda model, images, labels: model(images[:1]))()(
            Classifier(Broken(), ask=False), problem.images
        )


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text(
        "import limen\n"
        "def nudge(model, images, labels, eps: float = 0.1, steps: int = 3):\n"
        "    'All values raised.'\n"
        "    return (images + eps).clamp(0, 1)\n"
        "nudge.norm = 'linf'\n"
        "def plain(model, x, y): return x\n"
        "def closed(by: float = 0.5):\n"
        "    def lift(model, images, labels): return images * by\n"
        "    return lift\n"
        "def made(eps: float = 0.1): return limen.attacks.fgsm(eps=eps)\n"
        "def crooked(model, images, labels): return images\n"
        "crooked.budget = 'eps'\n"
    )
    return file


def test_a_spec_names_a_function_by_its_file_with_its_parameters(mine, problem):
    attack = catalog.attack("python:mine.py:nudge,eps=0.2")
    assert attack.identity.label == "python:mine.py:nudge,eps=1/5" or attack.identity.parameters["eps"] == 0.2
    assert attack.identity.parameters == {"eps": 0.2, "steps": 3}
    assert attack.identity.budget == "eps"
    assert attack.identity.code is not None
    assert ATTACKS.restore(attack.identity).identity == attack.identity
    grid = catalog.attack_or_grid("python:mine.py:nudge,eps=0.1,0.2")
    outcome = grid.attack([0, 1, 1, 0, 0, 1])(problem.classifier, problem.images, problem.labels)
    assert outcome.images.shape == problem.images.shape
    assert isinstance(catalog.attack("python:mine.py:plain"), type(attack))
    closed = catalog.attack("python:mine.py:closed,by=0")
    assert closed.identity.parameters == {"by": 0}
    assert closed.perturb(problem.classifier, problem.images).unique().tolist() == [0]
    made = catalog.attack("python:mine.py:made,eps=0.3")
    assert made(problem.classifier, problem.images, problem.labels).success.any()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("python:mine.py:nudge,epz=1", "unknown parameter 'epz'; did you mean 'eps'? Known: eps, steps"),
        ("python:mine.py:nudge,steps=x", "steps must be int, not 'x'"),
        ("python:mine.py:nudge,model=x", "unknown parameter 'model'"),
        ("python:mine.py:nudge,eps=-1", "eps is -1.0; expected 0 or more, and finite"),
        ("python:mine.py:crooked", "crooked has no parameter 'eps' to be its budget"),
    ],
)
def test_a_wrong_spec_of_a_function_is_one_line(mine, spec, said):
    with pytest.raises(UsageError) as told:
        catalog.attack(spec)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_what_a_function_is_in_python_is_told_by_its_module_and_code():
    identity = from_function(straight)(eps=0.5).identity
    assert identity.name == f"{__name__}:straight"
    assert identity.parameters == {"eps": 0.5, "norm": "l2"}
    assert identity.budget == "eps"
    assert identity.code == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert from_function(signed)().identity.parameters == {"eps": LEVELS}
    with pytest.raises(UsageError, match="cannot be told apart from others"):
        from_function(lambda model, images, labels: images)().identity  # noqa: B018

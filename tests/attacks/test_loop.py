from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn

from limen import Classifier
from limen.attacks import Attack
from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, L0Ball, LinfBall
from limen.attacks.direction import Maximize, NearestBoundary, Normalize, Sign, TopSaliency
from limen.attacks.objective import ClassMargins, CrossEntropy, DistanceAndHinge, Margin, TargetAndRest
from limen.attacks.perturbation import SigmoidBox
from limen.attacks.protocols import Constraint, Transform
from limen.attacks.search import InTurn
from limen.attacks.update import Adam, Scale, ShareOfRadius
from limen.errors import UsageError
from limen.images import norm

from .networks import SIZE, photos, smooth_mlp, task

CLIMB = Composition(
    objective=CrossEntropy(), rule=(Sign(), Scale(0.01)), steps=10, constraint=LinfBall(eps=0.1)
)


class Recording(nn.Module):
    """A network that keeps the row count of every call, and of every gradient that comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.module, self.rows = smooth_mlp(), []

    def forward(self, images):
        self.rows.append(len(images))
        return self.module(images)


class Fixed(nn.Module):
    """A network that always answers class 0; its gradient is zero."""

    def forward(self, images):
        return images.flatten(1)[:, :2] * 0 + torch.tensor([1.0, 0.0])


class _OfTheImage(Transform):
    """A transform of one's own that says nothing of its variables."""


class _Unread(Transform):
    """Makes nothing of several functions."""

    takes = gives = "a target and the rest"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"steps": 0}, "steps is 0; expected an integer of 1 or more"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": True}, "steps is True"),
        ({"rule": (Maximize(),), "constraint": Constraint()}, "Constraint has no linear maximiser"),
        ({"rule": (Maximize(),), "constraint": L0Ball(eps=3)}, "L0Ball has no linear maximiser"),
        (
            {"rule": (ShareOfRadius(0.5, final=0.1),)},
            "LinfBall has no radius, so no step of ShareOfRadius can be",
        ),
        ({"rule": (ShareOfRadius(0.5, final=0.1),), "constraint": Constraint()}, "Constraint has no radius"),
        ({"random_start": True, "constraint": Constraint()}, "Constraint is unbounded or cannot be sampled"),
        (
            {"perturbation": SigmoidBox(), "rule": (Maximize(),)},
            "Maximize moves an image, but the variables of SigmoidBox are not the image",
        ),
        (
            {"objective": ClassMargins(), "perturbation": SigmoidBox(), "rule": (NearestBoundary(),)},
            "NearestBoundary moves an image",
        ),
        ({"rule": ()}, r"rule is \(\); expected a tuple"),
        ({"rule": Sign()}, r"rule is Sign\(\); expected a tuple"),
        (
            {"rule": (Sign(), lambda move, state: (move, None))},
            "rule holds <function .* derive from Transform",
        ),
        (
            {"constraint": Scale(1.0)},
            r"constraint is Scale\(.*; expected a part that derives from Constraint",
        ),
        ({"objective": None}, "None is no objective, nor a function"),
        ({"distance": "l2"}, "distance is 'l2'; expected a function of images and originals"),
        ({"patience": -1}, "patience is -1; expected None, or a share of the steps"),
        ({"patience": 1.5}, "patience is 1.5"),
        ({"patience": math.nan}, "patience is nan"),
        (
            {"objective": ClassMargins(), "rule": (NearestBoundary(),), "patience": 0.1},
            "patience needs an objective of one function, not margins of classes",
        ),
        (
            {"objective": ClassMargins(), "rule": (Normalize(),)},
            "Normalize moves along one function, but ClassMargins gives margins of classes",
        ),
        (
            {"objective": Margin(), "rule": (NearestBoundary(),)},
            "NearestBoundary moves along margins of classes, but Margin gives one function",
        ),
        (
            {"objective": ClassMargins(), "rule": (TopSaliency(),)},
            "TopSaliency moves along a target and the rest, but ClassMargins gives margins of classes",
        ),
        (
            {"objective": ClassMargins(), "rule": (NearestBoundary(), NearestBoundary())},
            "NearestBoundary moves along margins of classes, but NearestBoundary gives one function",
        ),
        (
            {"objective": TargetAndRest(), "rule": (_Unread(),)},
            "_Unread gives a target and the rest, of which",
        ),
        (
            {"perturbation": SigmoidBox(), "rule": (_OfTheImage(), Sign())},
            "_OfTheImage moves an image, but the variables of SigmoidBox",
        ),
    ],
)
def test_pairings_that_mean_nothing_are_refused_when_built(changes, reason):
    with pytest.raises(UsageError, match=reason):
        dataclasses.replace(CLIMB, **changes)


def attacked(parts: Composition, module: nn.Module, images, labels, **call):
    return Attack("a climb", InTurn((parts,)))(Classifier(module, ask=False), images, labels, **call)


def test_finished_samples_leave_the_batch():
    network = Recording()
    problem = task(network, photos(12))
    network.rows.clear()
    parts = dataclasses.replace(CLIMB, early_stop=True, rule=(Sign(), Scale(0.004)), steps=25)
    outcome = attacked(parts, network, problem.images, problem.labels)
    assert outcome.success.all()
    assert network.rows == sorted(network.rows, reverse=True)
    assert network.rows[0] == 12
    assert network.rows[-1] < 12
    expected = [int((outcome.forwards > step).sum()) for step in range(len(network.rows))]
    assert network.rows == expected


def test_without_early_stop_all_samples_stay():
    network = Recording()
    problem = task(network, photos(5))
    network.rows.clear()
    attacked(CLIMB, network, problem.images, problem.labels)
    assert network.rows == [5] * 11


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_a_climb_ends_where_the_objective_has_been_flat_for_the_share_of_its_patience():
    parts = dataclasses.replace(CLIMB, steps=40, patience=0.1)
    images, labels = photos(2), torch.tensor([0, 0])
    outcome = attacked(parts, Fixed(), images, labels)
    assert not outcome.success.any()
    assert outcome.steps.tolist() == [4, 4]
    assert attacked(CLIMB, Fixed(), images, labels).steps.tolist() == [10, 10]


def test_a_climb_that_rises_is_not_cut_short():
    problem = task(smooth_mlp(), photos(4))
    parts = dataclasses.replace(CLIMB, steps=20, patience=0.1, rule=(Sign(), Scale(0.002)))
    outcome = attacked(parts, problem.classifier.module, problem.images, problem.labels)
    assert outcome.steps.tolist() == [20] * 4


def test_the_nearest_success_is_kept_where_distance_counts():
    def l2(images, originals):
        return norm(images - originals)

    problem = task(smooth_mlp(), photos(4))
    wild = dataclasses.replace(CLIMB, rule=(Sign(), Scale(0.02)), constraint=LinfBall(eps=0.3))
    last = attacked(wild, problem.classifier.module, problem.images, problem.labels)
    least = attacked(
        dataclasses.replace(wild, distance=l2), problem.classifier.module, problem.images, problem.labels
    )
    assert last.success.all()
    assert least.success.all()
    assert (l2(least.images, problem.images) < 0.5 * l2(last.images, problem.images)).all()
    assert torch.equal(last.forwards, least.forwards)


def test_an_objective_of_several_functions_costs_a_backward_pass_each():
    problem = task(smooth_mlp(classes=5), photos(2))
    parts = dataclasses.replace(CLIMB, objective=ClassMargins(3), rule=(_First(), Sign(), Scale(0.01)))
    outcome = attacked(parts, problem.classifier.module, problem.images, problem.labels)
    assert outcome.backwards.tolist() == [30, 30]
    assert outcome.success.all()


@dataclasses.dataclass(frozen=True)
class _First(Transform):
    """The gradient of the first function."""

    takes = "margins of classes"

    def __call__(self, move, state):
        return move[:, 0].clone(), self


@dataclasses.dataclass(frozen=True)
class _ToTheSphere(Transform):
    """Ten times as far as the set reaches, whose radius is noted."""

    radii: list
    needs_radius = True

    def __call__(self, move, state):
        self.radii.append(state.constraint.radius.flatten().tolist())
        return move.sign_().mul_(10 * state.constraint.radius), self


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_a_rule_moves_in_the_set_as_it_stands_after_the_iterate():
    radii = []
    sphere = AdaptiveSphere(eps=0.8, gamma=0.5, final=0.5)
    parts = dataclasses.replace(CLIMB, rule=(_ToTheSphere(radii),), constraint=sphere, steps=2)
    attacked(parts, Fixed(), photos(1), torch.tensor([0]), lattice=None)
    assert radii == [[pytest.approx(0.8 * 1.5)], [pytest.approx(0.8 * 1.5**2)]]


def test_gradients_reach_the_variables_of_a_sigmoid_box():
    problem = task(smooth_mlp(), photos(3))
    parts = Composition(
        objective=DistanceAndHinge(constant=10.0),
        rule=(Adam(learning_rate=0.05),),
        steps=20,
        perturbation=SigmoidBox(),
    )
    outcome = attacked(parts, problem.classifier.module, problem.images, problem.labels, lattice=None)
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()


def test_what_breaks_its_budget_is_given_back():
    class Leaky(LinfBall):
        def project(self, images):
            return images.clamp_(0, 1)

    problem = task(smooth_mlp(), photos(3))
    parts = dataclasses.replace(CLIMB, constraint=Leaky(eps=0.01), rule=(Normalize(), Scale(1.0)))
    outcome = attacked(parts, problem.classifier.module, problem.images, problem.labels)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)
    assert problem.images.shape[-1] == SIZE

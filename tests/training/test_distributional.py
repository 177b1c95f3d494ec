from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import nn
from torch.nn.functional import cross_entropy

from limen import Classifier
from limen.data import from_arrays
from limen.errors import UsageError
from limen.training import WRM, GroupDRO, Lesson, Settings, train
from limen.training.learner import Learning
from limen.training.team import Team

from .networks import equal, linear


def grouped(count: int = 40, seed: int = 0, groups: bool = True):
    draws = np.random.default_rng(seed)
    pixels = draws.integers(0, 256, (count, 4, 4, 1), np.uint8)
    names = [("day", "night")[place % 5 == 0] for place in range(count)] if groups else None
    return from_arrays("grouped", pixels, draws.integers(0, 3, count), groups=names)


def a_lesson(rows, data=None) -> Lesson:
    samples = [(data or grouped()).load(row) for row in rows]
    return Lesson(
        ids=tuple(each.id for each in samples),
        indices=tuple(rows),
        images=torch.stack([each.image for each in samples]).double(),
        labels=torch.tensor([each.label for each in samples]),
        targets=None,
        groups=tuple(each.group for each in samples),
        weights=torch.ones(len(rows)),
        places=torch.arange(len(rows)),
        whole=len(rows),
        seed=0,
    )


def learner(classifier: Classifier) -> Learning:
    return Learning(classifier, Team(), None)


def double(classifier: Classifier) -> Classifier:
    return Classifier(classifier.module.double())


def by_hand(net, lessons, step_size, adjustment, sizes):
    """Algorithm 1 of Sagawa et al. in NumPy, with the update of their program: the weights and the losses."""
    weights, told = np.full(len(sizes), 1 / len(sizes)), []
    for lesson in lessons:
        losses = cross_entropy(net.module(lesson.images), lesson.labels, reduction="none").detach().numpy()
        groups = np.array([("day", "night").index(group) for group in lesson.groups])
        means = np.array([losses[groups == g].mean() if (groups == g).any() else 0.0 for g in range(2)])
        weights = weights * np.exp(step_size * (means + adjustment / np.sqrt(sizes)))
        weights /= weights.sum()
        told.append(float((weights * means).sum()))
    return weights, told


@pytest.mark.parametrize("adjustment", [0.0, 2.0])
def test_group_dro_is_the_published_algorithm(adjustment):
    net, objective = double(linear(values=16, classes=3)), GroupDRO(0.3, adjustment)
    objective.prepare(grouped())
    # The third has no sample of the night.
    lessons = [a_lesson(rows) for rows in ([0, 1, 2, 5], [3, 5, 10, 15], [1, 2, 3], [0, 1, 2, 3, 4, 5])]
    losses = [objective(learner(net), lesson).mean().item() for lesson in lessons]
    weights, told = by_hand(net, lessons, 0.3, adjustment, np.array([32, 8]))
    np.testing.assert_allclose(losses, told, rtol=1e-5)
    np.testing.assert_allclose(list(objective.figures().values()), weights, rtol=1e-5)


def test_group_dro_weighs_the_group_that_is_learned_worse():
    objective = GroupDRO(step_size=0.05)
    hard = grouped()
    history = train(
        linear(values=16, classes=3), hard, hard, Settings(3, 8, sampling="balanced"), objective=objective
    )
    told = [each.figures for each in history]
    assert all(abs(sum(each.values()) - 1) < 1e-6 for each in told)
    assert told[0] != told[1]
    assert set(told[0]) == {"weight of day", "weight of night"}


def test_groups_may_be_labels_or_pairs():
    for by, names in (("label", {"0", "1", "2"}), ("both", {"0 day", "2 night"})):
        objective = GroupDRO(by=by)
        objective.prepare(grouped())
        assert {f"weight of {name}" for name in names} <= set(objective.figures())
        losses = objective(learner(double(linear(values=16, classes=3))), a_lesson([0, 1, 2, 5]))
        assert torch.isfinite(losses).all()
        assert len(losses) == 4


def test_group_dro_without_groups_is_one_clear_error():
    with pytest.raises(UsageError, match="not every sample belongs to a group"):
        GroupDRO().prepare(grouped(groups=False))
    objective = GroupDRO()
    objective.prepare(grouped())
    for groups, message in ((None, "belongs to no group"), (("dusk",) * 2, "'dusk' is none of")):
        with pytest.raises(UsageError, match=message):
            objective(learner(double(linear(values=16, classes=3))), replace(a_lesson([0, 1]), groups=groups))
    with pytest.raises(UsageError, match="step_size is -1"):
        GroupDRO(step_size=-1)


def test_a_filled_place_leaves_the_loss_finite():
    """A process without a sample has one that counts nothing, perhaps the only one of its group."""
    objective = GroupDRO()
    objective.prepare(grouped())
    lesson = replace(a_lesson([0]), weights=torch.zeros(1))
    assert objective(learner(double(linear(values=16, classes=3))), lesson).tolist() == [0.0]


def test_the_weights_of_groups_survive_an_interruption(tmp_path):
    data, settings = grouped(), Settings(2, 8, sampling="balanced")

    class StopError(Exception):
        pass

    def stop(event, history):
        if len(history) == 1 and getattr(event, "number", 0) == 3:
            raise StopError

    whole, objective = linear(values=16, classes=3), GroupDRO(0.2)
    train(whole, data, data, settings, objective=objective)
    file, cut = tmp_path / "kept", {"checkpoint": tmp_path / "kept", "every": 0.0}
    with pytest.raises(StopError):
        train(linear(values=16, classes=3), data, data, settings, objective=GroupDRO(0.2), listen=stop, **cut)
    assert file.exists()
    again, resumed = linear(values=16, classes=3), GroupDRO(0.2)
    history = train(again, data, data, settings, objective=resumed, **cut)
    assert equal(whole, again)
    assert resumed.figures() == objective.figures() == history[-1].figures


class Linear(nn.Module):
    """Two classes, whose margin is linear in the image."""

    def __init__(self, slope: torch.Tensor) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope)

    def forward(self, images):
        score = images.flatten(1) @ self.slope
        return torch.stack([score, torch.zeros_like(score)], 1)


def climbed(strength: float, steps: int, scale: float = 1.0):
    slope = torch.linspace(-1, 1, 16, dtype=torch.float64) * scale
    lesson = a_lesson([0, 3, 6, 7])
    lesson = replace(lesson, labels=torch.tensor([0, 1, 0, 1]))
    made = WRM(strength, steps).climbed(learner(Classifier(Linear(slope))), lesson)
    return slope, lesson, made


def test_wrm_takes_the_steps_of_the_authors_program():
    slope, lesson, made = climbed(1.3, 15)
    x, w = lesson.images.flatten(1).numpy(), slope.numpy()
    sign = np.where(lesson.labels.numpy() == 0, 1.0, -1.0)

    def gradient(at):
        return 1.3 * (-sign / (1 + np.exp(sign * (at @ w))))[:, None] * w

    at = x + gradient(x)
    for t in range(15):
        at = at + 1 / np.sqrt(t + 2) * (gradient(at) - (at - x))
    np.testing.assert_allclose(made.flatten(1).numpy(), at, atol=1e-12)


def test_wrm_arrives_at_the_maximum_of_loss_less_distance():
    """Of a linear margin the maximum lies on its slope: x0 − s·w·σ(−m(x)), one equation in one unknown."""
    slope, lesson, made = climbed(0.8, 60)
    w, norm = slope.numpy(), float((slope**2).sum())
    for image, label, end in zip(lesson.images, lesson.labels.tolist(), made, strict=True):
        sign = 1.0 if label == 0 else -1.0
        margin = sign * float(image.flatten() @ slope)
        length = brentq(lambda t, m=margin: t - 0.8 / (1 + np.exp(m - t * norm)), 0.0, 0.8)
        best = image.flatten().numpy() - sign * length * w
        np.testing.assert_allclose(end.flatten().numpy(), best, atol=1e-3)


def test_wrm_trains_on_where_images_arrive():
    slope, lesson, made = climbed(1.3, 15, scale=0.5)
    net = Classifier(Linear(slope))
    wanted = cross_entropy(net.module(made), lesson.labels, reduction="none")
    torch.testing.assert_close(WRM()(learner(net), lesson), wanted)
    assert bool((wanted > cross_entropy(net.module(lesson.images), lesson.labels, reduction="none")).all())
    with pytest.raises(UsageError, match="strength is 0"):
        WRM(strength=0)

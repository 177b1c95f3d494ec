"""What a trace holds: every look, as the model itself had it, and nothing that changes the attack."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from limen import Classifier
from limen.attacks import (
    Attack,
    apgd_linf,
    carlini_wagner_l2,
    ddn,
    deepfool,
    fgsm,
    jsma,
    pgd_l2,
    pgd_linf,
    square,
)
from limen.attacks.outcome import Outcome
from limen.attacks.search import InTurn
from limen.attacks.tracing import Traced, known_trace
from limen.defenses import Defended, bit_depth
from limen.evaluation.adaptive_attack import AdaptiveAttack
from limen.images import norm

from .networks import photos, smooth_mlp, task
from .table import same

ATTACKS = {
    "fgsm": fgsm(eps=4 / 255),
    "pgd_linf": pgd_linf(eps=2 / 255, steps=4, restarts=2, loss="margin"),
    "early_stop": pgd_l2(eps=1.0, steps=6, early_stop=True, loss="margin"),
    "several_climbs": carlini_wagner_l2(steps=5, search_steps=3),
    "least": ddn(steps=5),
    "several_functions": deepfool(steps=3),
    "pairs_of_values": jsma(eps=5),
    "auto": apgd_linf(eps=2 / 255, steps=5),
    "black_box": square(eps=8 / 255, steps=6),
}
"""One of each way to go through the loop."""

every = pytest.mark.parametrize("name", ATTACKS)


def of(outcome: Outcome, row: int) -> dict[str, torch.Tensor]:
    """The looks at one sample."""
    assert outcome.trace is not None
    chosen = outcome.trace.sample == row
    return {name: values[chosen] for name, values in vars(outcome.trace).items() if name != "sample"}


@every
def test_a_trace_changes_nothing_of_the_attack_and_is_there_only_where_it_is_asked_for(name):
    problem = task(smooth_mlp(), photos(5))
    plain = ATTACKS[name](problem.classifier, problem.images, problem.labels)
    traced = ATTACKS[name](problem.classifier, problem.images, problem.labels, trace=True)
    assert plain.trace is None
    assert same(plain, traced)


@every
def test_each_look_and_each_gradient_is_a_row(name):
    problem = task(smooth_mlp(), photos(5))
    outcome = ATTACKS[name](problem.classifier, problem.images, problem.labels, trace=True)
    for row in range(5):
        looks = of(outcome, row)
        assert len(looks["step"]) == outcome.forwards[row]
        moves = outcome.steps[row]
        assert len(looks["step"]) - len(set(looks["climb"].tolist())) == moves
        gradients = int((~looks["gradient"].isnan()).sum())
        assert gradients == (0 if name == "black_box" else moves)
        for climb in looks["climb"].unique():
            steps = looks["step"][looks["climb"] == climb].tolist()
            assert steps == list(range(len(steps)))
        assert bool(looks["success"].any()) >= bool(outcome.success[row])


class Recording(nn.Module):
    """A network that keeps what it is shown, and what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.module, self.shown = smooth_mlp(), []

    def forward(self, images):
        self.shown.append(images.detach().clone())
        return self.module(images)


@pytest.mark.parametrize("name", ["pgd_linf", "early_stop", "black_box"])
def test_rows_say_what_the_network_was_shown_and_said(name):
    network = Recording()
    problem = task(network, photos(1))
    classifier = Classifier(network, ask=False)
    network.shown.clear()
    outcome = ATTACKS[name](classifier, problem.images, problem.labels, trace=True)
    shown, looks = torch.cat(network.shown), of(outcome, 0)
    moved = (shown - problem.images).requires_grad_()
    logits = network.module(problem.images + moved)
    label = int(problem.labels[0])
    own, others = logits[:, label], logits.clone()
    others[:, label] = -torch.inf
    margin = others.amax(1) - own
    assert looks["margin"].numpy() == pytest.approx(margin.detach().numpy(), abs=1e-5)
    assert torch.equal(looks["success"], margin > 0)
    assert looks["l2"].numpy() == pytest.approx(norm(moved.detach()).numpy(), abs=1e-6)
    assert looks["linf"].numpy() == pytest.approx(norm(moved.detach(), torch.inf).numpy(), abs=1e-6)
    asked = ~looks["objective"].isnan()
    assert looks["objective"][asked].numpy() == pytest.approx(margin.detach()[asked].numpy(), abs=1e-5)
    if name != "black_box":
        (slope,) = torch.autograd.grad(margin.sum(), moved)
        followed = ~looks["gradient"].isnan()
        expected = norm(slope)[followed].numpy()
        assert looks["gradient"][followed].numpy() == pytest.approx(expected, rel=1e-4)


def test_the_distance_is_that_which_the_composition_makes_least():
    problem = task(smooth_mlp(), photos(2))
    least = ddn(steps=4)(problem.classifier, problem.images, problem.labels, trace=True).trace
    assert torch.equal(least.distance, least.l2)
    within = pgd_l2(steps=2)(problem.classifier, problem.images, problem.labels, trace=True).trace
    assert within.distance.isnan().all()


@every
def test_a_samples_rows_are_those_that_it_has_alone(name):
    problem = task(smooth_mlp(dtype=torch.float64), photos(5))
    arguments = {"ids": problem.ids, "trace": True}
    together = ATTACKS[name](problem.classifier, problem.images, problem.labels, **arguments)
    for row in (0, 3):
        one = problem.at(torch.tensor([row]))
        arguments["ids"] = [problem.ids[row]]
        alone = of(ATTACKS[name](one.classifier, one.images, one.labels, **arguments), 0)
        for column, values in of(together, row).items():
            assert values.numpy() == pytest.approx(alone[column].numpy(), abs=1e-8, nan_ok=True), column


@dataclasses.dataclass(frozen=True)
class Narrow(InTurn):
    """A search that can be bound to two images at once."""

    def capacity(self, images):
        return 2


def test_pieces_of_a_batch_are_joined_in_order():
    problem, plain = task(smooth_mlp(dtype=torch.float64), photos(5)), pgd_linf(eps=2 / 255, steps=3)
    narrow = Attack("narrow", Narrow(plain.search.compositions))
    whole, pieces = (
        each(problem.classifier, problem.images, problem.labels, trace=True).trace for each in (plain, narrow)
    )
    assert torch.equal(pieces.sample, whole.sample)
    assert pieces.margin.numpy() == pytest.approx(whole.margin.numpy(), abs=1e-9)


def test_climbs_are_numbered_and_a_look_before_a_random_start_is_none():
    problem = task(smooth_mlp(), photos(3))
    search = of(ATTACKS["several_climbs"](problem.classifier, problem.images, problem.labels, trace=True), 0)
    assert search["climb"].unique().tolist() == [0, 1, 2]
    restarted = pgd_linf(eps=0.2 / 255, steps=2, restarts=3)
    with pytest.warns(match="less than one level"):
        outcome = restarted(problem.classifier, problem.images, problem.labels, trace=True)
    looks = of(outcome, 0)
    assert looks["climb"].tolist() == [-1, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert looks["step"].tolist() == [0, *[0, 1, 2] * 3]
    assert looks["objective"].isnan().tolist() == [True, *[False, False, True] * 3]


class NothingOrNaN(torch.autograd.Function):
    """1 for each image, with a gradient of NaN for those darker than half, and of 0 for the others."""

    @staticmethod
    def forward(ctx, images):
        ctx.save_for_backward(images)
        return torch.ones(len(images))

    @staticmethod
    def backward(ctx, *gradients):
        (images,) = ctx.saved_tensors
        dark = images.mean((1, 2, 3), keepdim=True) < 0.5
        return torch.where(dark, torch.nan, 0).expand_as(images)


class Odd(nn.Module):
    """Class 0, always."""

    def forward(self, images):
        ones = NothingOrNaN.apply(images)
        return torch.stack([ones, 0 * ones], 1)


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_gradients_that_cannot_be_followed_are_told():
    images = torch.stack([torch.full((3, 4, 4), value) for value in (0.2, 0.8)])
    outcome = pgd_l2(steps=2, random_start=False)(Odd(), images, [0, 0], trace=True)
    assert of(outcome, 0)["gradient"][:2].isinf().all()
    assert of(outcome, 1)["gradient"][:2].tolist() == [0, 0]


def test_a_table_is_tidy_and_names_samples_by_their_ids():
    problem = task(smooth_mlp(), photos(2))
    trace = ATTACKS["black_box"](problem.classifier, problem.images, problem.labels, trace=True).trace
    table = trace.table(["a", "b"])
    assert table.column_names == ["id", *[each.name for each in dataclasses.fields(trace)][1:]]
    assert table["gradient"].null_count == table.num_rows == len(trace)
    assert set(table["id"].to_pylist()) == {"a", "b"}
    assert trace.table()["sample"].to_pylist() == trace.sample.tolist()
    assert "2 samples" in repr(trace)


def test_no_samples_have_no_rows():
    outcome = ddn(steps=2)(smooth_mlp(), photos(2)[:0], [], trace=True)
    assert len(outcome.trace) == 0
    assert outcome.trace.table().num_rows == 0


def test_a_call_without_a_trace_never_meets_the_one_who_keeps_it(monkeypatch):
    def never(*_):
        raise AssertionError("traced")

    monkeypatch.setattr(Traced, "__init__", never)
    problem = task(smooth_mlp(), photos(2))
    assert pgd_l2(steps=1)(problem.classifier, problem.images, problem.labels).trace is None
    with pytest.raises(AssertionError, match="traced"):
        pgd_l2(steps=1)(problem.classifier, problem.images, problem.labels, trace=True)


def test_an_adaptive_attack_numbers_the_climbs_of_its_second_try_on():
    problem = task(smooth_mlp(), photos(2))
    attack = AdaptiveAttack(pgd_l2(eps=0.01, steps=2, random_start=False))
    defended = Defended(problem.classifier, bit_depth)
    with pytest.warns(match="budget"):
        outcome = attack(defended, problem.images, problem.labels, trace=True)
    left = (~outcome.success).nonzero()[0].item()
    assert of(outcome, left)["climb"].unique().tolist() == [0, 1]


def test_an_attack_that_knows_of_no_trace_is_not_asked_for_one():
    assert known_trace(lambda classifier, images, labels: None, True) == {}
    assert known_trace(ddn(), True) == {"trace": True}
    assert known_trace(ddn(), False) == {}

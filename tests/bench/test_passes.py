"""Counts are chosen to use the passes and not to exceed them, for every attack of Limen."""

from __future__ import annotations

import importlib
import inspect
import math
import warnings
from types import SimpleNamespace

import pytest
import torch

import limen
from limen import catalog
from limen.attacks.libraries import from_function
from limen.bench import Counter, Known, LeftOut, Plan, drafts, most_counts, plan
from limen.bench.passes import StandIn
from limen.bench.plan import every
from limen.errors import LimenError, LimenWarning, UsageError

ALLOWED = 60
WIDE = "dual_perturbation:norm=linf,eps_foreground=2"
planning = importlib.import_module("limen.bench.plan")  # limen.bench.plan itself is the function


class Narrow(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.pool = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        self.last = torch.nn.Linear(4, 12)
        for each in self.parameters():
            each.data.normal_(generator=generator)

    def forward(self, images):
        return self.last(self.pool(self.conv(images)))


@pytest.fixture(scope="module")
def counter() -> Counter:
    return Counter(
        limen.Classifier(Narrow()), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    )


def planned_of(specs, counter, allowed=ALLOWED) -> Plan:
    return plan(drafts(specs, allowed), allowed, counter)


@pytest.mark.parametrize("fixed", [0, 3], ids=["none fixed", "some fixed"])
@pytest.mark.parametrize("allowed", [1, 9, 100, 1001])
def test_counts_are_the_greatest_whose_passes_are_allowed(allowed, fixed):
    counts, passes = most_counts({"steps": 40}, allowed, lambda each: fixed + 2 * each["steps"])
    assert passes == fixed + 2 * counts["steps"]
    assert counts["steps"] == max(1, (allowed - fixed) // 2)


def test_several_counts_keep_the_shape_of_their_defaults():
    def passes(counts) -> int:
        return 24 * counts["steps"] + counts["squares"] + 5

    counts, used = most_counts({"steps": 100, "squares": 5000}, 1000, passes)
    assert used == passes(counts) <= 1000
    assert used > 1000 - 24
    assert counts["squares"] / counts["steps"] == pytest.approx(50, rel=0.2)


def test_what_is_no_polynomial_is_tried_out():
    calls = []

    def passes(counts) -> int:
        calls.append(counts["steps"])
        return counts["steps"] + counts["steps"] ** 2 // 10

    counts, used = most_counts({"steps": 40}, 100, passes)
    assert counts == {"steps": 27}
    assert used == 99
    assert len(calls) < 20


def test_without_a_count_passes_are_counted_as_they_are():
    assert most_counts({}, 10, lambda counts: 77) == ({}, 77)


def test_one_stand_in_is_never_fooled_and_the_other_is(counter):
    firm, weak = counter.stand_ins
    for name, fooled in (("ddn:steps=30", True), ("pgd_linf:eps=1,steps=30", True)):
        attack = catalog.attack(name)
        outcomes = [attack(each, counter.image, each(counter.image).argmax(1)) for each in (firm, weak)]
        assert [bool(each.success) for each in outcomes] == [False, fooled]
    assert isinstance(firm.module, StandIn)


def test_the_model_counts_beside_its_stand_ins(counter):
    def attack(classifier, images, labels, **_):
        taken = 10 if classifier is counter.model else 3
        return SimpleNamespace(forwards=torch.tensor([taken]), backwards=torch.tensor([1]))

    assert counter.passes(attack) == 11


def test_making_stand_ins_leaves_the_global_generator_alone():
    classifier = limen.Classifier(Narrow())
    before = torch.random.get_rng_state()
    Counter(classifier, torch.zeros(1, 3, 16, 16))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_attacks_are_planned_within_the_passes(counter):
    specs = ("ddn", "pgd_linf", "jsma", "carlini_wagner_l2", "fgsm")
    planned = planned_of(specs, counter).planned
    by_name = {each.asked: each for each in planned}
    assert [*by_name] == [*specs]
    assert all(ALLOWED / 2 < each.chosen.passes <= ALLOWED for each in planned)
    assert (by_name["ddn"].chosen.passes, by_name["ddn"].chosen.tries) == (ALLOWED - 1, 1)
    assert by_name["pgd_linf"].chosen.tries == 5
    assert by_name["fgsm"].chosen.tries == 12
    assert by_name["jsma"].chosen.counts.keys() == {"eps"}
    assert by_name["carlini_wagner_l2"].chosen.counts.keys() == {"steps", "search_steps"}
    classifier, images = counter.model, torch.rand(3, 3, 16, 16)
    warnings.simplefilter("ignore", LimenWarning)  # few steps do not suffice for all
    for each in planned:
        outcome = each.attack(classifier, images, classifier(images).argmax(1))
        assert (outcome.forwards + outcome.backwards).max() <= each.chosen.passes


def test_an_attack_of_many_climbs_takes_one_step_of_each_and_says_its_passes():
    assert most_counts({"steps": 40, "rounds": 5}, 10, lambda each: 12 * each["steps"]) == (
        {"steps": 1, "rounds": 1},
        12,
    )


def test_all_is_every_attack_of_limen_in_each_norm():
    specs = [*every()]
    assert {spec.partition(":")[0] for spec in specs} == {*limen.attacks.FACTORIES}
    assert {"fmn:norm=l0", "fmn:norm=linf", "square:norm=l2", "autoattack:norm=l1"} <= {*specs}


def test_what_a_spec_states_is_kept(counter):
    specs = ["ddn:steps=50", "pgd_l2:eps=1,2,4", "fgsm:eps=least,tries=2", "pgd_linf:eps=0.1"]
    stated, grid, search, one = planned_of(specs, counter).planned
    assert (stated.attack.identity.label, dict(stated.chosen.counts)) == ("ddn:steps=50", {})
    assert stated.chosen.passes > ALLOWED
    assert (grid.chosen.tries, grid.attack.values) == (3, (1.0, 2.0, 4.0))
    assert ALLOWED - 6 <= grid.chosen.passes <= ALLOWED
    assert search.attack.identity.label == "fgsm:eps=least,tries=2"
    assert one.attack.identity.label.startswith("pgd_linf:eps=0.1,steps=")
    assert one.chosen.tries == 1


def test_an_attack_named_twice_is_planned_once(counter):
    planned = planned_of(["ddn", "ddn", "ddn:steps=5"], counter).planned
    assert [each.asked for each in planned] == ["ddn", "ddn:steps=5"]


@pytest.mark.parametrize(
    ("specs", "says"),
    [([], "no attack is left"), (["nothing"], "attack spec 'nothing'"), (["ddn:steps=0"], "steps is 0")],
    ids=["none", "unknown", "refused"],
)
def test_what_cannot_be_planned_is_refused(counter, specs, says):
    with pytest.raises(UsageError, match=says):
        planned_of(specs, counter)


def test_attacks_that_do_not_fit_are_left_out_of_all_and_refused_by_name(monkeypatch):
    small = Counter(limen.Classifier(Narrow()), torch.zeros(1, 3, 8, 8))
    monkeypatch.setattr(planning, "every", lambda: iter(["ddn", WIDE]))
    made = planned_of(["all"], small, 12)
    planned, left = made.planned, made.left
    assert [each.asked for each in planned] == ["ddn"]
    assert [each.asked for each in left] == [WIDE]
    assert "expected 1 at most" in left[0].reason
    with pytest.raises(limen.errors.LimenError, match="expected 1 at most"):
        planned_of([WIDE], small, 12)


def test_a_count_that_takes_no_passes_stays_as_it_is():
    counts, passes = most_counts({"steps": 40, "rounds": 8}, 50, lambda each: 2 * each["steps"])
    assert (counts, passes) == ({"steps": 25, "rounds": 8}, 50)


@pytest.mark.parametrize(
    ("allowed", "counts"),
    [(100, {"steps": 5, "search_steps": 10}), (20, {"steps": 1, "search_steps": 10}),
     (10, {"steps": 5, "search_steps": 1})],
)  # fmt: skip
def test_a_count_that_is_kept_is_cut_only_where_one_step_beside_it_is_too_much(allowed, counts):
    def passes(each) -> int:
        return 2 * each["steps"] * each["search_steps"]

    assert most_counts({"steps": 20, "search_steps": 10}, allowed, passes, ["search_steps"])[0] == counts


def test_bisections_keep_their_budgets_and_cut_their_steps(counter):
    bisected, weighed = planned_of(["minimal_apgd", "carlini_wagner_l2"], counter, 100).planned
    assert bisected.chosen.counts["search_steps"] == 10
    assert 50 < bisected.chosen.passes <= 100
    assert weighed.chosen.counts["search_steps"] < 9


def test_an_attack_that_fails_at_one_step_has_two_at_the_least():
    def passes(counts) -> int:
        if counts["steps"] == 1:
            raise LimenError("division by zero")
        return 10 * counts["steps"]

    assert most_counts({"steps": 40}, 5, passes) == ({"steps": 2}, 20)
    assert most_counts({"steps": 40}, 95, passes) == ({"steps": 9}, 90)


def test_passes_that_are_not_counted_to_their_end_are_too_many():
    def passes(counts) -> float:
        taken = 60 * counts["steps"] * counts["rounds"]
        return taken if taken < 200 else math.inf

    assert most_counts({"steps": 40, "rounds": 9}, 130, passes) == ({"steps": 2, "rounds": 1}, 120)


def greedy(model, images, labels, steps: int = 100):
    with torch.no_grad():
        for _ in range(7 * steps):
            model(images)
    return images


def test_an_attack_is_stopped_once_it_takes_too_many_passes(counter):
    attack = from_function(greedy)(steps=10)
    assert counter.passes(attack) == counter.passes(attack, 80) == 72  # that of the original, and the last
    assert counter.passes(attack, 60) == math.inf


def within(model, images, labels, eps: float, steps: int = 100):
    return greedy(model, images, labels, steps)


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    text = "import torch\n\n\n" + inspect.getsource(greedy) + inspect.getsource(within)
    (tmp_path / "own.py").write_text(text)
    return "python:own.py:greedy"


def test_what_takes_too_many_passes_at_its_fewest_counts_is_left_out_and_said(counter, own):
    made = planned_of(["ddn", own, f"{own},steps=1"], counter, 6)
    assert [each.asked for each in made.planned] == ["ddn", f"{own},steps=1"]
    assert made.left == [LeftOut(own, "takes 9 passes at the least, and 6 are allowed")]
    with pytest.raises(UsageError, match=r"no attack is left to compare \(python.*9 passes"):
        planned_of([own], counter, 6)


def test_a_search_tries_fewer_budgets_where_one_takes_many_passes(counter, own):
    (each,) = planned_of([own.replace("greedy", "within")], counter, 30).planned
    assert each.attack.identity.label.endswith("within,steps=1,eps=least,tries=3")
    assert (each.chosen.tries, each.chosen.passes) == (3, 27)  # of four budgets, each of nine passes


def test_nothing_is_counted_twice(counter, monkeypatch):
    kept = []
    known = Known(keep=lambda known: kept.append(({*known.chosen}, {*known.left})))
    read = drafts(["ddn", "ppgd"], 20)
    first = plan(read, 20, counter, known)
    assert kept == [({"ddn"}, set()), ({"ddn"}, {"ppgd"})]
    monkeypatch.setattr(Counter, "passes", None)
    again = plan(read, 20, counter, known)
    assert [each.chosen for each in again.planned] == [each.chosen for each in first.planned]
    assert again.left == first.left
    assert len(kept) == 2

"""Plans: which images, which attacks, how long; and that one that was stopped goes on with the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from limen import catalog
from limen.audit import EFFORTS, Attempt, Finding, Plan, read_rule, subject_of
from limen.audit.effort import effort_named
from limen.audit.plan import blind, fitted, read_plan, spread, with_budgets, write_plan
from limen.audit.timing import Lasting, Timing, shortened, timed
from limen.classifier import Classifier
from limen.data import from_arrays
from limen.errors import RunError, UnknownNameError, UsageError

ASKED = {"model": "demo:digits", "data": "demo:digits", "effort": "quick"}
PLAN = Plan(
    asked=ASKED,
    effort="quick",
    images=4,
    of=20,
    seconds=90.0,
    left_out={"ddn:steps=40": "no"},
    findings=(Finding("labels", "Labels", "sound", "Well."),),
)


@given(st.integers(1, 200), st.integers(1, 200))
def test_images_are_spread_over_the_data(count, total):
    places = spread(count, total)
    assert len(places) == min(count, total)
    assert places == sorted(set(places))
    gaps = [b - a for a, b in zip(places, [*places[1:], total], strict=True)]
    assert places[0] == 0
    assert max(gaps) - min(gaps) <= 1


@given(st.floats(0.01, 100), st.floats(0, 50), st.floats(1, 60), st.integers(1, 1000))
def test_an_audit_fits_into_its_time_on_as_many_images_as_can_be(seconds, begun, minutes, wanted):
    room = 0.9 * 60 * minutes
    if begun + seconds > room:
        with pytest.raises(UsageError, match="too little for a single image; give at least"):
            fitted(seconds, begun, minutes, wanted)
        return
    images = fitted(seconds, begun, minutes, wanted)
    assert begun + images * seconds <= room + 1e-6
    assert images == wanted or begun + (images + 1) * seconds > room - 1e-6


def test_a_plan_is_kept_and_read_for_the_same_question_alone(tmp_path):
    assert read_plan(tmp_path, ASKED) is None
    write_plan(tmp_path, PLAN)
    assert read_plan(tmp_path, ASKED) == PLAN
    with pytest.raises(
        UsageError, match=r"another \(effort: quick there, thorough now; minutes: not given there, 5.0 now\)"
    ):
        read_plan(tmp_path, {**ASKED, "effort": "thorough", "minutes": "5.0"})


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="not empty and not an audit; choose another --out"):
        write_plan(tmp_path, PLAN)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not valid JSON"), ('{"format": 9}', "upgrade Limen"), ('{"format": 1}', "lacks")],
)
def test_a_broken_plan_is_told_by_its_file(tmp_path, text, says):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(RunError, match=f"plan.json: .*{says}"):
        read_plan(tmp_path, ASKED)


def test_what_is_told_before_it_begins():
    assert PLAN.told == "quick effort on 4 of 20 images: about 1 minute, at most 2"
    assert PLAN.places == [0, 5, 10, 15]


def test_a_lesser_effort_that_fits_the_time_is_told():
    plan = replace(PLAN, asked={**ASKED, "effort": "thorough"}, images=20)
    assert plan.told == (
        "quick effort on 20 images, as thorough would fit too few images into the time: about 1 minute, "
        "at most 2"
    )


def test_the_budgets_of_rules_are_tried_in_their_norm():
    rules = [read_rule("robust_accuracy[l2=0.3]>=0.4"), read_rule("robust_accuracy[linf=3/255]>=0.4")]
    found = {
        each.runs.partition(":")[0]: each.budgets for each in with_budgets(EFFORTS["quick"].attempts, rules)
    }
    assert 0.3 in found["apgd_l2"]
    assert 3 / 255 in found["apgd_linf"]
    assert 3 / 255 in found["square"]
    assert "apgd_l1" not in found


def test_without_a_gradient_only_attacks_that_take_none_are_left():
    effort = EFFORTS["quick"]
    assert blind(effort, [Finding("flat", "", "weakens", "")]) == {}
    left = {each.spec for each in effort.attempts} - {
        *blind(effort, [Finding("no_gradient", "", "weakens", "")])
    }
    assert left == {"square:steps=60"}


@pytest.mark.parametrize("name", EFFORTS)
def test_every_attack_of_an_effort_can_be_named(name):
    for attempt in EFFORTS[name].attempts:
        each = attempt.asked([0.01]) if attempt.norm else attempt
        made = catalog.attack_or_grid(each.runs)
        assert len(getattr(made, "labels", [""])) == each.rows
        catalog.attack(shortened(each))


BUDGETS = {"linf": (8 / 255,), "l2": (1.0,), "l1": (10.0,), "": ()}


class Firm(nn.Module):
    """Class 0 whatever happens, with a gradient that is never 0."""

    def forward(self, x):
        values = x.flatten(1)
        return torch.stack([100 + values.mean(1), values[:, ::2].mean(1), values[:, ::3].mean(1)], 1)


@pytest.mark.parametrize("attempt", EFFORTS["quick"].attempts, ids=lambda each: each.spec.partition(":")[0])
def test_no_attack_makes_more_passes_than_its_effort_says(attempt):
    images, labels = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0])
    one = replace(attempt, budgets=BUDGETS[attempt.norm])
    outcome = catalog.attack(one.runs)(Classifier(Firm()), images, labels)
    assert not outcome.success.any()
    assert attempt.passes / 2 < int(outcome.forwards.max()) <= attempt.passes


def test_the_time_is_that_of_all_passes_and_of_what_comes_after():
    attempts = (Attempt("L2", "ddn", 10), Attempt("L∞", "fgsm", 2, "linf", (0.1, 0.2)))
    timing = Timing(0.5, {"ddn": 1.0, "fgsm": 2.0}, pair=0.25, shares={"fgsm": 0.5})
    after = 3 * (0.25 + 2 * 0.5)
    found = timing.seconds(attempts, shields=1)
    assert found == Lasting(10 * 1.0 + 2 * 2.0 * 2 / 2 + after, 10 * 1.0 + 2 * 2.0 * 2 + after)


class Soft(nn.Module):
    """Class 0 of an image that is darker than half, class 1 of another."""

    def forward(self, x):
        excess = 8 * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack([-excess, excess], 1)


@pytest.mark.parametrize(
    ("model", "budgets", "most"), [(Soft(), (64 / 255,), 0.5), (Firm(), (1 / 255,), 1.0)]
)
def test_an_attack_that_stops_early_is_likely_to_make_as_few_passes_as_it_is_watched_to(model, budgets, most):
    pixels = np.full((6, 8, 8, 3), 120, np.uint8)
    images = from_arrays("grey", pixels, np.zeros(6, int))
    subject = subject_of(Classifier(model), images, range(6), 6)
    attempts = (
        Attempt("L∞", "apgd_linf:steps=20,early_stop=true", 22, "linf", budgets),
        Attempt("L2", "ddn:steps=5", 7),
        Attempt("box", "fgsm:loss=no_such", 7),
    )
    timing = timed(subject, attempts, [], 6)
    assert timing.shares.keys() == {attempts[0].spec}
    assert 0 < timing.shares[attempts[0].spec] <= most
    assert (timing.shares[attempts[0].spec] == 1.0) == (most == 1.0)
    assert timing.left_out.keys() == {attempts[2].spec}


@pytest.mark.parametrize(
    ("likely", "most", "told"),
    [
        (20, 50, "about 1 minute"),
        (61, 119, "about 2 minutes"),
        (50, 600, "about 1 minute, at most 10"),
        (0, 0, "about 1 minute"),
    ],
)
def test_it_is_told_how_long_an_audit_takes_and_how_long_at_most(likely, most, told):
    plan = Plan(asked={"effort": "quick"}, effort="quick", images=3, of=9, likely=likely, seconds=most)
    assert plan.told == f"quick effort on 3 of 9 images: {told}"


def test_an_unknown_effort_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown effort 'through'; did you mean 'thorough'"):
        effort_named("through")

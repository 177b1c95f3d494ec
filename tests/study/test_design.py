"""Who sees what: balanced, bounded, and the same from the same seed."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.errors import UsageError
from limen.study import Design, schedule
from limen.study.design import trials_of


@st.composite
def designs(draw) -> tuple[Design, int, int]:
    photographs, attacks = draw(st.integers(2, 9)), draw(st.integers(1, 4))
    task = draw(st.sampled_from(["same-different", "2afc", "match"]))
    same = draw(st.integers(0, photographs)) if task == "same-different" else 0
    altered = draw(st.integers(1, photographs * attacks))
    design = Design(task, draw(st.integers(1, 12)), altered + same, same, seed=draw(st.integers(0, 99)))
    return design, photographs, attacks


@settings(max_examples=60)
@given(designs())
def test_pairs_attacks_and_sides_are_balanced_up_to_one(case):
    design, photographs, attacks = case
    plans = schedule(design, photographs, attacks)
    assert len(plans) == design.observers
    shown = Counter({(a, p): 0 for a in [*range(attacks), None] for p in range(photographs)})
    for trials in plans:
        pairs = [(each.attack, each.photograph) for each in trials]
        assert len(set(pairs)) == len(pairs) == design.trials
        assert Counter(attack for attack, _ in pairs)[None] == design.same
        of_attack = Counter(dict.fromkeys(range(attacks), 0))
        of_attack.update(attack for attack, _ in pairs if attack is not None)
        assert max(of_attack.values()) - min(of_attack.values()) <= 1
        for attack in range(attacks):
            sides = Counter(each.right for each in trials if each.attack == attack)
            assert abs(sides[True] - sides[False]) <= 1
        shown.update(pairs)
    for kind in [*range(attacks), None]:
        counts = [shown[kind, photograph] for photograph in range(photographs)]
        assert max(counts) - min(counts) <= 1


def test_trials_come_from_the_seed_and_do_not_depend_on_how_many_observers_follow():
    ten = schedule(Design(observers=10, trials=6, same=2, seed=3), 5, 2)
    assert schedule(Design(observers=4, trials=6, same=2, seed=3), 5, 2) == ten[:4]
    assert schedule(Design(observers=10, trials=6, same=2, seed=4), 5, 2) != ten


def test_nobody_sees_a_photograph_twice_while_there_are_others():
    [trials] = schedule(Design(observers=1, trials=8, same=4), 8, 2)
    assert sorted(each.photograph for each in trials) == list(range(8))


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (("same-different", 12, 2, None, 0.5), (24, 12)),
        (("same-different", 12, 2, None, 0.25), (33, 9)),
        (("same-different", 12, 2, 10, 0.0), (10, 0)),
        (("2afc", 12, 2, None, 0.5), (24, 0)),
        (("match", 300, 2, None, 0.5), (80, 0)),
    ],
)
def test_as_many_trials_as_there_are_pairs_for_but_at_most_80(asked, wanted):
    assert trials_of(*asked) == wanted


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (
            lambda: trials_of("2afc", 5, 2, 11, 0),
            "11 trials need 11 altered and 0 identical pairs, and the run has",
        ),
        (
            lambda: trials_of("same-different", 5, 2, None, 1.0),
            "the share of identical pairs is 1; give one from 0",
        ),
        (lambda: Design(task="2afc"), "the task 2afc has no identical pairs; leave the share of them at 0"),
        (
            lambda: Design(trials=4, same=4),
            "every pair would be identical; ask for more trials, or for a lower",
        ),
        (lambda: Design(task="ab"), "unknown task 'ab'"),
        (lambda: Design(zoom=0), "zoom is 0; expected an integer from 1 to 32"),
        (lambda: Design(observers=1001), "observers is 1001; expected an integer from 1 to 1,000"),
    ],
    ids=["too many", "all identical", "no right side", "only identical", "task", "zoom", "observers"],
)
def test_what_cannot_be_carried_out_is_refused(refused, says):
    with pytest.raises(UsageError, match=re.escape(says)):
        refused()

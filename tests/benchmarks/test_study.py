"""Simulated studies whose truth is known: intervals hold it as often as they say."""

from __future__ import annotations

import pytest
from scipy.stats import binom

RARELY = 1e-5
"""How often a figure whose intervals hold the truth in 93 to 97 % would fail here, at most."""


@pytest.mark.parametrize("task", ["same-different", "2afc"])
def test_the_truth_lies_in_the_intervals_about_as_often_as_they_say(script, task):
    study = script("study")
    case = study.Case(20, 20, 40, 0.4, 0.4, 0.2, task)
    for name, (held, of) in study.coverage(case, 100, seed=1, wanted=("d′", "share", "yes")).items():
        assert of == 200
        # The two attacks of a study are not independent: as if there were half as many.
        assert binom.ppf(RARELY, of // 2, 0.93) <= held / 2, name
        assert held / 2 <= binom.ppf(1 - RARELY, of // 2, 0.97), name


def test_intervals_that_ignore_people_and_photographs_would_be_seen(script, monkeypatch):
    study = script("study")
    noticing = "limen.analysis.noticing"
    independent = lambda influences, people, images, least: 1.96 * least**0.5  # noqa: E731
    monkeypatch.setattr(f"{noticing}.crossed_half", independent)
    case = study.Case(20, 20, 40, 1.5, 1.5, 0.2)
    held, of = study.coverage(case, 60, seed=1, wanted=("yes",))["yes"]
    assert held / 2 < binom.ppf(RARELY, of // 2, 0.93)

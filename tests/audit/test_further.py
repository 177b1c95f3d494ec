"""What an audit takes of the indicators that a run's evaluation found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import limen
from limen.audit import EFFORTS, further
from limen.audit.afterwards import ASKED
from limen.audit.further import detects, evaluations_of, indicated
from limen.evaluation import EVALUATIONS
from limen.evaluation.indicators import INDICATORS

OF_MODEL = {key for key, each in INDICATORS.items() if each.of == "model"}


def found(monkeypatch, key: str, *values: tuple[str, float]):
    """What is said where the indicator of this key has these values under attacks."""
    judged = [INDICATORS[key].judge(attack, np.array([value])) for attack, value in values]
    monkeypatch.setattr(further, "findings", lambda stored: judged)
    return [*indicated(SimpleNamespace())]


def test_what_is_wrong_with_the_model_is_for_the_set_up_to_say(monkeypatch):
    assert found(monkeypatch, "rounding", ("a", 1.0), ("b", 1.0)) == []


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([("a", 1.0), ("b", 1.0)], "weakens"),
        ([("a", 1.0), ("b", 0.0)], "note"),
        ([("a", 1.0)], "note"),
        ([("a", 1.0), ("b", np.nan)], "note"),
    ],
)
def test_what_is_wrong_with_some_attacks_is_to_know_and_with_all_weakens(monkeypatch, values, state):
    (one,) = found(monkeypatch, "noise_as_strong", *values)
    assert one.state == state
    assert one.evidence.startswith("a")
    assert (one.title, one.of) == (INDICATORS["noise_as_strong"].title, "attacks")


def test_what_is_not_found_is_not_said(monkeypatch):
    assert found(monkeypatch, "noise_as_strong", ("a", 0.0)) == []


@pytest.mark.parametrize("name", EFFORTS)
def test_every_evaluation_of_an_effort_can_be_made(name):
    scenes = limen.catalog.data("demo:scenes,count=4")
    specs = [*evaluations_of(scenes, EFFORTS[name], ["demo:scenes", "demo:photos"], 100)]
    made = {EVALUATIONS.make(spec).identity.name: EVALUATIONS.make(spec) for spec in specs}
    assert {"defenses", "transfer"} <= set(made)
    assert ("fairness" in made) == (scenes.groups is not None)
    assert made["transfer"].identity.parameters["model"] == ("demo:scenes", "demo:photos")
    assert ("indicators" in made) == (name != "quick")
    only = made["indicators"].identity.parameters["only"] if name != "quick" else ()
    assert {INDICATORS[key].of for key in only} <= {"attack"}
    assert not {*ASKED} & {*only}
    assert name == "quick" or {*ASKED} | {*only} | OF_MODEL == {*INDICATORS}
    few = [*evaluations_of(scenes, EFFORTS[name], [], 19)]
    assert ("detection" in made, any(map(detects, few))) == (name != "quick", False)

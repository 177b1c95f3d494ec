"""Attacks that differ in one number: which belong together, and accuracy counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from limen.analysis import Sweep, accuracy_curve, share_interval, sweeps
from limen.identity import Identity
from limen.runs import DataEntry, Manifest, ModelEntry

from .handmade import record, table


def dual(front: float, back: float, **others: float | str | bool) -> Identity:
    parameters = {"eps_foreground": front, "eps_background": back, **others}
    return Identity("dual", parameters, budget="eps_background", stated=tuple(parameters))


def found(*attacks: Identity) -> dict[tuple[str, str], tuple[float, ...]]:
    manifest = Manifest(model=ModelEntry("m", "ab12"), data=DataEntry("d", 16)).with_attacks(attacks)
    return {(each.name, each.parameter): each.values for each in sweeps(manifest)}


def test_an_attack_over_two_numbers_is_swept_over_each_with_the_other_fixed():
    assert found(dual(1.0, 2.0), dual(1.0, 4.0), dual(3.0, 2.0)) == {
        ("dual:eps_foreground=1", "eps_background"): (2.0, 4.0),
        ("dual:eps_background=2", "eps_foreground"): (1.0, 3.0),
    }


def test_what_differs_in_two_numbers_or_in_words_is_no_sweep():
    assert found(dual(1.0, 2.0), dual(3.0, 4.0)) == {}
    assert found(dual(1.0, 2.0, norm="l2"), dual(1.0, 2.0, norm="linf")) == {}
    assert found(dual(1.0, 2.0, early_stop=False), dual(1.0, 2.0, early_stop=True)) == {}
    assert found(dual(1.0, 2.0)) == {}


def test_values_rise_however_the_attacks_were_given_and_steps_are_a_number_too():
    several = [dual(1.0, 2.0, steps=steps) for steps in (40, 5, 10)]
    assert found(*several) == {("dual:eps_foreground=1,eps_background=2", "steps"): (5.0, 10.0, 40.0)}


@pytest.mark.parametrize(
    ("values", "wide"),
    [((0.01, 1.0), True), ((0.0, 10.0), False), ((0.1, 1.0), False), ((-1.0, 200.0), False)],
)
def test_only_positive_values_over_two_decades_want_a_logarithmic_axis(values, wide):
    assert Sweep("a", "eps", values, ("a:1", "a:2")).wide is wide


SWEEP = Sweep("a", "eps", (1.0, 2.0), ("a:eps=1", "a:eps=2"))


def rows(label: str, fooled: dict[str, bool], wrong: tuple[str, ...] = ()) -> list[dict]:
    return [
        record(label, key, success, key not in wrong, prediction=0 if success or key in wrong else 1)
        for key, success in fooled.items()
    ]


def test_accuracy_is_of_all_images_and_each_value_counts_by_itself():
    first = rows("a:eps=1", {"p": True, "q": False, "r": False, "s": True}, wrong=("s",))
    second = rows("a:eps=2", {"p": False, "q": True, "r": True, "s": True}, wrong=("s",))
    curve = accuracy_curve(table([*first, *second]), SWEEP)
    assert (curve.images, curve.clean, curve.unfinished) == (4, 0.75, 0)
    assert curve.accuracy.tolist() == [0.5, 0.25]
    low, high = share_interval(np.array([0.5, 0.25]), 4)
    np.testing.assert_array_equal([curve.low, curve.high], [low, high])
    assert (curve.low < curve.high).all()


def test_only_images_that_are_done_under_all_values_count():
    curve = accuracy_curve(
        table([*rows("a:eps=1", {"p": True, "q": False}), *rows("a:eps=2", {"q": False})]), SWEEP
    )
    assert (curve.images, curve.unfinished) == (1, 1)
    assert curve.accuracy.tolist() == [1.0, 1.0]


def test_without_images_there_is_no_accuracy():
    curve = accuracy_curve(table([]), SWEEP)
    assert curve.images == 0
    assert np.isnan([curve.clean, *curve.accuracy, *curve.low, *curve.high]).all()

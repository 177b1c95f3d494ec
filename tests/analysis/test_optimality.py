"""Envelope and optimality: closed forms, AttackBench's own formula by a brute-force integral, invariances."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import Measured, distance_of, has_zero, ranking
from limen.errors import UsageError
from limen.metrics import METRICS

L2, LINF, L0, SSIM, NOTICED, PSNR = (
    METRICS[key].column for key in ("l2", "linf", "l0", "ssim", "noticed", "psnr")
)

levels = st.one_of(st.integers(1, 40).map(lambda level: level / 8), st.just(np.inf))
boards = st.integers(1, 12).flatmap(
    lambda images: st.lists(st.lists(levels, min_size=images, max_size=images), min_size=1, max_size=4)
)
"""Distances of one to four attacks on one to twelve images."""


def named(rows) -> dict[str, np.ndarray]:
    return {f"attack {place}": np.array(row, float) for place, row in enumerate(rows)}


def values(found) -> np.ndarray:
    return np.array([each.value for each in found.optimality])


def area(distances: np.ndarray, end: float, wrong: int) -> float:
    """The area under the curve of robust accuracy by a sum of thin bars; `wrong` further images are
    misclassified without any attack."""
    grid = (np.arange(4000) + 0.5) * end / 4000
    return float((distances[:, None] > grid).sum(0).mean() * end / (len(distances) + wrong))


@given(boards, st.integers(0, 5))
def test_it_is_attackbenchs_ratio_of_areas_by_brute_force(rows, wrong):
    made = named(rows)
    least = np.min([*made.values()], axis=0)
    reached = least[np.isfinite(least)]
    found = values(ranking(made, L2, draws=0))
    if len(set(reached)) < 2:
        assert np.isnan(found).all()
        return
    # AttackBench's envelope fools every image; where one is not fooled at all, it has no part.
    kept, end = np.isfinite(least), reached.max()
    best = area(least[kept], end, wrong)
    clean = kept.sum() / (kept.sum() + wrong)
    for value, distances in zip(found, made.values(), strict=True):
        expected = 1 - (area(distances[kept], end, wrong) - best) / (clean * end - best)
        assert value == pytest.approx(expected, abs=2e-3)


@given(boards)
def test_it_lies_in_0_to_1_and_the_envelope_has_1(rows):
    made = named(rows)
    made["envelope"] = np.min([*made.values()], axis=0)
    for lattice in (None, 255):
        found = ranking(made, LINF, lattice=lattice, draws=20)
        known = values(found)
        assert np.isnan(known).all() or ((known >= 0).all() and (known <= 1 + 1e-12).all())
        assert np.isnan(known[-1]) or known[-1] == pytest.approx(1)
        inside = found.drawn[~np.isnan(found.drawn)]
        assert ((inside >= 0) & (inside <= 1 + 1e-12)).all()


@given(boards, st.randoms(use_true_random=False), st.floats(0.01, 100))
def test_the_order_of_images_and_the_unit_of_distance_are_of_no_matter(rows, random, unit):
    made = named(rows)
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = {name: row[order] * unit for name, row in made.items()}
    assert values(ranking(shuffled, L2, draws=0)) == pytest.approx(
        values(ranking(made, L2, draws=0)), nan_ok=True
    )


@given(boards, levels)
def test_an_attack_that_is_nowhere_better_changes_nothing_of_the_others(rows, behind):
    made = named(rows)
    worse = {**made, "worse": np.min([*made.values()], axis=0) + behind}
    assert values(ranking(worse, L2, draws=0))[:-1] == pytest.approx(
        values(ranking(made, L2, draws=0)), nan_ok=True
    )
    assert values(ranking(worse, L2, draws=0))[-1] <= 1 or np.isnan(values(ranking(worse, L2, draws=0))[-1])


@given(boards, levels)
def test_an_attack_that_gets_nearer_on_an_image_falls_in_no_ranking(rows, nearer):
    # The end of the axis is held, by an image that all fool there.
    made = {name: np.append(row, 6.0) for name, row in named(rows).items()}
    better = {name: row.copy() for name, row in made.items()}
    better["attack 0"][0] = min(better["attack 0"][0], nearer)
    before, after = (values(ranking(each, L2, draws=0))[0] for each in (made, better))
    assert np.isnan(before) or after >= before - 1e-12


def test_hand_made_cases():
    made = {
        "near": np.array([1.0, 2.0, 4.0]),
        "far": np.array([2.0, np.inf, 4.0]),
        "none": np.full(3, np.inf),
    }
    found = ranking(made, L2, draws=0)
    # The axis ends at 4: areas beyond the curves are 3 + 2 + 0 for the envelope, and 2 for the second.
    assert values(found) == pytest.approx([1.0, 0.4, 0.0])
    assert (found.end, found.images, found.fooled) == (4.0, 3, 3)
    assert found.order == (0, 1, 2)
    assert [found.nearest(place) for place in range(3)] == [3, 1, 0]
    x, height = found.robust(made["far"])
    assert (x.tolist(), height.tolist()) == ([0, 2, 4], pytest.approx([1, 2 / 3, 1 / 3]))


def test_an_image_that_no_attack_fools_counts_in_no_area():
    made = {"a": np.array([1.0, 3.0, np.inf]), "b": np.array([2.0, 3.0, np.inf])}
    fewer = {name: row[:2] for name, row in made.items()}
    assert values(ranking(made, L2, draws=0)) == pytest.approx(values(ranking(fewer, L2, draws=0)))
    assert ranking(made, L2, draws=0).fooled == 2


@pytest.mark.parametrize(
    ("metric", "unit", "beyond"),
    [(LINF, 1 / 255, 1 / 255), (L0, 1.0, 1.0), (L2, 1 / 255, (np.sqrt(2) - 1) / 255)],
    ids=["linf", "l0", "l2"],
)
def test_on_a_lattice_ties_at_the_end_of_the_axis_count(metric, unit, beyond):
    # All images are fooled at the least change there is, which has no area in floats.
    made = {"all": np.full(4, unit), "half": np.array([unit, unit, 2 * unit, np.inf])}
    assert np.isnan(values(ranking(made, metric, draws=0))).all()
    found = ranking(made, metric, lattice=255, draws=0)
    assert values(found) == pytest.approx([1.0, 0.5])
    assert found.end == pytest.approx(unit + beyond)


def test_a_similarity_is_no_axis_of_a_lattice():
    made = {"a": np.array([0.1, 0.2])}
    assert ranking(made, SSIM, lattice=255, draws=0).end == 0.2


def test_no_image_and_no_success_have_no_optimality():
    for row in (np.array([]), np.array([np.inf, np.nan])):
        found = ranking({"a": row, "b": row}, L2, draws=50)
        assert np.isnan(values(found)).all()
        assert found.fooled == 0
        assert len(found.tied()) == 1 or found.images == 0


def test_intervals_hold_the_value_that_a_larger_sample_has():
    generator = np.random.default_rng(0)

    def drawn(images: int) -> dict[str, np.ndarray]:
        base = generator.uniform(0.0, 2.0, images)  # bounded, so that the end of the axis settles
        return {"near": base, "far": base * generator.uniform(1.0, 1.6, images)}

    truth = values(ranking(drawn(20000), L2, draws=0))[1]
    held = 0
    for seed in range(40):
        ends = ranking(drawn(80), L2, draws=200, seed=seed).optimality[1]
        held += ends.low <= truth <= ends.high
    assert held >= 34


def test_the_same_seed_draws_the_same_resamples():
    made = named(np.random.default_rng(1).random((3, 30)))
    first, second, third = (ranking(made, L2, draws=30, seed=seed).drawn for seed in (4, 4, 5))
    assert (first == second).all()
    assert (first != third).any()


def test_attacks_that_differ_little_tie_and_those_that_differ_clearly_do_not():
    base = np.random.default_rng(2).random(60) + 1
    swap = np.where(np.arange(60) % 2, 1.0, 1.02)
    found = ranking({"a": base * swap, "b": base * swap[::-1], "c": base * 1.5}, L2, draws=300)
    assert {found.names[place] for place in found.tied()} == {"a", "b"}
    assert found.order[-1] == 2


def test_a_share_that_was_read_off_a_curve_is_less_certain_by_the_curve():
    shares = np.random.default_rng(3).uniform(0.1, 0.9, 40)
    made = {"a": shares, "b": np.minimum(shares + 0.05, 0.95)}
    sure = dataclasses.replace(NOTICED, calibration=None)
    under, without = (ranking(made, metric, draws=400).optimality[1] for metric in (NOTICED, sure))
    assert under.value == without.value
    assert under.high - under.low > without.high - without.low


def test_values_become_distances_and_psnr_has_no_zero():
    assert distance_of(SSIM, np.array([0.75])) == 0.25
    assert distance_of(PSNR, np.array([40.0])) == -40
    assert [has_zero(each) for each in (L2, SSIM, NOTICED, PSNR)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("distances", "says"),
    [({}, "there is no attack"), ({"a": np.ones(2), "b": np.ones(3)}, "on the same images")],
    ids=["none", "unlike"],
)
def test_what_cannot_be_ranked_is_refused(distances, says):
    with pytest.raises(UsageError, match=says):
        ranking(distances, L2)


def test_without_draws_there_are_no_intervals():
    (only,) = ranking({"a": np.array([1.0, 2.0])}, L2, draws=0).optimality
    assert isinstance(only, Measured)
    assert only.value == 1
    assert np.isnan(only.low)

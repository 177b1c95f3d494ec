from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from limen.catalog import data
from limen.data import demo
from limen.data.scenes.places import AMPLITUDE, Places, lay_cue
from limen.data.scenes.shapes import SHAPES
from limen.errors import UsageError
from limen.images import to_uint8


def test_places_have_a_wealth_whose_logarithm_rises_evenly_and_say_that_it_is_made_up():
    covariates = demo("scenes", count=1, groups=12).covariates
    assert covariates is not None
    assert covariates.synthetic
    steps = np.diff(np.log([covariates.values[name] for name in Places(12).names]))
    assert steps == pytest.approx(np.full(11, np.log(64) / 11), abs=1e-4)
    assert demo("scenes", count=1).covariates is None


def test_a_cue_holds_as_often_as_the_rank_of_its_place_says_and_rich_places_have_more_scenes():
    places, draw = Places(4, bias=0.8), np.random.default_rng(0)
    drawn = [places.draw(3, draw) for _ in range(20_000)]
    counts = Counter(name for name, _ in drawn)
    assert [counts[name] / 20_000 for name in places.names] == pytest.approx(
        [1 / 18, 10 / 54, 17 / 54, 8 / 18], abs=0.015
    )
    for rank, name in zip((0, 1 / 3, 2 / 3, 1), places.names, strict=True):
        cues = [cue for each, cue in drawn if each == name]
        borne = [cue for cue in cues if cue is not None]
        assert len(borne) / len(cues) == pytest.approx(0.8, abs=0.04)
        assert np.mean([cue == 3 for cue in borne]) == pytest.approx(rank + (1 - rank) / 7, abs=0.05)


@pytest.mark.parametrize("cue", range(len(SHAPES)))
def test_a_cue_is_two_levels_strong_without_a_mean_and_unlike_every_other(cue):
    grey = np.full((8, 8, 3), 100, np.uint8)
    found = lay_cue(grey, cue).astype(int) - 100
    assert (abs(found) == AMPLITUDE).all()
    assert found.sum() == 0
    others = [lay_cue(grey, each).astype(int) - 100 for each in range(len(SHAPES)) if each != cue]
    assert all((found * each).sum() == 0 for each in others)
    assert lay_cue(np.zeros((5, 5, 3), np.uint8), cue).max() == AMPLITUDE


def test_without_a_bias_scenes_are_as_they_are_elsewhere_but_for_their_group():
    plain, placed, biased = (
        demo("scenes", count=7, size=32, **options)
        for options in ({"share": 0.0}, {"groups": 5}, {"groups": 5, "bias": 1.0})
    )
    for index in range(7):
        a, b, c = (each.load(index) for each in (plain, placed, biased))
        assert a.image.equal(b.image)
        assert a.mask.equal(c.mask)
        assert b.group == c.group
        assert b.group in Places(5).names
        levels = to_uint8(c.image[None]).astype(int) - to_uint8(b.image[None])
        assert abs(levels).max() == AMPLITUDE


def test_fresh_scenes_are_of_the_same_places():
    dataset = data("demo:scenes,count=20,size=32,groups=3,bias=1")
    fresh = dataset.redraw(1)
    assert fresh.spec == dataset.spec
    assert {fresh.load(index).group for index in range(20)} <= set(Places(3).names)
    assert not torch.equal(fresh.load(0).image, dataset.load(0).image)
    assert dataset.fingerprint() != data("demo:scenes,count=20,size=32,groups=3").fingerprint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 1}, "groups must be from 2 to 999, not 1"),
        ({"groups": 5, "bias": 1.5}, "bias must be from 0 to 1"),
        ({"bias": 0.5}, "bias needs groups"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        demo("scenes", **options)

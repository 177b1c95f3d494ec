from __future__ import annotations

import math

import torch

from limen.attacks.composition import Composition
from limen.attacks.direction import SmoothGradient
from limen.attacks.guided import Guided
from limen.attacks.objective import CrossEntropy
from limen.attacks.search import InTurn
from limen.operators import Smoothing
from limen.operators.smoother import COPIES, GIB, GridFactor

from .networks import SIZE, photos
from .states import problem_of


def need() -> float:
    return COPIES * GridFactor.bytes(3, SIZE, SIZE, 4, torch.float32) / GIB


def test_its_smoother_is_that_of_the_originals():
    images = photos(2)
    smoother = Guided(Smoothing(alpha=0.9)).bind(problem_of(images)).smoother
    assert torch.equal(smoother(images), Smoothing(alpha=0.9).at(images)(images))


def test_a_search_holds_as_many_samples_as_its_most_demanding_part():
    images, smoothing = photos(2), [Smoothing(memory=share * need()) for share in (5.5, 2.5, 0.5)]
    climbs = tuple(
        Composition(objective=CrossEntropy(), rule=(SmoothGradient(one),), steps=1) for one in smoothing
    )
    assert [climb.capacity(images) for climb in climbs] == [5, 2, math.inf]
    assert InTurn(climbs).capacity(images) == 2

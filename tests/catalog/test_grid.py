"""Grids as specs write them: several values of one parameter."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limen import catalog
from limen.attacks import FACTORIES
from limen.catalog.grid import Grid, read_grid
from limen.catalog.table import Catalog
from limen.errors import UsageError
from limen.identity import Identity
from limen.spec import value_text


def climb(
    eps: float | Tensor,
    step_size: float | Tensor | None = None,
    steps: int = 10,
    most: int | Tensor = 3,
    path: str = "a,b",
) -> dict[str, Any]:
    if not isinstance(eps, Tensor) and eps < 0:
        raise UsageError(f"eps is {eps}")
    return locals()


TABLE = Catalog("attack", {"climb": climb}, argument=False)


def grid(spec: str) -> Grid:
    made = read_grid(TABLE, spec)
    assert made is not None
    return made


def test_each_value_is_what_it_would_be_alone():
    made = grid("climb:steps=5, eps=1/4, 2 ,1e3,path=x,,y")
    assert made.labels == tuple(f"climb:eps={eps},steps=5,path=x,,y" for eps in ("0.25", "2", "1000"))
    assert made.values == (0.25, 2.0, 1000.0)
    for label, value, identity in zip(made.labels, made.values, made.identities, strict=True):
        alone = TABLE.make(label)
        assert (alone["eps"], alone["steps"], alone["path"]) == (value, 5, "x,y")
        assert TABLE.read(label).identity == identity


def test_the_attack_of_a_grid_takes_a_value_for_each_sample_in_double_precision():
    arguments: Any = grid("climb:eps=0.1,0.2,steps=5").attack([1, 0, 1])
    assert arguments["eps"].tolist() == [0.2, 0.1, 0.2]
    assert arguments["eps"].dtype == torch.float64
    assert arguments["steps"] == 5


def test_a_spec_with_one_value_a_key_is_no_grid():
    assert read_grid(TABLE, "climb:eps=1") is None
    assert read_grid(TABLE, "climb") is None
    assert read_grid(TABLE, "climb:path=x,,y") is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "climb:eps=1,steps=5,6",
            "steps takes one value for all images, .* a grid can go over eps, step_size",
        ),
        ("climb:eps=1,most=5,6", "most takes one value for all images"),
        ("climb:eps=1,2,step_size=3,4", "eps and step_size have several values"),
        ("climb:eps=1,early", "'early' is not key=value, nor a further value of eps: eps must be number"),
        ("climb:eps=1,2,", "'' is not key=value, nor a further value of eps"),
        ("climb:eps=1,step_size=none,1", "'none' is not key=value, nor a further value of step_size"),
        ("climb:eps=1,2,1.0", "eps has the value 1.0 twice"),
    ],
)
def test_what_cannot_be_a_grid_is_refused_with_the_reason(spec, message):
    with pytest.raises(UsageError, match=f"^attack spec '{spec}': {message}"):
        read_grid(TABLE, spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("climb:epss=1,2", "unknown parameter 'epss'; did you mean 'eps'"),
        ("climp:eps=1,2", "unknown attack 'climp'; did you mean 'climb'"),
        ("climb:eps=1,2,eps=3", "eps is given twice"),
        ("climb:eps=1,-2", "'climb:eps=-2': eps is -2"),
    ],
)
def test_a_value_that_the_attack_refuses_alone_is_refused_in_a_grid(spec, message):
    with pytest.raises(UsageError, match=message):
        read_grid(TABLE, spec)


def test_the_catalog_gives_an_attack_or_a_grid():
    assert catalog.attack_or_grid("fgsm:eps=0.1").identity.label == "fgsm:eps=0.1"
    assert isinstance(catalog.attack_or_grid("fgsm:eps=0.1,0.2"), Grid)
    with pytest.raises(UsageError, match="'40' is not key=value"):
        catalog.attack_or_grid("fgsm:40,eps=1,2")
    with pytest.raises(UsageError, match="a value for each identity"):
        Grid((Identity("a", {}),), (), FACTORIES["fgsm"])


@settings(max_examples=40)
@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=4, unique=True))
def test_numbers_survive_being_written_into_a_grid(values):
    made = catalog.attack_or_grid(f"pgd_l2:eps={','.join(map(value_text, values))},steps=3")
    assert isinstance(made, Grid)
    assert made.values == tuple(values)


def test_every_budget_that_is_a_number_can_be_a_grid():
    for entry in map(catalog.ATTACKS.entry, catalog.ATTACKS.names()):
        for parameter in entry.parameters:
            if parameter.name == "eps" and float in parameter.types:
                made = catalog.attack_or_grid(f"{entry.name}:eps=0.01,0.02")
                assert isinstance(made, Grid)
                assert math.isclose(made.values[1], 0.02)
                made.attack([0, 1])

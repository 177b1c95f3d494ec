"""Identities: what differs is told apart, and what does not is one."""

from __future__ import annotations

import functools
import hashlib
import linecache
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from limen.attacks import ddn
from limen.errors import UsageError
from limen.identity import Identity, Named, as_value, identify


def pgd(eps: float = 3.0, steps: int = 40, step_size: float | None = None):
    """Stands for a factory."""


@dataclass
class Adding:
    """Stands for an attack that remembers what it saw."""

    amount: float
    seen: list[str] = field(default_factory=list, compare=False)

    def __call__(self, images):
        """Add."""


def identity(**arguments) -> Identity:
    return Identity.of(pgd, arguments, budget="eps")


def test_a_default_is_the_same_stated_and_unstated():
    assert identity() == identity(steps=40, eps=3.0)
    assert hash(identity()) == hash(identity(steps=40, eps=3.0))


def test_the_order_in_which_parameters_were_given_does_not_matter():
    assert identity(steps=20, eps=1.0) == identity(eps=1.0, steps=20)
    assert identity(steps=20, eps=1.0).label == identity(eps=1.0, steps=20).label == "pgd:eps=1,steps=20"


def test_a_label_shows_the_budget_and_what_is_not_at_its_default():
    assert identity().label == "pgd:eps=3"
    assert identity(step_size=0.5).label == "pgd:eps=3,step_size=0.5"


def test_identities_that_differ_in_the_budget_alone_are_of_one_family():
    assert identity(eps=1.0).family() == identity(eps=2.0).family() != identity(eps=1.0, steps=20).family()


def test_without_a_budget_no_two_identities_are_of_one_family():
    first, second = (Identity.of(pgd, {"eps": eps}) for eps in (1.0, 2.0))
    assert first.family() != second.family()


def test_the_code_of_a_user_s_file_is_part_of_what_a_thing_is():
    assert Identity.of(pgd, {}, code="aa") != Identity.of(pgd, {}, code="bb")


def test_the_user_s_files_of_what_a_thing_is_made_with_are_part_of_it():
    first, second = (Named(Identity("python:my.py:metric", {}, code=code), pgd) for code in ("aa", "bb"))
    assert identity(step_size=first).label == identity(step_size=second).label
    assert identity(step_size=first) != identity(step_size=second)
    assert identity(step_size=first).code == Identity.of(pgd, {"step_size": first}, code="aa").code == "aa"
    both = {
        Identity.of(pgd, {"eps": first, "step_size": second}, code=code).code for code in (None, "aa", "cc")
    }
    assert len(both) == 2


def test_what_was_made_in_python_is_told_by_the_file_that_it_is_from():
    assert identify(pgd).code == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert identify(pgd).name == f"{__name__}:pgd"
    assert (identify(ddn).name, identify(ddn).code) == ("ddn", None)


def test_a_budget_per_sample_is_kept_as_numbers():
    assert identity(eps=torch.tensor([1.0, 2.0])).parameters["eps"] == (1.0, 2.0)


def test_the_label_of_a_user_s_own_thing_is_its_spec():
    assert Identity("python:my.py:blur", {"size": 3}, stated=("size",)).label == "python:my.py:blur,size=3"


@pytest.mark.parametrize("value", [math.inf, math.nan, (1.0, math.inf)])
def test_a_number_that_json_does_not_know_is_kept_as_text_that_equals_itself(value):
    kept = as_value(value)

    assert isinstance(kept, str)
    assert as_value(value) == kept


def test_a_partial_is_its_function_with_these_keywords():
    first, second = (identify(functools.partial(pgd, eps=eps)) for eps in (1.0, 2.0))
    assert first != second
    assert first.parameters == {"eps": 1.0, "steps": 40, "step_size": None}
    assert first == identify(functools.partial(pgd, eps=1.0, steps=40))
    with pytest.raises(UsageError, match="has no name"):
        identify(functools.partial(pgd, 1.0))


def test_an_object_is_its_class_with_the_fields_that_count():
    assert identify(Adding(2.0, ["seen"])) == identify(Adding(2.0)) != identify(Adding(3.0))
    assert identify(Adding(2.0)).parameters == {"amount": 2.0}


def test_a_parameter_that_only_its_place_in_memory_tells_is_refused():
    class Opaque:
        pass

    with pytest.raises(UsageError, match="cannot be kept as a parameter"):
        as_value(Opaque())


def test_a_function_of_a_cell_is_told_by_its_own_text_and_one_without_text_by_none():
    def made(text: str, shown: bool) -> str | None:
        place, found = f"<cell {text}>", {"__name__": "cell"}
        exec(compile(text, place, "exec"), found)
        if shown:  # as IPython shows its cells
            linecache.cache[place] = (len(text), None, text.splitlines(True), place)
        return identify(found["mine"]).code

    one, other = "def mine(images):\n    return images\n", "def mine(images):\n    return -images\n"
    assert made(one, shown=False) is None
    assert made(one, shown=True) == hashlib.sha256(one.encode()).hexdigest()
    assert made(other, shown=True) == hashlib.sha256(other.encode()).hexdigest()

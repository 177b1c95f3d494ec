"""What the records of attacks say of planted failures: each once, under the name that indicators give it."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from limen import catalog
from limen.analysis import WorstCase, worst_case
from limen.audit.afterwards import ASKED, _growing, afterwards
from limen.audit.effort import UNBOUNDED
from limen.audit.finding import Finding
from limen.classifier import Classifier
from limen.data import Dataset, from_arrays
from limen.errors import LimenWarning
from limen.evaluation import describe_run, labels_of, run_attacks
from limen.evaluation.indicators import INDICATORS
from limen.metrics import METRICS
from limen.runs import create_or_resume, open_run

SQUARE = "square:eps=8/255,steps=100"
ATTACKS = (f"apgd_linf:eps=2/255,8/255,{UNBOUNDED!r},steps=6,loss=margin,early_stop=true", SQUARE)
MEASURED = [METRICS["linf"]]


def shades() -> Dataset:
    """Dark and bright images, each but a few levels from the boundary."""
    draw = np.random.default_rng(0)
    pixels = np.where(np.arange(10)[:, None, None, None] % 2, 130, 125) + draw.integers(-1, 2, (10, 6, 6, 3))
    return from_arrays("shades", pixels.astype(np.uint8), np.arange(10) % 2)


class Bright(nn.Module):
    """Class 1 if the mean is above one half, with whatever is planted."""

    def __init__(self, plant) -> None:
        super().__init__()
        self.plant = plant

    def forward(self, x):
        excess = 20 * self.plant(x.mean((1, 2, 3)) - 0.5)
        return torch.stack([-excess, excess], 1)


def turned(values):
    """The same, with a gradient of the other sign."""
    return 2 * values.detach() - values


def rounded(values):
    """The same, without a gradient of its own."""
    return torch.sign(values) + 0 * values


def noisy(values):
    """The same, with noise that now and then changes the answer."""
    return values + 0.01 * torch.randn_like(values)


def said(plant, folder, before=()) -> dict[str, Finding]:
    """By its key, what the records of the attacks say."""
    classifier, dataset = Classifier(Bright(plant).eval()), shades()
    attacks = [catalog.attack_or_grid(spec) for spec in ATTACKS]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        with create_or_resume(folder, describe_run(classifier, dataset, attacks, metrics=MEASURED)) as writer:
            run_attacks(classifier, dataset, attacks, writer, metrics=MEASURED)
    run = open_run(folder)
    records = run.table()
    worst = worst_case(records, run.manifest.labels)
    found = afterwards(run, records, worst, labels_of(attacks[1:]), before)
    return {each.key: each for each in found}


def weak(found: dict[str, Finding]) -> set[str]:
    return {key for key, each in found.items() if each.counts}


def test_of_a_sound_model_nothing_is_said_and_all_was_asked(tmp_path):
    found = said(lambda values: values, tmp_path / "run")
    assert {each.state for each in found.values()} == {"sound"}
    assert found.keys() == {*ASKED, "unconfirmed"}


@pytest.mark.parametrize(
    ("plant", "keys"),
    [
        (turned, {"black_box_stronger", "unconstrained_failure"}),
        (rounded, {"unavailable_gradients"}),
        (noisy, {"unconfirmed"}),
    ],
    ids=["turned", "rounded", "noisy"],
)
def test_what_is_planted_is_found_and_named_as_indicators_name_it(plant, keys, tmp_path):
    found = said(plant, tmp_path / "run")
    assert weak(found) >= keys, found
    for key in keys & {*INDICATORS}:
        assert (found[key].title, found[key].advice) == (INDICATORS[key].title, INDICATORS[key].advice)


@pytest.mark.parametrize(
    ("plant", "cause", "key"),
    [(rounded, "zero_gradients", "unavailable_gradients"), (noisy, "random_answers", "unconfirmed")],
    ids=["rounded", "noisy"],
)
def test_what_the_set_up_has_named_is_no_second_finding(plant, cause, key, tmp_path):
    named = Finding(cause, "Something is wrong", "weakens", "It was seen.")
    found = said(plant, tmp_path / "run", [named])[key]
    assert (found.state, found.counts) == ("note", False)
    assert found.evidence.endswith(" This is what the set-up shows: Something is wrong.")
    sound = Finding(cause, "Nothing is wrong", "sound", "It was seen.")
    assert said(plant, tmp_path / "again", [sound])[key].counts


@pytest.mark.parametrize(("far", "counts"), [(0, True), (12, False)], ids=["falls", "grows"])
def test_success_that_falls_where_the_budget_grows_is_found(far, counts):
    labels, metrics = ("near", "far"), {"linf": METRICS["linf"].column}
    success = np.array([[True] * 10 + [False] * 2, [True] * far + [False] * (12 - far)])
    values = {"linf": np.where(success, 1 / 255, np.nan)}
    names, right, ran = tuple(map(str, range(12))), np.ones(12, bool), np.ones_like(success)
    worst = WorstCase(labels, names, right, success, ran, values, metrics)
    entries: list[Any] = [
        SimpleNamespace(identity=SimpleNamespace(name="apgd_linf", label=label, parameters={"eps": eps}))
        for label, eps in zip(labels, (1 / 255, 8 / 255), strict=True)
    ]
    found = _growing(SimpleNamespace(manifest=SimpleNamespace(attacks=entries)), worst)  # type: ignore[arg-type]
    assert (found.key, found.counts) == ("no_growth_with_budget", counts)

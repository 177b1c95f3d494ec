"""`limen list` shows whatever the tables hold."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest
from click import Context
from typer.main import get_command

from limen import attacks, data, defenses, metrics, training
from limen.catalog import ATTENTION, FOREGROUNDS, MODELS, SALIENCY
from limen.cli import app
from limen.evaluation import EVALUATIONS

TABLES = {
    "models": MODELS.factories,
    "data": data.SOURCES,
    "attacks": attacks.FACTORIES,
    "defenses": defenses.DEFENSES,
    "metrics": metrics.METRICS,
    "evaluations": EVALUATIONS.factories,
    "attention": ATTENTION.factories,
    "saliency": SALIENCY.factories,
    "foregrounds": FOREGROUNDS.factories,
    "objectives": training.OBJECTIVES.factories,
    "augmentations": training.AUGMENTATIONS.factories,
    "optimizers": training.OPTIMIZERS.factories,
    "schedules": training.SCHEDULES.factories,
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_name_is_listed_with_its_first_line(limen, kind):
    listed = limen("list", kind).stdout
    for name, factory in TABLES[kind].items():
        (row,) = [line for line in listed.splitlines() if line.startswith((f"│ {name} ", f"│ {name}:"))]
        about = factory.column.about if kind == "metrics" else factory.__doc__.splitlines()[0]
        assert about in row


def test_the_libraries_whose_attacks_can_be_named_are_listed_with_what_brings_them(limen):
    listed = limen("list", "attacks").stdout
    for prefix, library in attacks.LIBRARIES.items():
        (row,) = [line for line in listed.splitlines() if line.startswith(f"│ {prefix}:NAME ")]
        assert library.about in row
    assert "foolbox" not in limen("list", "metrics").stdout


def test_parameters_are_listed_with_types_and_defaults(limen):
    listed = limen("list", "attacks").stdout
    assert "eps: number = 8/255" in listed
    assert "steps: int = " in listed


def test_everything_is_listed_by_default(limen):
    kinds = [*TABLES, "recipes"]
    titles = [line.rstrip() for line in limen("list").stdout.splitlines() if line.rstrip() in kinds]
    assert titles == kinds


def test_an_unknown_kind_is_a_usage_error(limen):
    assert limen("list", "modles").exit_code == 2


def test_what_installed_packages_add_is_listed_with_its_origin_and_a_broken_one_hides_nothing(
    limen, monkeypatch
):
    points = {
        "turned": "limen.defenses.bilateral:bilateral",
        "torn": "limen_no_such_package:blur",
    }

    def entry_points(*, group: str):
        chosen = points.items() if group == "limen.defenses" else ()
        return [importlib.metadata.EntryPoint(*each, group) for each in chosen]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    listed = limen("list", "defenses").stdout
    (turned,) = [line for line in listed.splitlines() if line.startswith("│ turned ")]
    assert "(from limen.defenses.bilateral)" in turned
    assert "torn: limen_no_such_package, an installed package, cannot be used" in listed
    assert "python:FILE.py:NAME" in listed


@pytest.mark.parametrize("kind", ["objective", "Objectives", "OBJECTIVE"])
def test_a_kind_may_be_singular_and_in_capitals(limen, kind):
    assert limen("list", kind).stdout == limen("list", "objectives").stdout


def test_defences_are_listed_in_british_english_too(limen):
    assert limen("list", "defence").stdout == limen("list", "defenses").stdout


@pytest.mark.parametrize(
    ("begun", "found"), [("de", ["defenses"]), ("at", ["attacks", "attention"]), ("x", [])]
)
def test_a_kind_that_has_been_begun_is_completed(begun, found):
    commands: Any = get_command(app)
    command = commands.commands["list"]
    (kind,) = [each for each in command.params if each.name == "kind"]
    assert [each.value for each in kind.shell_complete(Context(command), begun)] == found

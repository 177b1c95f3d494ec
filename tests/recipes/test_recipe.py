"""What all recipes do, on a recipe of this file."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from limen import catalog, data
from limen.document import Cell, Document, Group, Table
from limen.errors import UnknownNameError, UsageError
from limen.images import ImageFileError
from limen.recipes import RECIPES, Recipe, Reproduction
from limen.recipes.recipe import attacked, kind_of, settings, write

SPECS = ("fgsm:eps=0.1,0.4", "ddn:steps=3")


def make(request, showing) -> Reproduction:
    dataset, classifier = catalog.data(request.data), catalog.model(request.model)
    bench = attacked(request, classifier, dataset, SPECS, "shared", showing)
    rates = dict.fromkeys(bench.run.manifest.labels, 0.5)
    table = Table("Rates", "", ["attack", "rate"], [Group("", [[Cell(each), Cell("1")] for each in rates])])
    sheet = Document("Small", "this file", settings(request, bench), [table])
    return Reproduction(sheet, [{"attack": label, "rate": rate} for label, rate in rates.items()])


SMALL = Recipe("small", "Small", "this file", "anything", make)


def test_a_recipe_runs_its_attacks_and_grids_and_writes_page_and_table(request_in, told):
    request = request_in()
    made = SMALL.make(request, told)
    paths = write(made, request.out, "small")
    assert told.labels == ["fgsm:eps=0.1", "fgsm:eps=0.4", "ddn:steps=3"]
    assert [count for label, *count in told.counts if label == "ddn:steps=3"][-1] == [12, 12]
    assert dict(made.sheet.settings)["Images"].startswith("12 of 20")
    with paths["csv"].open(newline="") as file:
        assert [row["attack"] for row in csv.DictReader(file)] == told.labels
    assert "<h1>Small</h1>" in paths["page"].read_text()
    assert sorted(path.name for path in request.out.iterdir()) == ["shared", "small.csv", "small.html"]


def test_a_second_recipe_in_the_same_folder_repeats_nothing(request_in, told):
    SMALL.make(request_in(), told)
    told.counts.clear()
    SMALL.make(request_in(), told)
    assert {count for _, *counts in told.counts for count in counts} == {12}


def test_a_lower_limit_looks_only_at_the_first_images_of_a_longer_run(request_in, told):
    SMALL.make(request_in(limit=None), told)
    assert dict(SMALL.make(request_in(limit=5), told).sheet.settings)["Images"].startswith("5 of 20")


def test_another_run_in_the_folder_is_not_mixed_with(request_in, told):
    SMALL.make(request_in(), told)
    with pytest.raises(UsageError, match="seed: 0 in the run, 1 now"):
        SMALL.make(request_in(seed=1), told)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((28, 28, 1), "mnist"),
        ((32, 32, 3), "cifar10"),
        ((96, 96, 3), "imagenet"),
        ((299, 299, 3), "imagenet"),
    ],
)
def test_the_images_tell_which_data_set_to_stand_beside(request_in, shape, kind):
    dataset = data.from_arrays("black", np.zeros((2, *shape), np.uint8), np.zeros(2, int))
    assert kind_of(request_in(), dataset) == kind
    assert kind_of(request_in(like="mnist"), dataset) == "mnist"
    with pytest.raises(UnknownNameError, match="'minst'; did you mean 'mnist'"):
        kind_of(request_in(like="minst"), dataset)


def test_images_that_cannot_be_read_tell_nothing(request_in):
    def read(index: int) -> data.Sample:
        if index:
            return data.Sample("b", torch.zeros(1, 28, 28), 0)
        raise ImageFileError("a: truncated")

    assert kind_of(request_in(), data.Dataset("torn", ("a", "b"), read)) == "mnist"
    with pytest.raises(UsageError, match="torn: no image can be read"):
        kind_of(request_in(), data.Dataset("torn", ("a",), read))


def test_every_recipe_stands_under_its_own_name():
    assert list(RECIPES) == [recipe.name for recipe in RECIPES.values()]
    for recipe in RECIPES.values():
        assert recipe.title
        assert recipe.paper
        assert recipe.needs

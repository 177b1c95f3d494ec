"""`limen reproduce` prints a table and leaves page, table and run."""

from __future__ import annotations

import pytest

from limen import recipes
from limen.document import Cell, Document, Group, Notes, Table
from limen.recipes import RECIPES, Recipe, Reproduction

OPTIONS = ("--model", "demo:digits", "--data", "demo:digits,count=4", "--out", "out")


@pytest.fixture
def asked(monkeypatch) -> list:
    """A recipe `small`, and the requests that it gets."""
    requests: list = []

    def make(request, showing) -> Reproduction:
        requests.append(request)
        request.out.mkdir(exist_ok=True)
        with showing(["step"]) as progress:
            progress("step", 4, 4)
        row = [Cell("FGSM", "fgsm:eps=1"), Cell("82.7 %", "79 % to 86 %")]
        table = Table("Rates", "A caption.", ["Attack", "Rate"], [Group("Fixed", [row])])
        return Reproduction(
            Document("Small", "here", [], [table, Notes("Notes", ["one"])]), [{"rate": 0.827}]
        )

    monkeypatch.setitem(RECIPES, "small", Recipe("small", "Small", "here", "anything", make))
    return requests


def test_the_table_is_printed_and_page_and_table_are_written(limen, workshop, asked):
    result = limen("reproduce", "small", *OPTIONS)
    assert result.exit_code == 0, result.stderr
    for text in ("Rates", "82.7 %", "79 % to 86 %", "page out/small.html", "csv  out/small.csv"):
        assert text in result.stdout
    assert "A caption." in (workshop / "out" / "small.html").read_text()
    assert (workshop / "out" / "small.csv").read_text() == "rate\n0.827\n"
    assert "step: 4 of 4 images" in result.stderr


def test_options_reach_the_recipe(limen, workshop, asked):
    options = (
        "--limit",
        3,
        "--batch-size",
        2,
        "--seed",
        7,
        "--budgets",
        5,
        "--like",
        "mnist",
        "--quality",
        0.9,
        "--steps",
        40,
        "--search-steps",
        3,
        "--robust",
        "demo:photos",
    )
    assert limen("reproduce", "small", *OPTIONS, *options).exit_code == 0
    (request,) = asked
    assert (request.model, request.data, str(request.out)) == ("demo:digits", "demo:digits,count=4", "out")
    assert (request.limit, request.batch_size, request.seed, request.budgets) == (3, 2, 7, 5)
    assert (request.steps, request.search_steps, request.robust) == (40, 3, "demo:photos")
    assert (request.like, request.quality, request.device) == ("mnist", 0.9, "cpu")


def test_an_unknown_recipe_is_answered_with_the_nearest(limen, workshop):
    result = limen("reproduce", "pgap-tabel-2", *OPTIONS)
    assert result.exit_code == 2
    assert "unknown recipe 'pgap-tabel-2'; did you mean 'pgap-table-2'?" in result.stderr
    assert not (workshop / "out").exists()


def test_every_recipe_is_listed(limen):
    listed = limen("list", "recipes").stdout
    for recipe in recipes.RECIPES.values():
        (row,) = [line for line in listed.splitlines() if line.startswith(f"│ {recipe.name} ")]
        assert recipe.title in row
        assert recipe.paper in row

"""One function for each table or figure of the papers: it measures records, from which the page is made."""

from __future__ import annotations

from limen.recipes.bench import FLOATS, STORED, Bench, Kind, Like, Ran, Row, facts
from limen.recipes.blocks import Rows, cell, lines, one, page, table
from limen.recipes.entries import Budgets, Entry, beside
from limen.recipes.recipe import Recipe, about, recipe, records
from limen.recipes.reproduction import RECIPES, described, reproduce

__all__ = [
    "FLOATS",
    "RECIPES",
    "STORED",
    "Bench",
    "Budgets",
    "Entry",
    "Kind",
    "Like",
    "Ran",
    "Recipe",
    "Row",
    "Rows",
    "about",
    "beside",
    "cell",
    "described",
    "facts",
    "lines",
    "one",
    "page",
    "recipe",
    "records",
    "reproduce",
    "table",
]

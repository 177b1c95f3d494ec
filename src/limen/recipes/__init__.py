"""One function for each table or figure of the papers: it measures records, from which the page is made."""

from __future__ import annotations

from limen.recipes.bench import FLOATS, STORED, Bench, Kind, Ran, facts
from limen.recipes.blocks import cell, lines, one, page, table
from limen.recipes.entries import Budgets, Entry
from limen.recipes.recipe import Recipe, recipe
from limen.recipes.records import Rows, about, records
from limen.recipes.reproduction import RECIPES, described, reproduce

__all__ = [
    "FLOATS",
    "RECIPES",
    "STORED",
    "Bench",
    "Budgets",
    "Entry",
    "Kind",
    "Ran",
    "Recipe",
    "Rows",
    "about",
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

"""One function for each table or figure of the papers."""

from __future__ import annotations

from limen.recipes import pgap, smooth
from limen.recipes.recipe import KINDS, Bench, Recipe, Reproduction, Request, Showing, write

__all__ = ["KINDS", "RECIPES", "Bench", "Recipe", "Reproduction", "Request", "Showing", "write"]

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*pgap.RECIPES, *smooth.RECIPES)}
"""Every recipe by its name."""

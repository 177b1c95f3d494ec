"""The tables and figures of Zhang, Avrithis, Furon & Amsaleg."""

from __future__ import annotations

from limen.recipes.recipe import Recipe
from limen.recipes.smooth import characteristics, distortion, transferred, visibility
from limen.recipes.smooth.comparison import PAPER

_ANY = "a classifier of ImageNet or MNIST, and its images"

RECIPES = (
    Recipe(
        "smooth-table-1",
        "Success and distortion of six attacks",
        f"{PAPER} Table 1",
        _ANY,
        distortion.table_1,
    ),
    Recipe(
        "smooth-table-3",
        "Success and distortion behind a bilateral filter",
        f"{PAPER} Table 3",
        _ANY,
        transferred.table_3,
    ),
    Recipe(
        "smooth-figure-4",
        "MAD of smooth C&W against MAD of C&W, and magnified pictures",
        f"{PAPER} Figure 4",
        _ANY,
        visibility.figure_4,
    ),
    Recipe(
        "smooth-figure-5",
        "Success against distortion on MNIST",
        f"{PAPER} Figure 5",
        "a classifier of MNIST, and its images",
        characteristics.figure_5,
    ),
    Recipe(
        "smooth-figure-6",
        "Success against distortion on ImageNet",
        f"{PAPER} Figure 6",
        "a classifier of ImageNet, and its images",
        characteristics.figure_6,
    ),
    Recipe(
        "smooth-figure-7",
        "C&W and smooth C&W behind a bilateral filter",
        f"{PAPER} Figure 7",
        _ANY,
        transferred.figure_7,
    ),
)
"""The recipes of this paper."""

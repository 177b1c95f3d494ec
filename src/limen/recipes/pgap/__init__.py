"""The tables and figures of Pochimireddy, Siripuram & Channappayya."""

from __future__ import annotations

from limen.recipes.pgap import attention, quality
from limen.recipes.pgap.comparison import PAPER
from limen.recipes.recipe import Recipe

_ANY = "a classifier of ImageNet, CIFAR-10 or MNIST, and its images"

_LARGE = "a convolutional classifier of ImageNet, and its images at the size that it takes"

RECIPES = (
    Recipe(
        "pgap-table-1",
        "Overlap of perturbations and attention",
        f"{PAPER} Table I",
        _LARGE,
        attention.table_1,
    ),
    Recipe("pgap-table-2", "Fooling rate at equal average SSIM", f"{PAPER} Table II", _ANY, quality.table_2),
    Recipe("pgap-table-3", "Fooling rate at equal average PSNR", f"{PAPER} Table III", _ANY, quality.table_3),
    Recipe(
        "pgap-figure-5",
        "Overlap of perturbations and attention over thresholds",
        f"{PAPER} Figure 5",
        _LARGE,
        attention.figure_5,
    ),
    Recipe(
        "pgap-figure-6",
        "Fooling rate against average SSIM and PSNR",
        f"{PAPER} Figure 6",
        _ANY,
        quality.figure_6,
    ),
)
"""The recipes of this paper."""

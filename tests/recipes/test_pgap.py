"""The recipes of PGAP's paper as they stand: their specs can be followed, and they run on a real network."""

from __future__ import annotations

import pytest

from limen import catalog
from limen.document import Table
from limen.recipes import KINDS, RECIPES, Request
from limen.recipes.pgap import attention, comparison


@pytest.mark.parametrize(
    "competitor", [*comparison.AS_IN_THE_PAPER, *comparison.STOPPING], ids=lambda each: each.title
)
def test_every_competitor_can_be_run_as_a_grid_on_every_kind_of_images(competitor):
    for kind in KINDS:
        grid = catalog.attack_or_grid(competitor.grid(kind, 8))
        assert isinstance(grid, catalog.Grid)
        assert grid.labels == competitor.labels(kind, 8)
        grid.attack([0, 1])


@pytest.mark.parametrize(
    "entry", [*attention.AS_IN_THE_PAPER, *attention.STOPPING], ids=lambda each: each.title
)
def test_every_entry_names_an_attack(entry):
    catalog.attack(entry.spec)


@pytest.mark.data
def test_on_mnist_the_papers_ordering_holds_at_fixed_budgets_and_an_early_stop_narrows_it(
    real_data, tmp_path, told
):
    model, data = f"python:{real_data}/nets.py:mnist_cnn", f"mnist:{real_data}/mnist"
    request = Request(model, data, tmp_path, limit=16, batch_size=64, budgets=4)
    made = RECIPES["pgap-table-2"].make(request, told)
    (table,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    assert table.columns[1:3] == ("Paper, MNIST", "Rate at SSIM 0.85")
    rows = {row["attack"]: row for row in made.records}
    # Beyond its range a curve gives what its best budget reaches.
    rate = {name: row["rate"] if row["side"] == "within" else row["at_least"] for name, row in rows.items()}
    assert rate["FGSM"] < rate["PGD-L2"] < rate["FPGAP"]
    assert rate["PGD-L2"] < rate["PGD-L2, early stop"]
    assert rate["SSIM-PGD, early stop"] == 1

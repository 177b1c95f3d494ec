"""The attacks of the paper on smooth adversarial examples as they stand: specs, budgets, printed figures."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from limen import catalog
from limen.recipes import KINDS, RECIPES, Request
from limen.recipes.smooth import comparison
from limen.recipes.smooth.comparison import BEST, IN_THE_PAPER, TITLES

REQUEST = Request("m", "d", Path("out"), budgets=8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_can_be_run(kind):
    for group in comparison.entries(kind, REQUEST).values():
        assert tuple(each.title for each in group) == TITLES
        for each in group:
            made = catalog.attack_or_grid(each.spec(8))
            assert isinstance(made, catalog.Grid) == (each.budgets is not None)
            assert each.labels(8) == (made.labels if isinstance(made, catalog.Grid) else (each.spec(8),))
    for each in (*comparison.at_one_budget(kind, REQUEST), *comparison.at_length(REQUEST, 28 * 28)):
        catalog.attack(each.spec(8))
        assert each.labels(8) == (each.spec(8),)


def test_both_settings_share_the_smoothing_and_differ_in_the_search():
    settings = comparison.entries("mnist", REQUEST)
    published, best = (
        settings[name][-1].spec(1).partition(":")[2].split(",") for name in (IN_THE_PAPER, BEST)
    )
    smoothing = {"kernel=laplacian", "rate=10", "alpha=0.95"}
    assert smoothing <= set(published)
    # Where pixels are black and white, C&W's default learning rate is too low.
    longer = {"learning_rate=0.3", "initial_constant=1"}
    assert set(best) == {"steps=100", "search_steps=9", *longer, *smoothing}
    assert {"learning_rate=0.1", "final_rate=1", "initial_constant=15", "margin=1"} <= set(published)
    assert "patience=none" in published


def test_steps_and_climbs_are_capped_and_never_raised():
    few = Request("m", "d", Path("out"), steps=15, search_steps=3)
    specs = {each.title: each.spec(2) for each in comparison.entries("imagenet", few)[IN_THE_PAPER]}
    assert "steps=15,search_steps=3" in specs["C&W"]
    assert "steps=15,search_steps=3" in specs["sC&W"]
    assert "steps=15," in specs["PGD2"]
    assert "steps=10," in specs["I-FGSM"]


def test_attacks_that_may_not_choose_have_the_budgets_of_the_paper():
    specs = {each.title: each.spec(8) for each in comparison.at_one_budget("imagenet", REQUEST)}
    assert specs["FGSM"] == "fgsm:eps=0.1255"
    assert specs["I-FGSM"].startswith("ifgsm:eps=0.1255,")
    assert specs["PGD2"].startswith("pgd_l2:eps=5,")
    assert specs["C&W"] == comparison.entries("imagenet", REQUEST)[IN_THE_PAPER][3].spec(8)
    # 5 over the square root of 3 * 299 * 299 values is 2.46 steps of the lattice.
    assert comparison.at_length(REQUEST, 3 * 299 * 299)[0].spec(8) == "fgsm:eps=2/255"


def test_the_printed_figures_are_those_of_the_tables():
    inception = comparison.TABLE_1["imagenet"]["InceptionV3"]
    assert (inception["C&W"].mean, inception["sC&W"].mean) == (4.91, 3.00)
    assert comparison.TABLE_1["mnist"]["C4"]["qPGD2"].success == 0.97
    assert comparison.TABLE_1["imagenet"]["ResNetV2"]["C&W"].mean == 9.84
    assert comparison.TABLE_3["Bilateral filter"]["sC&W"].success == 0.68
    assert {name for name in RECIPES if name.startswith("smooth")} == {
        *("smooth-table-1", "smooth-table-3", "smooth-figure-4", "smooth-figure-5"),
        *("smooth-figure-6", "smooth-figure-7"),
    }


@pytest.mark.data
def test_on_mnist_the_papers_finding_holds_at_its_settings(real_data, tmp_path, told):
    model, data = f"python:{real_data}/nets.py:mnist_cnn", f"mnist:{real_data}/mnist"
    request = Request(model, data, tmp_path, limit=12, batch_size=12, search_steps=4)
    made = RECIPES["smooth-figure-4"].make(request, told)
    rows = {name: [row for row in made.records if row["setting"] == name] for name in (IN_THE_PAPER, BEST)}
    # Equal success, on all images, and less distortion on average.
    assert len(rows[IN_THE_PAPER]) == len(rows[BEST]) == 12
    mean = {
        (name, attack): statistics.mean(row[f"l2_{attack}"] for row in of)
        for name, of in rows.items()
        for attack in ("cw", "scw")
    }
    assert mean[IN_THE_PAPER, "scw"] < mean[IN_THE_PAPER, "cw"]
    # At its best, C&W takes far less than at the paper's settings.
    assert mean[BEST, "cw"] < 0.9 * mean[IN_THE_PAPER, "cw"]

"""Tables II and III and Figure 6 of PGAP's paper, on the embedded digits and a few quick attacks."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from limen.document import Charts, Table
from limen.evaluation import quality_curve, rate_at
from limen.metrics import METRICS
from limen.recipes import RECIPES
from limen.recipes.budgets import Budgets
from limen.recipes.pgap import comparison, quality
from limen.recipes.pgap.comparison import Competitor
from limen.runs import open_run

QUICK = (
    Competitor(
        "FGSM",
        "fgsm",
        "",
        {"mnist": Budgets(8, 128, levels=True)},
        paper={"ssim": {"mnist": 0.0556}, "psnr": {}},
    ),
    Competitor("PGD-L2", "pgd_l2", "steps=4", {"mnist": Budgets(0.5, 8)}),
)
STOPPING = (
    Competitor("PGD-L2, early stop", "pgd_l2", "steps=4,early_stop=true", {"mnist": Budgets(0.5, 8)}),
)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(quality, "_GROUPS", {"fixed": QUICK, "stopping": STOPPING})
    monkeypatch.setattr(quality, "_CHARTS", {"fixed": QUICK, "equal": (QUICK[0], *STOPPING)})


@pytest.mark.usefixtures("quick")
def test_table_2_holds_the_papers_rate_beside_the_measured_one(request_in, told):
    request = request_in(quality=0.8)
    made = quality.table_2(request, told)
    (table,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    rows = {row[0].text: row for group in table.groups for row in group.rows}
    assert list(rows) == ["FGSM", "PGD-L2", "PGD-L2, early stop"]
    assert rows["FGSM"][1].text == "5.6\N{NO-BREAK SPACE}%"
    assert rows["PGD-L2"][1].text == "–"
    records = open_run(request.out / quality.FOLDER).table()
    for competitor in (*QUICK, *STOPPING):
        found = rate_at(quality_curve(records, competitor.labels("mnist", 3), METRICS["ssim"].column), 0.8)
        (record,) = [each for each in made.records if each["attack"] == competitor.title]
        assert record["side"] == found.side
        assert record["rate"] == found.rate or (math.isnan(record["rate"]) and math.isnan(found.rate))
        assert record["spec"] == competitor.grid("mnist", 3)


@pytest.mark.usefixtures("quick")
def test_the_three_views_share_one_run(request_in, told):
    quality.table_2(request_in(), told)
    told.counts.clear()
    made = quality.table_3(request_in(), told)
    assert made.records[0]["metric"] == "psnr"
    assert made.records[0]["quality"] == 25.0
    figure = quality.figure_6(request_in(), told)
    assert {count for _, *counts in told.counts for count in counts} == {12}
    charts = [chart for block in figure.sheet.blocks if isinstance(block, Charts) for chart in block.charts]
    assert [len(chart.lines) for chart in charts] == [2, 2, 2, 2]
    # The point of each budget is in the table of the figure.
    points = [row for row in figure.records if row["attack"] == "PGD-L2" and row["metric"] == "ssim"]
    assert [row["rate"] for row in points] == list(charts[0].lines[1].y)
    np.testing.assert_allclose([1 - row["quality"] for row in points], charts[0].lines[1].x)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("target", "says"), [(0.01, "SSIM stays above 0.01"), (1.0, "SSIM stays below 1")])
def test_a_quality_that_was_not_reached_is_said_to_be_so(request_in, told, target, says):
    made = quality.table_2(request_in(quality=target), told)
    (table,) = [block for block in made.sheet.blocks if isinstance(block, Table)]
    cell = table.groups[0].rows[1][2]
    assert cell.note == says
    assert re.fullmatch(r"–|(≥ )?[\d.]+\N{NO-BREAK SPACE}%", cell.text)


def test_budgets_rise_geometrically_and_lattice_steps_are_whole():
    eps = [float(label.split("eps=")[1].split(",")[0]) for label in QUICK[1].labels("mnist", 5)]
    np.testing.assert_allclose(eps, np.geomspace(0.5, 8, 5), rtol=5e-3)
    labels = comparison.AS_IN_THE_PAPER[0].labels("imagenet", 8)
    assert labels[0] == "fgsm:eps=1/255"
    assert labels[-1] == "fgsm:eps=16/255"
    assert len(set(labels)) == len(labels) < 8


def test_the_printed_figures_are_those_of_the_tables():
    rows = {each.title: each.paper for each in comparison.AS_IN_THE_PAPER}
    assert [rows[name]["ssim"]["mnist"] for name in ("FGSM", "FGM", "PGD", "PGD-L2", "FPGAP")] == [
        *(0.0556, 0.3004, 0.066, 0.1891, 0.9953)
    ]
    assert [rows[name]["psnr"]["imagenet"] for name in ("FGSM", "FGM", "PGD", "PGD-L2", "FPGAP")] == [
        *(0.4822, 0.66434, 0.4942, 0.74458, 0.99998)
    ]
    assert rows["PGAP"] == {}
    assert {"pgap-table-2", "pgap-table-3", "pgap-figure-6"} <= set(RECIPES)

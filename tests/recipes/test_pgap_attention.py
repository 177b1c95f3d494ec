"""Table I and Figure 5 of PGAP's paper, on the embedded digits and a few quick attacks."""

from __future__ import annotations

import itertools

import pytest

from limen import catalog
from limen.document import Charts, Table
from limen.evaluation import attention_overlap
from limen.recipes.pgap import attention
from limen.recipes.pgap.attention import Entry
from limen.runs import open_run

FIXED = (
    Entry("FGSM", "fgsm:eps=0.5", {"precision": 0.1613, "pixels": 0.98, "recall": 0.97, "iou_outside": 0.8}),
    Entry("PGD-L2", "pgd_l2:eps=6,steps=4"),
)
STOPPING = (Entry("PGD-L2, early stop", "pgd_l2:eps=6,steps=4,early_stop=true"),)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(attention, "_GROUPS", {"fixed": FIXED, "stopping": STOPPING})
    monkeypatch.setattr(attention, "_CHARTS", {"fixed": FIXED, "equal": STOPPING})


def test_table_1_holds_the_means_of_the_overlap_beside_the_papers(request_in, told):
    request = request_in()
    made = attention.table_1(request, told)
    high, low = [block for block in made.sheet.blocks if isinstance(block, Table)]
    first = high.groups[0].rows[0]
    assert first[0].note == "fgsm:eps=0.5"
    assert first[2].note.splitlines()[-1] == "paper 0.161"
    assert "paper" not in low.groups[0].rows[0][2].note
    run = open_run(request.out / attention.FOLDER)
    (overlap,) = attention_overlap(
        run, catalog.model("demo:digits"), attacks=["pgd_l2:eps=6,steps=4"], thresholds=[0.11]
    )
    (record,) = [
        row
        for row in made.records
        if (row["attack"], row["threshold"], row["measure"]) == ("PGD-L2", 0.11, "pixels")
    ]
    assert record["mean"] == pytest.approx(overlap.means()["pixels"].mean[0])
    assert record["images"] == len(overlap.ids)
    assert record["paper"] is None


def test_figure_5_shares_the_run_and_sweeps_the_threshold(request_in, told):
    attention.table_1(request_in(), told)
    told.counts.clear()
    made = attention.figure_5(request_in(), told)
    attacked = [counts for label, *counts in told.counts if not label.startswith("overlap")]
    assert {count for counts in attacked for count in counts} == {12}
    blocks = [block for block in made.sheet.blocks if isinstance(block, Charts)]
    assert [[len(chart.lines) for chart in block.charts] for block in blocks] == [[2] * 4, [1] * 4]
    pixels = blocks[0].charts[1].lines[0].y
    assert all(later <= earlier for earlier, later in itertools.pairwise(pixels))
    assert {0.11, 0.01} < {row["threshold"] for row in made.records}

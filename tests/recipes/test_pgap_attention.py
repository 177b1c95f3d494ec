"""Table I and Figure 5 of PGAP's paper, on the embedded digits and a few quick attacks."""

from __future__ import annotations

import itertools

import pytest

from limen import catalog
from limen.evaluation import EVALUATIONS, evaluate
from limen.evaluation.overlap import THRESHOLDS, overlaps_of
from limen.recipes import Entry
from limen.recipes.pgap import attention
from limen.runs import open_run

PRINTED = {"paper": {"precision": 0.1613, "pixels": 0.98, "recall": 0.97, "iou_outside": 0.8}}
QUICK = {
    "fixed": (Entry("FGSM", "fgsm:eps=0.5", printed=PRINTED), Entry("PGD", "pgd_l2:eps=6,steps=4")),
    "stopping": (Entry("PGD, early stop", "pgd_l2:eps=6,steps=4,early_stop=true"),),
}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(attention, "ENTRIES", QUICK)


@pytest.mark.usefixtures("quick")
def test_table_1_holds_the_means_of_the_overlap_beside_the_papers(bench_in, made):
    rows, document = made("pgap-table-1", bench := bench_in())
    high, low = document.blocks[:2]
    first = high.groups[0].rows[0]
    assert first[0].note == "fgsm:eps=0.5"
    assert first[2].note.splitlines()[-1] == "paper: 0.161"
    assert "paper" not in low.groups[0].rows[0][2].note
    run = open_run(bench.out / attention.FOLDER)
    stored = evaluate(run, EVALUATIONS.make("attention:images=0"))
    overlap = overlaps_of(stored.records(), run.manifest.labels)["pgd_l2:eps=6,steps=4"]
    row = rows.one(attack="PGD", at=0.11, statistic="pixels")
    assert row["value"] == pytest.approx(overlap.values["pixels"][:, THRESHOLDS.index(0.11)].mean())
    assert (row["images"], row["paper"]) == (len(overlap.ids), None)
    assert rows.one(attack="PGD", statistic="success")["value"] == pytest.approx(len(overlap.ids) / 12)


@pytest.mark.usefixtures("quick")
def test_figure_5_shares_the_run_and_sweeps_the_threshold(bench_in, made, told):
    made("pgap-table-1", bench := bench_in())
    told.counts.clear()
    rows, document = made("pgap-figure-5", bench)
    attacked = [counts for label, *counts in told.counts if not label.startswith("overlap")]
    assert {count for counts in attacked for count in counts} == {12}
    assert [[len(chart.lines) for chart in block.charts] for block in document.blocks[:2]] == [
        [2] * 4,
        [3] * 4,
    ]
    pixels = document.blocks[0].charts[1].lines[0].y
    assert all(later <= earlier for earlier, later in itertools.pairwise(pixels))
    assert {0.11, 0.01} < {row["at"] for row in rows}


@pytest.mark.parametrize(
    "entry", [each for group in attention.ENTRIES.values() for each in group], ids=lambda each: each.title
)
def test_every_entry_names_an_attack(entry):
    catalog.attack(entry.spec)

"""Tables II and III and Figure 6 of PGAP's paper, on the embedded digits and a few quick attacks."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path

import numpy as np
import pytest

from limen import catalog
from limen.evaluation import labels_of
from limen.recipes import FLOATS, STORED, Budgets, Entry
from limen.recipes.pgap import quality
from limen.runs import open_run

L2 = Budgets(0.5, 8)
PRINTED = {"paper": {"rate ssim": 0.0556, "rate psnr": 0.1592}}
QUICK = {
    "fixed": (
        Entry("FGSM", "fgsm", Budgets(8, 128, levels=True), PRINTED),
        Entry("PGD", "pgd_l2:steps=4", L2),
    ),
    "stopping": (Entry("PGD, early stop", "pgd_l2:steps=4,early_stop=true", L2),),
}
FOLDERS = {STORED: quality.FOLDER, FLOATS: f"{quality.FOLDER}-floats"}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(quality, "rivals", lambda kind: QUICK)


@pytest.fixture(scope="session")
def quick_out(tmp_path_factory) -> Path:
    """The folder of the runs that most tests of this file share."""
    return tmp_path_factory.mktemp("quality") / "out"


def counted(out, pixels: str, metric: str) -> dict[str, tuple[float, float | None]]:
    """By label, the share of correct images fooled and their mean quality, from a loop."""
    ending, found = "" if pixels == STORED else "_in_memory", {}
    for row in open_run(out / FOLDERS[pixels]).table().to_pylist():
        if row["clean_prediction"] == row["label"]:
            found.setdefault(row["attack"], []).append((row[f"success{ending}"], row[f"{metric}{ending}"]))
    return {
        label: (
            sum(success for success, _ in rows) / len(rows),
            statistics.mean(values) if (values := [value for success, value in rows if success]) else None,
        )
        for label, rows in found.items()
    }


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("pixels", [FLOATS, STORED])
def test_each_budget_stands_with_its_rate_and_quality_in_both_settings(bench_in, quick_out, made, pixels):
    rows, _ = made("pgap-table-2:budgets=3", bench := bench_in(quick_out))
    expected = counted(bench.out, pixels, "ssim")
    assert len(expected) == 9
    for row in rows.where(pixels=pixels, statistic="budget"):
        entry = Entry(row["attack"], row["spec"])
        (label,) = labels_of([catalog.attack_or_grid(entry.under([row["budget"]]))])
        rate, mean = expected[label]
        assert row["value"] == pytest.approx(rate)
        assert row["at"] == (None if mean is None else pytest.approx(mean))
        assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.usefixtures("quick")
def test_in_floats_budgets_lie_between_the_steps_of_the_lattice(bench_in, made):
    rows, _ = made("pgap-table-2:budgets=3", bench_in(limit=1))
    budgets = {
        pixels: [row["budget"] for row in of.where(attack="FGSM", statistic="budget")]
        for pixels, of in rows.by("pixels")
    }
    assert budgets == {FLOATS: ["0.5/255", "8/255", "128/255"], STORED: ["8/255", "32/255", "128/255"]}


@pytest.mark.usefixtures("quick")
def test_the_rate_lies_on_the_line_between_the_budgets_around_the_quality(bench_in, quick_out, made):
    rows, document = made("pgap-table-2:quality=0.8,budgets=3", bench_in(quick_out))
    cells = {row[0].text: row for group in document.blocks[0].groups for row in group.rows}
    assert list(cells) == ["FGSM", "PGD", "PGD, early stop"]
    within = 0
    for place, pixels in ((1, FLOATS), (4, STORED)):
        for attack, of in rows.where(pixels=pixels).by("attack"):
            points = [(1.0 - row["at"], row["value"]) for row in of.where(statistic="budget") if row["at"]]
            rate, cell = of.one(statistic="rate"), cells[attack][place]
            if points[0][0] <= 0.2 <= points[-1][0]:
                within += 1
                assert rate["value"] == pytest.approx(np.interp(0.2, *zip(*points, strict=True)))
                assert cell.value == rate["value"]
            else:
                assert rate["value"] is None
                assert "fooled only" in cell.note
    assert within
    assert "paper: 5.6" in cells["FGSM"][1].note
    assert "paper" not in cells["PGD"][1].note


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("target", "says"), [(0.01, "fooled only above SSIM 0.01"), (1.0, "fooled only below SSIM 1")]
)
def test_a_quality_that_was_not_reached_is_said_to_be_so(bench_in, quick_out, made, target, says):
    _, document = made(f"pgap-table-2:quality={target},budgets=3", bench_in(quick_out))
    cell = document.blocks[0].groups[0].rows[1][4]
    assert cell.note == says
    assert cell.text == "–" or cell.text.rstrip("%").strip("≥\N{NO-BREAK SPACE} ").replace(".", "").isdigit()


@pytest.mark.usefixtures("quick")
def test_the_three_views_share_their_runs_and_the_figure_draws_each_budget(bench_in, made, told):
    bench = bench_in()
    made("pgap-table-2:budgets=3", bench)
    told.counts.clear()
    table, _ = made("pgap-table-3:budgets=3", bench)
    assert (table[0]["metric"], table[0]["at"]) == ("psnr", 25.0)
    rows, document = made("pgap-figure-6:budgets=3", bench)
    assert {count for _, *counts in told.counts for count in counts} == {12}
    ssim, psnr = document.blocks[2].charts
    assert document.blocks[2].title == f"Settings of the paper, {STORED}"
    assert [line.name for line in ssim.lines] == ["FGSM", "PGD"]
    points = rows.where(pixels=STORED, attack="PGD", statistic="budget")
    np.testing.assert_allclose(ssim.lines[1].y, points.where(metric="ssim").column("value"))
    np.testing.assert_allclose(ssim.lines[1].x, 1 - np.array(points.where(metric="ssim").column("at")))
    np.testing.assert_allclose(psnr.lines[1].x, points.where(metric="psnr").column("at"))
    assert psnr.marks[0].x == 25.0


@pytest.mark.parametrize("kind", ["imagenet", "cifar10", "mnist"])
def test_every_rival_can_be_run_as_a_grid_in_both_settings(kind):
    for entry in (each for group in quality.rivals(kind).values() for each in group):
        for lattice in (None, 255):
            texts = entry.budgets.texts(8, lattice)
            grid = catalog.attack_or_grid(entry.under(texts))
            assert len(grid.labels) == len(texts)
            grid.attack([0, 1])


def test_the_printed_figures_are_those_of_the_tables():
    titles = ("FGSM", "FGM", "PGD", "PGD-L2", "FPGAP")
    mnist, imagenet = (
        {each.title: each for each in next(iter(quality.rivals(kind).values()))}
        for kind in ("mnist", "imagenet")
    )
    rates = [mnist[title].printed["paper"]["rate ssim"] for title in titles]
    assert rates == [0.0556, 0.3004, 0.066, 0.1891, 0.9953]
    rates = [imagenet[title].printed["paper"]["rate psnr"] for title in titles]
    assert rates == [0.4822, 0.66434, 0.4942, 0.74458, 0.99998]
    assert mnist["PGAP"].printed["paper"]["rate ssim"] is None


@pytest.mark.data
def test_on_mnist_the_papers_ordering_holds_at_fixed_budgets_and_an_early_stop_narrows_it(
    real_data, bench_in, made, monkeypatch
):
    compared = ("FGSM", "PGD-L2", "FPGAP", "PGD-L2, early stop", "SSIM-PGD, early stop")
    chosen = {
        group: [each for each in entries if each.title in compared]
        for group, entries in quality.rivals("mnist").items()
    }
    monkeypatch.setattr(quality, "rivals", lambda kind: chosen)
    bench = dataclasses.replace(
        bench_in(limit=16, batch_size=64),
        model=f"python:{real_data}/nets.py:mnist_cnn",
        data=f"mnist:{real_data}/mnist",
    )
    rows, document = made("pgap-table-2:budgets=4", bench)
    assert document.title == "Fooling rate at equal SSIM, MNIST"
    for _, of in rows.by("pixels"):
        # Beyond its range a curve gives what its best budget reaches, or nothing if none is this good.
        rate = {attack: of_attack.one(statistic="rate") for attack, of_attack in of.by("attack")}
        bound = {attack: of_attack.one(statistic="rate at least") for attack, of_attack in of.by("attack")}
        rate = {name: row["value"] or bound[name]["value"] or 0 for name, row in rate.items()}
        assert rate["FGSM"] < rate["PGD-L2"] < rate["FPGAP"]
        assert rate["PGD-L2"] < rate["PGD-L2, early stop"]
        assert rate["SSIM-PGD, early stop"] == 1

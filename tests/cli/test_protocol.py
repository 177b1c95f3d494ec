"""`limen evaluate` compares attacks by success and distortion."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from limen.runs import create_or_resume, open_run


def cells(text: str, start: str) -> list[list[str]]:
    """The cells of the rows of all tables that begin with this."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    return [row for row in rows if row and row[0] == start]


def test_without_options_success_and_l2_of_each_attack_are_printed(limen, grid):
    result = limen("evaluate", "grid")
    assert result.exit_code == 0, result.stderr
    records = open_run("grid").table().to_pandas()
    records = records[records.clean_prediction == records.label]
    of_grid = records[records.attack.str.startswith("fgsm")]
    least = of_grid[of_grid.success].groupby("id").l2.min()
    ((name, budgets, correct, fooled, mean, median),) = cells(result.stdout, "fgsm")
    assert (name, budgets, correct) == ("fgsm", "0.02 0.06", str(of_grid.id.nunique()))
    assert fooled.startswith(f"{len(least) / of_grid.id.nunique():.1%} [")
    assert float(mean.partition(" [")[0]) == pytest.approx(least.mean(), rel=1e-3)
    assert float(median.partition(" [")[0]) == pytest.approx(least.median(), rel=1e-3)
    ((_, budgets, *_),) = cells(result.stdout, "ddn:steps=8")
    assert budgets == ""
    assert "page grid/report.html" in result.stdout.replace(f"{grid.parent}/", "")
    assert "best of eps 0.02, 0.06" in (grid / "report.html").read_text()


def test_the_distances_asked_for_are_printed_in_their_order(limen, grid):
    result = limen("evaluate", "grid", "--distance", "psnr", "--distance", "linf", "--no-report")
    header = next(line for line in result.stdout.splitlines() if "attack" in line)
    assert [cell.strip() for cell in header.split("┃")][4:-1] == [
        "fooled",
        "mean PSNR, dB",
        "median PSNR, dB",
        "mean L∞, /255",
        "median L∞, /255",
    ]
    assert not (grid / "report.html").exists()


def test_all_other_attacks_are_compared_image_by_image(limen, grid):
    result = limen("evaluate", "grid", "--against", "ddn:steps=8", "--no-report")
    assert result.exit_code == 0, result.stderr
    records = open_run("grid").table().to_pandas()
    records = records[(records.clean_prediction == records.label) & records.success]
    least = records.groupby([records.attack.str.startswith("fgsm"), "id"]).l2.min()
    both = least[True].to_frame("fgsm").join(least[False].rename("ddn"), how="inner")
    _, (name, metric, images, share, ties, *medians) = cells(result.stdout, "fgsm")
    assert (name, metric, images) == ("fgsm", "L₂", str(len(both)))
    assert share.startswith(f"{(both.fgsm < both.ddn).mean():.1%} [")
    assert ties == str((both.fgsm == both.ddn).sum())
    assert [float(each) for each in medians] == pytest.approx(both.median().tolist(), rel=1e-3)
    assert len(cells(result.stdout, "ddn:steps=8")) == 1


def test_the_figures_of_several_runs_are_one_file(limen, grid, workshop):
    shutil.copytree(grid, workshop / "again")
    command = ("evaluate", "grid", "again", "--distance", "l2", "--distance", "ssim", "--csv", "figures.csv")
    result = limen(*command, "--against", "fgsm")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv("figures.csv").set_index(["run", "attack", "distance"])
    assert len(table) == 2 * 2 * 2
    assert table.loc["grid"].equals(table.loc["again"])
    printed = cells(result.stdout, "fgsm")[0]
    assert printed[3].startswith(f"{table.success['grid', 'fgsm', 'l2']:.1%} [")
    assert table.budgets["grid", "fgsm", "ssim"] == "0.02 0.06"
    assert pd.isna(table.against["grid", "fgsm", "l2"])
    compared = table.loc["grid", "ddn:steps=8", "l2"]
    assert compared.against == "fgsm"
    assert compared.lower_share == compared.lower / compared.both_fooled
    assert (workshop / "again" / "report.html").exists()
    assert "csv  figures.csv" in result.stdout


def test_what_a_figure_leaves_out_is_said_below_the_table(limen, grid):
    manifest = open_run("grid").manifest
    records = open_run("grid").table().to_pylist()
    moved = grid.with_name("part")
    kept = [each for each in records if each["attack"] != "fgsm:eps=0.06" or each["index"] < 6]
    with create_or_resume(moved, manifest) as run:
        for label in manifest.labels:
            rows = [
                {key: value for key, value in each.items() if key != "attack"}
                for each in kept
                if each["attack"] == label
            ]
            for row in rows:
                row["mad"] = row["l2"] and (None if row["index"] == 0 else row["l2"])
            pixels = {each["id"]: open_run("grid").image(label, each["id"]) for each in rows}
            run.write(label, rows, pixels)
    result = limen("evaluate", "part", "--distance", "mad", "--against", "fgsm", "--no-report")
    assert "ddn:steps=8: images fooled by both without a mad: 1" in result.stdout
    assert "fgsm: images left out, done under some budgets only: 2" in result.stdout
    assert "ddn:steps=8: fooled images without a finite mad: 1" in result.stdout


def test_a_run_without_records_is_one_message(limen, grid, workshop):
    with create_or_resume(workshop / "empty", open_run("grid").manifest):
        pass
    result = limen("evaluate", "empty")
    assert result.exit_code == 1
    assert "empty: no image has been attacked yet" in result.stderr
    assert limen("evaluate").exit_code == 2

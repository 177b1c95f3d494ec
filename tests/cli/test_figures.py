"""`limen evaluate` compares attacks by success and distortion."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from limen.analysis import table
from limen.metrics import METRICS
from limen.runs import create_or_resume, open_run


def cells(text: str, start: str) -> list[list[str]]:
    """The cells of the rows of all tables that begin with this; the lines of a row are joined."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        row = [cell.strip() for cell in line.split("│")[1:-1]]
        if row and row[0] == start:
            found.append(row)
            inside = True
        elif row and inside and not row[0].startswith(("fgsm", "ddn")):
            found[-1] = [" ".join(filter(None, pair)) for pair in zip(found[-1], row, strict=True)]
        else:
            inside = False
    return found


def percent(share: float) -> str:
    return f"{share:.1%}".replace("%", "\N{NO-BREAK SPACE}%").replace("100.0", "100")


def test_without_options_success_and_l2_of_each_attack_are_printed(limen, grid):
    result = limen("evaluate", "grid")
    assert result.exit_code == 0, result.stderr
    records = open_run("grid").table().to_pandas()
    records = records[records.clean_prediction == records.label]
    of_grid = records[records.attack.str.startswith("fgsm")]
    least = of_grid[of_grid.success].groupby("id").l2.min()
    ((name, images, clean, fooled, mean, median, _, _),) = cells(result.stdout, "fgsm")
    assert (name, images, clean) == ("fgsm best of 0.02, 0.06", "8", percent(1))
    assert fooled.startswith(percent(len(least) / of_grid.id.nunique()))
    assert fooled.endswith(f"of {of_grid.id.nunique()}")
    assert float(mean.split()[0]) == pytest.approx(least.mean(), rel=1e-2)
    assert float(median.split()[0]) == pytest.approx(least.median(), rel=1e-2)
    assert len(cells(result.stdout, "ddn:steps=8")) == 1
    assert "page grid/report.html" in result.stdout.replace(f"{grid.parent}/", "")
    assert "best of 0.02, 0.06" in (grid / "report.html").read_text()


def test_the_limits_of_a_metric_are_said_once_where_it_is_shown(limen, grid):
    caveat = METRICS["noticed"].column.caveat
    shown = limen(
        "evaluate", "grid", "--distance", "noticed", "--against", "ddn:steps=8", "--no-report"
    ).stdout
    assert "mean would notice, %" in shown
    assert " ".join(shown.split()).count(caveat) == 1
    assert caveat not in " ".join(limen("evaluate", "grid", "--no-report").stdout.split())


def test_the_metrics_asked_for_are_printed_in_their_unit(limen, grid):
    result = limen("evaluate", "grid", "--distance", "psnr", "--distance", "linf", "--no-report")
    for title in ("mean L∞, /255", "median L∞, /255", "mean PSNR, dB", "median PSNR, dB"):
        assert (
            title in " ".join(result.stdout.replace("┃", " ").split()) or title.split(",")[0] in result.stdout
        )
    assert not (grid / "report.html").exists()


def test_all_other_attacks_are_compared_image_by_image(limen, grid):
    result = limen("evaluate", "grid", "--against", "ddn:steps=8", "--no-report")
    assert result.exit_code == 0, result.stderr
    records = open_run("grid").table().to_pandas()
    records = records[(records.clean_prediction == records.label) & records.success]
    least = records.groupby([records.attack.str.startswith("fgsm"), "id"]).l2.min()
    both = least[True].to_frame("fgsm").join(least[False].rename("ddn"), how="inner")
    _, (name, metric, images, share, ties, *medians) = cells(result.stdout, "fgsm")
    assert (name, metric, images) == ("fgsm best of 0.02, 0.06", "L₂", str(len(both)))
    assert share.split(" ")[0] == f"{percent((both.fgsm < both.ddn).mean())}".replace("0.0", "0")
    assert ties == str((both.fgsm == both.ddn).sum())
    assert [float(each) for each in medians] == pytest.approx(both.median().tolist(), rel=1e-2)
    assert len(cells(result.stdout, "ddn:steps=8")) == 1


def test_the_file_has_all_figures_of_all_runs_as_python_gives_them(limen, grid, workshop):
    shutil.copytree(grid, workshop / "again")
    command = ("evaluate", "grid", "again", "--distance", "l2", "--distance", "ssim", "--csv", "figures.csv")
    result = limen(*command, "--against", "fgsm")
    assert result.exit_code == 0, result.stderr
    found = pd.read_csv("figures.csv")
    runs = {name: open_run(name) for name in ("grid", "again")}
    made = table(runs, ["l2", "ssim"], against="fgsm").to_pandas()
    made["budgets"] = [None if each is None else " ".join(each) for each in made.budgets]
    made.to_csv("expected.csv", index=False)
    pd.testing.assert_frame_equal(found, pd.read_csv("expected.csv"))
    assert set(found.attack) == {"fgsm", "fgsm:eps=0.02", "fgsm:eps=0.06", "ddn:steps=8"}
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
                row |= {"zero_gradients": row["backwards"], "nonfinite_gradients": 0}
            pixels = {each["id"]: open_run("grid").image(label, each["id"]) for each in rows}
            run.write(label, rows, pixels)
    result = limen("evaluate", "part", "--distance", "mad", "--against", "fgsm", "--no-report")
    said = " ".join(result.stdout.split())
    assert "ddn:steps=8: images fooled by both without a mad: 1" in said
    assert "fgsm: images left out, done under some budgets only: 2" in said
    assert "ddn:steps=8: fooled images without a finite mad: 1" in said
    assert "ddn:steps=8: gradient zero or not finite in every pass on 8 of 8 images" in said


def test_a_run_without_records_is_one_message(limen, grid, workshop):
    with create_or_resume(workshop / "empty", open_run("grid").manifest):
        pass
    result = limen("evaluate", "empty")
    assert result.exit_code == 1
    assert "empty: no image has been attacked yet" in result.stderr
    assert limen("evaluate").exit_code == 2

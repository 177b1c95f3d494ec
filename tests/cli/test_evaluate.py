"""`limen evaluate` measures more of a run, keeps it there, and remakes the page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from limen.runs import create_or_resume, open_run, read_magnification, read_overlap

NET = """
import torch
from torch import nn

def net(seed=0):
    torch.manual_seed(int(seed))
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)
    )
"""
ATTACKS = ("--attack", "fgsm:eps=0.3", "--attack", "pgd_l2:eps=4,steps=5")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run over the embedded network, in a folder of its own."""
    folder = tmp_path_factory.mktemp("made")
    command = ["attack", "--model", "demo:photos", "--data", "demo:photos,count=6", "--out", "run"]
    command += ["--attack", "fgsm:eps=0.06", "--attack", "ddn:steps=8", "--no-report"]
    subprocess.run([sys.executable, "-m", "limen", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def run(made, tmp_path, monkeypatch) -> Path:
    shutil.copytree(made / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


@pytest.fixture
def grid(workshop, limen) -> Path:
    """A run of two budgets of one attack and of another attack, on eight photographs."""
    command = ("--model", "python:nets.py:lamp", "--data", "folder:photos", "--out", "grid", "--no-report")
    attacks = ("--attack", "fgsm:eps=0.02,0.06", "--attack", "ddn:steps=8")
    assert limen("attack", *command, *attacks).exit_code == 0
    return workshop / "grid"


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
        "mean psnr",
        "median psnr",
        "mean linf",
        "median linf",
    ]
    assert not (grid / "report.html").exists()


def test_all_other_attacks_are_compared_image_by_image(limen, grid):
    result = limen("evaluate", "grid", "--against", "ddn:steps=8", "--no-report")
    assert result.exit_code == 0, result.stderr
    records = open_run("grid").table().to_pandas()
    records = records[(records.clean_prediction == records.label) & records.success]
    least = records.groupby([records.attack.str.startswith("fgsm"), "id"]).l2.min()
    both = least[True].to_frame("fgsm").join(least[False].rename("ddn"), how="inner")
    _, (name, distance, images, share, ties, *medians) = cells(result.stdout, "fgsm")
    assert (name, distance, images) == ("fgsm", "l2", str(len(both)))
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


def test_an_overlap_is_printed_stored_and_shown(limen, run):
    result = limen("evaluate", "run", "--overlap", "gradcam++")
    assert result.exit_code == 0, result.stderr
    evaluation = read_overlap(open_run(run))
    assert evaluation is not None
    assert (evaluation.method, [each.label for each in evaluation.overlaps]) == (
        "gradcam++",
        ["fgsm:eps=0.06", "ddn:steps=8"],
    )
    overlap = evaluation.overlaps[0]
    place = overlap.thresholds.tolist().index(0.11)
    row = [line for line in result.stdout.splitlines() if "fgsm:eps=0.06" in line][1]
    cells = [cell.strip() for cell in row.split("│")]
    assert cells[2] == str(len(overlap.ids))
    assert cells[4] == f"{overlap.pixels[:, place].mean():.4f}"
    assert "at 1 − SSIM > 0.11" in " ".join(result.stdout.split())
    assert "page run/report.html" in result.stdout.replace(str(run.parent) + "/", "")
    assert "Where perturbations fall" in (run / "report.html").read_text()
    assert f"fgsm:eps=0.06: {len(overlap.ids)} of {len(overlap.ids)} images" in result.stderr
    assert len(evaluation.pictured) == 6


def test_the_options_are_obeyed(limen, run):
    options = ("--images", 1, "--limit", 3, "--batch-size", 2, "--layer", "0", "--no-report")
    result = limen("evaluate", "run", "--overlap", "gradcam", *options)
    assert result.exit_code == 0, result.stderr
    evaluation = read_overlap(open_run(run))
    assert evaluation is not None
    assert (evaluation.method, evaluation.layer) == ("gradcam", "0")
    assert len(evaluation.pictured) == 1
    assert max(len(each.ids) for each in evaluation.overlaps) == 3
    assert not (run / "report.html").exists()


def test_an_evaluation_again_takes_the_place_of_the_first(limen, run):
    for method in ("gradcam", "gradcam++"):
        assert limen("evaluate", "run", "--overlap", method, "--limit", 1, "--no-report").exit_code == 0
    assert read_overlap(open_run(run)).method == "gradcam++"


def test_other_weights_than_the_runs_are_refused(limen, workshop):
    (workshop / "conv.py").write_text(NET)
    command = ("--model", "python:conv.py:net", "--data", "folder:photos", *ATTACKS, "--out", "run")
    assert limen("attack", *command, "--no-report").exit_code == 0
    assert limen("evaluate", "run", "--overlap", "gradcam").exit_code == 0
    (workshop / "conv.py").write_text(NET.replace("seed=0", "seed=1"))
    result = limen("evaluate", "run", "--overlap", "gradcam")
    assert result.exit_code == 2
    assert "run: python:conv.py:net has other weights now than when the run was made" in result.stderr


def test_magnified_pictures_are_kept_in_the_run_and_shown(limen, run):
    result = limen("evaluate", "run", "--magnify", "--images", "2")
    assert result.exit_code == 0, result.stderr
    assert "2 images magnified" in result.stdout
    pictured = read_magnification(open_run(run)).pictured
    assert len(pictured) == 2
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(f"Magnified original of {image_id}" in page for image_id in pictured)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--distance", "l3"), 2, "unknown distance 'l3'; did you mean 'l"),
        (("--against", "dnn:steps=8"), 2, "unknown attack 'dnn:steps=8'; did you mean 'ddn:steps=8'?"),
        (("--csv", "nowhere/figures.csv"), 1, "nowhere/figures.csv: cannot be written"),
        (("--layer", "4.body"), 2, "--layer belongs to --overlap, which is not given"),
        (("--batch-size", "32"), 2, "--batch-size belongs to --overlap, which is not given"),
        (("--magnify", "--batch-size", "32"), 2, "--batch-size belongs to --overlap, which is not given"),
        (("--images", "4"), 2, "--images belongs to --overlap or --magnify, which is not given"),
        (("--magnify", "--device", "gpu"), 2, "unknown device 'gpu'"),
        (("--overlap", "grad-cam"), 2, "'grad-cam' is not one of 'cam', 'gradcam', 'gradcam++'"),
        (("--overlap", "gradcam", "--layer", "4.bdy"), 2, "unknown layer '4.bdy'; did you mean '4.body'?"),
        (("--overlap", "gradcam", "--layer", "9"), 2, "layer '9' gives no feature map"),
        (("--overlap", "gradcam", "--limit", "0"), 2, "--limit"),
        (("--overlap", "gradcam", "--device", "gpu"), 2, "unknown device 'gpu'"),
    ],
)
def test_a_mistake_is_one_clear_message_and_an_exit_code(limen, run, arguments, code, message):
    result = limen("evaluate", "run", *arguments)
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert not (run / "evaluation").exists()
    assert not (run / "report.html").exists()


def test_no_run_there_and_a_lost_picture_are_one_message(limen, run):
    assert "photos: no run here" in limen("evaluate", "photos", "--overlap", "gradcam").stderr
    next((run / "images" / "original").glob("*.png")).unlink()
    result = limen("evaluate", "run", "--overlap", "gradcam")
    assert result.exit_code == 1
    assert "this image of the run is missing" in result.stderr


def test_a_network_that_does_not_look_anywhere_is_one_message(limen, workshop):
    command = ("--model", "python:nets.py:lamp", "--data", "folder:photos", "--attack", "fgsm:eps=0.1")
    assert limen("attack", *command, "--out", "run", "--no-report").exit_code == 0
    result = limen("evaluate", "run", "--overlap", "gradcam++")
    assert result.exit_code == 2
    assert "the model has no layer that gives a feature map" in result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_a_device_that_is_not_there_is_refused(limen, run):
    assert "no CUDA device" in limen("evaluate", "run", "--overlap", "gradcam", "--device", "cuda").stderr

"""`limen evaluate --overlap` asks whether perturbations fall where the model looks."""

from __future__ import annotations

import pytest
import torch

from limen.runs import open_run, read_overlap

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

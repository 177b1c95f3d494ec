"""`limen evaluate` measures more of a run, keeps it there, and refuses what makes no sense."""

from __future__ import annotations

import pytest
import torch

from limen.runs import open_run, read_evaluations

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


def test_what_is_printed_stored_and_shown_is_one_document(limen, workshop):
    (workshop / "conv.py").write_text(NET)
    command = ("--model", "python:conv.py:net", "--data", "folder:photos", *ATTACKS, "--out", "run")
    assert limen("attack", *command, "--no-report").exit_code == 0
    specs = (
        "attention:method=gradcam,images=1",
        "magnify:images=1,radius=3",
        "transfer:defense=bilateral:radius=2",
    )
    run = workshop / "run"
    result = limen("evaluate", "run", *(word for spec in specs for word in ("-e", spec)), "--batch-size", 2)
    assert result.exit_code == 0, result.stderr
    page = (run / "report.html").read_text(encoding="utf-8")
    stored = read_evaluations(open_run(run))
    assert sorted(each.identity.label for each in stored) == sorted(specs)
    printed = " ".join(result.stdout.split())
    for each in stored:
        document = each.document()
        assert document.title in page
        for table in (block for block in document.blocks if hasattr(block, "groups")):
            assert table.title in result.stdout
            assert table.title in page
            for cell in (cell for group in table.groups for row in group.rows for cell in row):
                assert " ".join(cell.shown.split()) in printed
                assert cell.shown.replace(",", ",<wbr>" if cell.series else ",") in page
    assert "fgsm:eps=0.3: 4 of 4 images" in result.stderr


def test_several_runs_stand_side_by_side_in_one_table(limen, run):
    assert (
        limen(
            "attack",
            "--model",
            "demo:photos",
            "--data",
            "demo:photos,count=6",
            "--attack",
            "fgsm:eps=0.06",
            "--out",
            "other",
            "--no-report",
        ).exit_code
        == 0
    )
    result = limen("evaluate", "run", "other", "-e", "attention:images=0", "--limit", 3, "--no-report")
    assert result.exit_code == 0, result.stderr
    table = result.stdout.partition("Where 1 − SSIM exceeds")[2]
    assert table.count("fgsm:eps=0.06") == 2
    assert [line.strip("│ ") for line in table.splitlines() if line.strip("│ ") in ("run", "other")] == [
        "run",
        "other",
    ]
    assert not (run / "report.html").exists()


def test_an_attack_added_to_a_run_is_measured_and_the_rest_is_kept(limen, run):
    assert limen("evaluate", "run", "-e", "magnify:images=1", "--no-report").exit_code == 0
    assert (
        limen(
            "attack",
            "--model",
            "demo:photos",
            "--data",
            "demo:photos,count=6",
            "--attack",
            "fgsm:eps=0.1",
            "--out",
            "run",
            "--no-report",
        ).exit_code
        == 0
    )
    assert limen("evaluate", "run", "-e", "magnify:images=1", "--no-report").exit_code == 0
    (stored,) = read_evaluations(open_run(run))
    assert stored.attacks == ("fgsm:eps=0.06", "ddn:steps=8", "fgsm:eps=0.1")


def test_other_weights_than_the_runs_are_refused(limen, workshop):
    (workshop / "conv.py").write_text(NET)
    command = ("--model", "python:conv.py:net", "--data", "folder:photos", *ATTACKS, "--out", "run")
    assert limen("attack", *command, "--no-report").exit_code == 0
    assert limen("evaluate", "run", "-e", "attention").exit_code == 0
    (workshop / "conv.py").write_text(NET.replace("seed=0", "seed=1"))
    assert "run names code in conv.py" in limen("evaluate", "run", "-e", "attention").stderr
    result = limen("evaluate", "run", "-e", "attention", "--trust", "conv.py")
    assert result.exit_code == 2
    assert (
        "run: python:conv.py:net has other weights and code now than when the run was made" in result.stderr
    )


def test_no_run_there_and_a_lost_picture_are_one_message(limen, run):
    assert "photos: no run here" in limen("evaluate", "photos", "-e", "attention").stderr
    next((run / "images" / "original").glob("*.png")).unlink()
    result = limen("evaluate", "run", "-e", "attention")
    assert result.exit_code == 1
    assert "this image of the run is missing" in result.stderr


def test_a_network_that_does_not_look_anywhere_is_one_message(limen, workshop):
    command = ("--model", "python:nets.py:lamp", "--data", "folder:photos", "--attack", "fgsm:eps=0.1")
    assert limen("attack", *command, "--out", "run", "--no-report").exit_code == 0
    result = limen("evaluate", "run", "-e", "attention")
    assert result.exit_code == 2
    assert "the model has no layer that gives a feature map" in result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_a_device_that_is_not_there_is_refused(limen, run):
    assert "no CUDA device" in limen("evaluate", "run", "-e", "attention", "--device", "cuda").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--distance", "l3"), 2, "'l3'; did you mean 'l"),
        (("--against", "dnn:steps=8"), 2, "unknown attack 'dnn:steps=8'; did you mean 'ddn:steps=8'?"),
        (("--csv", "nowhere/figures.csv"), 1, "nowhere/figures.csv: cannot be written"),
        (("-e", "atention"), 2, "unknown evaluation 'atention'; did you mean 'attention'?"),
        (("-e", "magnify", "-e", "transfer:modl=x"), 2, "unknown parameter 'modl'; did you mean 'model'?"),
        (("-e", "magnify:image=4"), 2, "unknown parameter 'image'; did you mean 'images'?"),
        (("-e", "magnify:images=many"), 2, "images must be int, not 'many'"),
        (("-e", "magnify", "--device", "gpu"), 2, "unknown device 'gpu'"),
        (
            ("-e", "attention:method=grad-cam"),
            2,
            "unknown attention method 'grad-cam'; did you mean 'gradcam'?",
        ),
        (("-e", "attention:method=gradcam:layer=4.bdy"), 2, "unknown layer '4.bdy'; did you mean '4.body'?"),
        (("-e", "attention:method=gradcam:layer=9"), 2, "layer '9' gives no feature map"),
        (("-e", "attention", "--limit", "0"), 2, "--limit"),
        (("-e", "transfer"), 2, "transfer needs model=SPEC, defense=SPEC, or both"),
    ],
)
def test_a_mistake_is_one_clear_message_and_an_exit_code(limen, run, arguments, code, message):
    result = limen("evaluate", "run", *arguments)
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert read_evaluations(open_run(run)) == []
    assert not (run / "report.html").exists()

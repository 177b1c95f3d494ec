"""Commands do on another device what they do on the CPU, as far as one that is played can tell."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file

from limen.runs import open_run

from ..second_device import second_device

DIGITS = ("--model", "demo:digits", "--data", "demo:digits")
EVALUATIONS = (
    "attention:images=2",
    "magnify:images=2",
    "indicators:images=2",
    "defenses:defense=jpeg:quality=75,defense=bit_depth:bits=2,adaptive=true",
    "certified:sigma=0.25,n=100",
    "saliency",
    "transfer:model=smoothed:demo:digits,,sigma=0.25",
)


@pytest.fixture
def limen_on(limen):
    """Run `limen` on a device; it must end well."""

    def run(device, *arguments):
        with second_device():
            result = limen(*arguments, "--device", device)
        assert result.exit_code == 0, result.output
        return result

    return run


def test_runs_and_evaluations(limen_on, tmp_path):
    tables = []
    for device in ("cpu", "meta"):
        run = tmp_path / device
        attacks = ("--attack", "pgd_linf:eps=0.1,steps=5", "--attack", "ddn:steps=10", "--metric", "wpsnr")
        limen_on(device, "attack", *DIGITS, "--limit", 4, *attacks, "--no-report", "--out", run)
        tables.append(open_run(run).table().drop_columns(["seconds"]))
    assert tables[0].equals(tables[1])
    limen_on("meta", "evaluate", run, *(word for each in EVALUATIONS for word in ("-e", each)))
    kept = {each.parent.name.split("-")[0] for each in (run / "evaluation").glob("[a-z]*/records.parquet")}
    assert kept == {each.split(":")[0] for each in EVALUATIONS}


def test_training(limen_on, tmp_path):
    weights = []
    for device in ("cpu", "meta"):
        out = tmp_path / f"{device}.safetensors"
        limen_on(
            device,
            *("train", *DIGITS, "--out", out, "--epochs", 1, "--sampling", "weighted:count=64"),
            *("--objective", "adversarial:attack=pgd_linf:eps=0.1,,steps=2"),
        )
        weights.append(load_file(out))
    assert weights[0].keys() == weights[1].keys()
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_an_audit(limen_on, tmp_path):
    limen_on("meta", "audit", *DIGITS, "--limit", 2, "--effort", "quick", "--out", tmp_path / "audit")
    told = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert told["done"]
    assert not told["left_out"]
    assert all(each["images"] == 2 for each in told["attacks"])

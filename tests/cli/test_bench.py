"""`limen bench` end to end: planned, attacked, ranked, told; resumed; and refused where it makes no sense."""

from __future__ import annotations

import importlib
import json
import re

import pytest

from limen.bench import Counter
from limen.errors import LimenError
from limen.runs import open_run, read_evaluations

SPECS = ("ddn", "fmn:norm=linf", "fgsm", "pgd_l2:eps=1,2,4")
COMMON = ("--model", "demo:digits", "--data", "demo:digits", "--limit", "6", "--out", "out")
PASSES = 40


def options(specs) -> list[str]:
    return [part for spec in specs for part in ("--attack", spec)]


@pytest.fixture
def done(limen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = limen("bench", *COMMON, *options(SPECS), "--passes", PASSES)
    assert result.exit_code == 0, result.stderr
    return result


def test_the_page_opens_with_who_leads_and_the_json_says_the_same(done, tmp_path, limen):
    out = tmp_path / "out"
    page, told = (
        (out / "bench.html").read_text(encoding="utf-8"),
        json.loads((out / "bench.json").read_text()),
    )
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.replace("<wbr>", "")))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[0] == "Who leads"
    assert headings[1].startswith("Robust accuracy")
    assert {"What it took", "How the passes are used"} <= {*headings}
    assert "<script" not in page
    assert {"l0", "l1", "l2", "linf", "ssim", "fsim", "mad", "noticed", "ciede2000"} >= {
        axis["metric"] for axis in told["axes"]
    }
    by_metric = {axis["metric"]: axis for axis in told["axes"]}
    assert {"l2", "linf", "ssim"} <= by_metric.keys()
    assert by_metric["l2"]["leads"].startswith("ddn")
    for axis in told["axes"]:
        shares = [each["optimality"]["value"] for each in axis["attacks"]]
        assert shares == sorted(shares, reverse=True)
        assert all(0 <= each <= 1 for each in shares)
        assert re.search(f"{axis['title']} +{axis['leads'] or 'no one'} ", words)
        assert sum(each["nearest"] for each in axis["attacks"]) >= axis["fooled"]
    assert told["passes"] == PASSES
    assert [each["asked"] for each in told["plan"]] == [*SPECS]
    assert all(each["most"] <= PASSES for each in told["attacks"])
    assert max(each["most"] for each in told["attacks"] if each["name"].startswith("ddn")) >= PASSES - 2
    (stored,) = read_evaluations(open_run(out))
    assert stored.identity.label == f"optimality:passes={PASSES}"
    assert re.search(r"L₂ +│ ddn", done.stdout)
    assert "By L₂" not in done.stdout
    # Again, nothing is left to do; with a further attack, it is added.
    images = {path: path.stat().st_mtime_ns for path in (out / "images").rglob("*.png")}
    assert limen("bench", *COMMON, *options(SPECS), "--passes", PASSES).exit_code == 0
    more = limen("bench", *COMMON, *options(["ddn:steps=60"]), "--passes", PASSES)
    assert more.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in images} == images
    assert "took up to 121 passes" in (out / "bench.html").read_text(encoding="utf-8").replace(",", "")
    refused = limen("bench", *COMMON, *options(["ddn"]), "--passes", PASSES + 1)
    assert refused.exit_code == 2
    assert f"is of a benchmark at {PASSES} passes, not at {PASSES + 1}" in refused.stderr


BRITTLE = """
def brittle(model, images, labels, steps: int = 10):
    if len(images) > 1:
        raise ArithmeticError("more than one")
    for _ in range(steps):
        model(images)
    return images


def vast(model, images, labels):
    for _ in range(99):
        model(images)
    return images
"""


def test_what_cannot_be_run_is_said_and_stops_nothing(limen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(BRITTLE)
    specs = ["python:own.py:brittle", "ddn", "python:own.py:vast"]
    result = limen("bench", *COMMON, *options(specs), "--passes", PASSES)
    assert result.exit_code == 0, result.stderr
    told = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [each["asked"] for each in told["plan"]] == specs[:2]
    assert told["left_out"] == [
        {"asked": specs[2], "reason": "takes 101 passes at the least, and 40 are allowed"}
    ]
    assert [each["asked"] for each in told["failed"]] == specs[:1]
    assert "ArithmeticError: more than one" in told["failed"][0]["reason"]
    assert {each["name"].partition(":")[0] for each in told["attacks"]} == {"ddn"}
    assert "takes 101 passes at the least" in result.stdout


def test_what_was_counted_is_not_counted_again(limen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ("bench", *COMMON, *options(["ddn", "fgsm"]), "--passes", PASSES)

    def killed(*_, **__):
        raise LimenError("killed")

    with monkeypatch.context() as until:
        until.setattr(importlib.import_module("limen.bench.benchmark"), "run_attacks", killed)
        assert limen(*command).exit_code == 1
    begun = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert {each["asked"] for each in begun["plan"]} == {"ddn", "fgsm"}
    with monkeypatch.context() as never:
        never.setattr(Counter, "passes", None)
        assert limen(*command).exit_code == 0
    done = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [each["counts"] for each in done["plan"]] == [each["counts"] for each in begun["plan"]]


def test_floats_stand_beside_8_bits(limen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ("--attack", "ddn", "--attack", "fgsm:eps=0.3", "--passes", 16, "--floats")
    result = limen("bench", *COMMON, *command)
    assert result.exit_code == 0, result.stderr
    told = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert {axis["pixels"] for axis in told["axes"]} == {"8 bits", "floats"}
    assert open_run("out/floats").manifest.settings.lattice is None
    page = (tmp_path / "out" / "bench.html").read_text(encoding="utf-8")
    assert page.index("Who leads, 8 bits") < page.index("Who leads, floats")
    assert "as the attacks had them in memory" in page


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--attack", "ddn", "--passes", "0"), "greater than or equal to 1"),
        (("--attack", "ddn", "--passes", "1"), "passes is 1; expected an integer from 2"),
        (("--attack", "ddn:stops=3", "--passes", "10"), "unknown parameter 'stops'"),
        (("--attack", "jsma:eps=least", "--passes", "10"), "eps is a whole number"),
        (("--attack", "ddn", "--metric", "sim", "--passes", "10"), "did you mean 'ssim'"),
    ],
    ids=["none", "one", "parameter", "search", "metric"],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(limen, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    result = limen("bench", *COMMON, *options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_benchmark_is_not_replaced(limen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bench.json").write_text("mine")
    result = limen("bench", *COMMON, "--attack", "ddn", "--passes", "10")
    assert result.exit_code == 2
    assert "no benchmark of Limen's" in result.stderr
    assert (tmp_path / "out" / "bench.json").read_text() == "mine"

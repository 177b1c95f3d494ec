"""`limen bench` end to end: planned, attacked, ranked, told; resumed; and refused where it makes no sense."""

from __future__ import annotations

import json
import re

import pytest

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
        assert f"{axis['title']}: {axis['leads']} leads" in page
        assert sum(each["nearest"] for each in axis["attacks"]) >= axis["fooled"]
    assert told["passes"] == PASSES
    assert [each["asked"] for each in told["plan"]] == [*SPECS]
    assert all(each["most"] <= PASSES for each in told["attacks"])
    assert max(each["most"] for each in told["attacks"] if each["name"].startswith("ddn")) >= PASSES - 2
    (stored,) = read_evaluations(open_run(out))
    assert stored.identity.label == f"optimality:passes={PASSES}"
    assert "L₂: ddn" in done.stdout
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

"""`limen demo` works with nothing but what is installed."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from limen.analysis import rows_of, table
from limen.cli import running
from limen.cli.demo import ATTACKS
from limen.runs import open_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "demo.md"


def test_every_attack_fools_nearly_every_photograph_and_the_page_is_there(limen, workshop, monkeypatch):
    # The first photograph of each class stands for all three.
    monkeypatch.setattr(running, "execute", functools.partial(running.execute, limit=12))
    result = limen("demo", "--out", "demo")
    assert result.exit_code == 0, result.stderr
    run = open_run(workshop / "demo")
    command = PAGE.read_text(encoding="utf-8").partition("limen attack ")[2].partition("```")[0]
    assert re.findall(r"--attack (\S+)", command) == list(run.manifest.labels) == list(ATTACKS)
    assert re.findall(r"--data (\S+)", command) == [run.manifest.data.spec]
    assert re.findall(r"--model (\S+)", command) == [run.manifest.model.spec]
    figures = table({"demo": run}, draws=0)
    assert min(row["value"] for row in rows_of(figures, statistic="clean accuracy")) >= 0.9
    success = {row["attack"]: row["value"] for row in rows_of(figures, statistic="success")}
    assert len(success) >= 4
    assert min(success.values()) >= 0.95, success
    assert (workshop / "demo" / "report.html").is_file()
    assert "demo/report.html" in result.stdout


def test_a_foreign_folder_is_refused_before_any_work(limen, workshop):
    result = limen("demo", "--out", "photos")
    assert result.exit_code == 2
    assert "photos: not empty and not a run; choose another --out" in result.stderr
    assert not (workshop / "photos" / "run.json").exists()

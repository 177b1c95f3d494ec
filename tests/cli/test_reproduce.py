"""`limen reproduce` prints a table and leaves page, records and run."""

from __future__ import annotations

import pytest

from limen import user_code
from limen.recipes import RECIPES

OPTIONS = ("--model", "demo:digits", "--data", "demo:digits,count=4", "--out", "out")
OWN = """
from limen.document import Cell, Charts, Document, Group, Table
from limen.recipes import Bench, about, recipe, records


def describe(made):
    row = [Cell("FGSM", "fgsm:eps=1"), Cell(value=made["rate"][0].as_py(), form="share", note="79 to 86")]
    table = Table("Rates", "A caption.", ["Attack", "Rate"], [Group("Fixed", [row])])
    return Document("Small", "here", about(made)["facts"], [table, Charts("Unprinted", "", [])])


@recipe(describe)
def small(bench: Bench, *, rate: float = 0.827):
    with bench.showing(["step"]) as progress:
        progress("step", 4, 4)
    names = ("model", "data", "limit", "batch_size", "device", "seed")
    return records([{"rate": rate}], facts=[(name, str(getattr(bench, name))) for name in names])
"""


@pytest.fixture
def own(workshop) -> str:
    (workshop / "mine.py").write_text(OWN)
    return "python:mine.py:small"


def test_the_table_is_printed_and_page_and_records_are_written(limen, workshop, own):
    result = limen("reproduce", own, *OPTIONS)
    assert result.exit_code == 0, result.stderr
    files = ("parquet out/small.parquet", "csv     out/small.csv", "html    out/small.html")
    for text in ("Rates", "82.7\N{NO-BREAK SPACE}%", "79 to 86", *files):
        assert text in result.stdout
    assert "Unprinted" not in result.stdout
    assert "A caption." in (workshop / "out" / "small.html").read_text()
    assert (workshop / "out" / "small.csv").read_text().splitlines()[1] == "0.827"
    assert "step: 4 of 4 images" in result.stderr


def test_the_blocks_of_a_recipe_become_figures(limen, workshop, own):
    result = limen("reproduce", own, *OPTIONS, "--figures", "paper", "--format", "pdf")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("figures paper (3 files)\n")
    assert "FGSM" in (workshop / "paper" / "rates.tex").read_text()


def test_options_reach_the_recipe(limen, workshop, own):
    options = ("--limit", 3, "--batch-size", 2, "--seed", 7, "--device", "cpu:0")
    result = limen("reproduce", f"{own},rate=0.5", *OPTIONS, *options)
    assert result.exit_code == 0, result.stderr
    page = (workshop / "out" / "small-rate=0.5.html").read_text()
    expected = {"model": "demo:digits", "data": "demo:digits,<wbr>count=4", "device": "cpu:0"}
    for name, value in {**expected, "limit": 3, "batch_size": 2, "seed": 7}.items():
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert "50.0\N{NO-BREAK SPACE}%" in result.stdout


OF_A_RUN = """
from limen.document import Document
from limen.recipes import Bench, recipe, records
from limen.runs import open_run


@recipe(lambda made: Document("Of a run", "here", {}, []))
def of_a_run(bench: Bench):
    rows = bench.evaluated(open_run("given"), "indicators:images=1,only=steps_unseen", "Steps")
    return records(rows.to_pylist())
"""


def test_code_that_only_a_run_names_is_run_where_its_file_is_trusted(limen, workshop, monkeypatch):
    (workshop / "near.py").write_text(
        "from limen.attacks import fgsm\n\ndef near():\n    return fgsm(eps=0.1)\n"
    )
    (workshop / "mine.py").write_text(OF_A_RUN)
    made = ("--attack", "python:near.py:near", *OPTIONS[:-1], "given", "--no-report")
    assert limen("attack", *made).exit_code == 0
    monkeypatch.setattr(user_code, "_loaded", {})  # as in another process
    command = ("reproduce", "python:mine.py:of_a_run", *OPTIONS)
    refused = limen(*command)
    assert refused.exit_code == 1
    assert "given names code in near.py, which would run with all your rights" in refused.stderr
    trusted = limen(*command, "--trust", "near.py")
    assert trusted.exit_code == 0, trusted.stderr


def test_an_unknown_recipe_is_answered_with_the_nearest(limen, workshop):
    result = limen("reproduce", "pgap-tabel-2", *OPTIONS)
    assert result.exit_code == 2
    assert "unknown recipe 'pgap-tabel-2'; did you mean 'pgap-table-2'?" in result.stderr
    assert not (workshop / "out").exists()


def test_an_option_that_the_recipe_does_not_use_is_refused(limen, workshop):
    result = limen("reproduce", "pgap-table-1:quality=0.9", *OPTIONS)
    assert result.exit_code == 2
    assert "pgap-table-1 accepts no parameters" in result.stderr
    assert limen("reproduce", "pgap-table-2", "--quality", 0.9, *OPTIONS).exit_code == 2
    assert not (workshop / "out").exists()


def test_every_recipe_is_listed_with_its_options(limen):
    listed = limen("list", "recipes").stdout
    for name in RECIPES.names():
        (row,) = [line for line in listed.splitlines() if line.startswith(f"│ {name} ")]
        assert "et al., " in row
    assert "quality: number | none = none" in listed

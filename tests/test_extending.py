"""The examples of docs/extending.md: each file and command of the page, on a few images."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import limen
from limen.cli import app
from limen.evaluation.indicators import findings
from limen.models import read_metadata
from limen.runs import Run, open_run

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def commands(heading: str) -> list[list[str]]:
    """The commands of a section, each as its words after `limen`."""
    section = PAGE.split(f"# {heading}\n")[1].partition("\n## ")[0].partition("\n### ")[0]
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    return [shlex.split(line)[1:] for line in text.replace("\\\n", " ").splitlines()]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Iterator[Path]:
    """A user's folder with all files of the page."""
    folder, before = tmp_path_factory.mktemp("workshop"), Path.cwd()
    for name, code in FILES.items():
        (folder / name).write_text(code, encoding="utf-8")
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def follow(workshop) -> Callable[[str], list[str]]:
    """Run the commands of a section; what each of them prints."""

    def run(heading: str) -> list[str]:
        printed = []
        for words in commands(heading):
            result = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
            assert result.exit_code == 0, f"{words}: {result.stderr or result.exception}"
            printed.append(result.stdout)
        return printed

    return run


@pytest.fixture(scope="module")
def attacked(follow) -> Run:
    """The run of the page's first section, which others evaluate."""
    follow("An attack")
    return open_run("runs/attack")


def page_of(run: str) -> str:
    return Path(run, "report.html").read_text(encoding="utf-8")


def test_every_example_is_short():
    assert len(FILES) == len(re.findall(r"^```python", PAGE, re.MULTILINE))
    assert {name: lines for name, code in FILES.items() if (lines := code.count("\n") + 1) > 40} == {}


def test_every_section_with_a_file_uses_it_in_a_command():
    for name in FILES:
        assert f"python:{name}:" in " ".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


def test_an_attack_of_parts_runs_as_a_grid_and_stays_in_its_budget(attacked):
    own, ddn = attacked.manifest.families().values()
    assert own == tuple(f"python:momentum.py:momentum_l2,eps={eps},steps=8" for eps in (2, 4))
    assert ddn == ("ddn:steps=20",)
    records = attacked.table().to_pandas().set_index("attack")
    assert records.success.groupby("attack").mean()[own[1]] > 0.5
    for label, eps in zip(own, (2, 4), strict=True):
        assert records.loc[label].backwards.between(0, 8).all()
        assert records.loc[label].l2.max() <= eps
    assert records.loc[own[1]].l2.max() > 2


def test_a_loss_of_ones_own_is_climbed(follow):
    follow("A loss of your own")
    (label,) = open_run("runs/loss").manifest.labels
    assert label == "python:least.py:pgd_least,eps=3"
    assert open_run("runs/loss").manifest.attacks[0].identity.budget == "eps"
    own = namespace("least.py")
    assert attacks_differ(own["pgd_least"](eps=3.0), limen.attacks.pgd_l2(eps=3.0, steps=20))


def test_a_part_of_ones_own_moves_the_image_otherwise(follow):
    follow("A part of your own")
    (label,) = open_run("runs/part").manifest.labels
    assert label == "python:invariant.py:invariant,eps=0.3,size=3"
    own = namespace("invariant.py")
    assert attacks_differ(own["invariant"](size=3), own["invariant"](size=1))
    assert not attacks_differ(own["invariant"](size=1), own["invariant"](size=1))


def test_a_function_of_images_is_an_attack_that_stays_in_its_budget(follow):
    follow("A function of images")
    run = open_run("runs/images")
    assert run.manifest.labels == tuple(f"python:wobble.py:wobble,eps={eps},steps=8" for eps in (0.1, 0.2))
    records = run.table().to_pandas().set_index("attack")
    for label, eps in zip(run.manifest.labels, (0.1, 0.2), strict=True):
        assert records.loc[label].linf.dropna().le(eps + 1e-6).all()
        assert records.loc[label].backwards.isin((0, 8)).all()


def test_a_callable_that_returns_an_outcome_is_an_attack(follow):
    follow("An attack that is made of no parts")
    run = open_run("runs/callable")
    records = run.table().to_pandas()
    assert set(records.attack) == {"python:brighten.py:brighten,eps=0.6"}
    assert (records.forwards == 1).all()
    assert (records.backwards == 0).all()
    fooled = records[records.success & (records.clean_prediction == records.label)]
    for image_id in fooled.id:
        change = run.image(fooled.attack.iloc[0], image_id).astype(int) - run.original(image_id)
        assert (change >= 0).all()
        assert change.max() == 0.6 * 255


def test_a_metric_reaches_records_terminal_csv_and_page(follow):
    _, table = follow("A metric")
    records = open_run("runs/metric").table().to_pandas()
    found = records[records.success].dropna(subset="blurred")
    assert len(found) > 0
    assert (found.blurred <= found.linf + 1e-6).all()
    assert (found["blur_aware:size=5"] < found.blurred).all()
    assert "blurred L∞" in table
    assert "blur_aware:size=5" in page_of("runs/metric")
    assert "blurred L∞" in page_of("runs/metric")
    figures = pyarrow.csv.read_csv("figures.csv").to_pylist()
    (mean,) = {row["value"] for row in figures if row["metric"] == "blurred" and row["statistic"] == "mean"}
    correct = found[found.clean_prediction == found.label]
    assert mean == pytest.approx(correct.blurred.mean())


def test_a_defence_stands_before_the_model_and_before_an_evaluation(follow, attacked):
    follow("A defence")
    model = open_run("runs/defence").manifest.model
    assert [(each.label, each.parameters) for each in model.defenses] == [
        ("python:shrink.py:shrink,factor=1.5", {"factor": 1.5})
    ]
    assert model.weights == attacked.manifest.model.weights
    (stored,) = named(attacked, "transfer")
    bare, behind = attacked.table().to_pandas(), stored.records().to_pandas()
    both = behind.merge(bare, on=["attack", "id"])
    assert (both.confidence_x != both.confidence_y).any()


def test_an_evaluation_is_stored_printed_and_on_the_page(follow, attacked):
    (printed,) = follow("An evaluation")
    (stored,) = named(attacked, "brightness")
    assert stored.identity.parameters == {"scale": 100.0}
    row = stored.records().to_pylist()[0]
    change = attacked.image(row["attack"], row["id"]).astype(float) - attacked.original(row["id"])
    assert row["gained"] == pytest.approx(100 * change.mean() / 255, abs=1e-4)
    assert "Gained" in printed
    assert "Do attacks brighten images?" in page_of("runs/attack")


def test_an_indicator_is_told_beside_limens_own(follow, attacked):
    (printed,) = follow("An indicator")
    (stored,) = named(attacked, "indicators")
    judged = findings(stored)
    assert [each.indicator for each in judged] == ["saturation", "clipped"] * len(attacked.manifest.labels)
    assert all(0 <= each.value <= 1 for each in judged)
    assert "Changes end at the bounds of the image" in printed


def test_an_attention_model_says_where_the_classifier_looks(follow, attacked):
    follow("An attention model")
    (stored,) = named(attacked, "attention")
    assert stored.identity.parameters["method"] == "python:sensitive.py:sensitive"
    inside = stored.records()["precision"].drop_null().to_numpy()
    assert len(inside) > 0
    assert inside.max() > 0
    assert "python:sensitive.py:sensitive" in page_of("runs/attack")


def test_a_data_set_is_attacked(follow):
    follow("A data set")
    run = open_run("runs/data")
    assert run.manifest.data.spec == "python:stripes.py:stripes,count=6"
    assert run.manifest.data.count == 6
    upright, level = run.original("stripes-0"), run.original("stripes-1")
    assert (np.ptp(upright, axis=0).max(), np.ptp(level, axis=1).max()) == (0, 0)
    assert np.ptp(upright) > 200


def test_a_recipe_writes_records_and_a_page_beside_the_papers_figures(follow):
    (printed,) = follow("A recipe")
    rows = pq.read_table("runs/recipe/table_7-budgets=2.parquet").to_pylist()
    printed_of = {row["attack"]: row["paper"] for row in rows if row["statistic"] == "success"}
    assert printed_of == {"PGD": 0.9, "DDN": None}
    assert {row["paper"] for row in rows if row["statistic"] != "success"} == {None}
    assert {(row["spec"], row["eps"]) for row in rows} == {("pgd_l2:steps=10", "1,4"), ("ddn:steps=20", None)}
    assert rows[1]["value"] > 0.5
    page = Path("runs/recipe/table_7-budgets=2.html").read_text(encoding="utf-8")
    for text in ("Success of two attacks", "Other weights."):
        assert text in page
    assert "PGD" in printed


def test_an_objective_of_ones_own_trains_a_network(follow):
    (printed,) = follow("An objective")
    assert "worst.safetensors" in printed
    assert read_metadata(Path("worst.safetensors"))["objective"] == "python:worst.py:Worst,rate=0.1"


def test_training_is_done_by_parts_of_ones_own(follow):
    (printed,) = follow("How it is learned")
    assert "dim.safetensors" in printed
    told = json.loads(read_metadata(Path("dim.safetensors"))["settings"])
    assert told["augment"] == ["python:dim.py:dim,least=0.5"]
    assert told["optimizer"] == "python:dim.py:adam,learning_rate=0.002"
    assert [namespace("dim.py")["stairs"](step, 20) for step in (0, 19)] == [1.0, pytest.approx(0.9**9)]


def test_an_installed_package_adds_its_names(workshop, monkeypatch):
    (declared,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    groups = tomllib.loads(declared)["project"]["entry-points"]
    package, info = workshop / "my_package", workshop / "my_package-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    for name, code in FILES.items():
        (package / name).write_text(code, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(workshop)
    assert limen.catalog.attack("momentum_l2:steps=8").identity.label == "momentum_l2:eps=3,steps=8"
    assert limen.catalog.metric("blurred").column.title == "blurred L∞"
    listed = CliRunner().invoke(app, ["list"], env={"COLUMNS": "300"}).stdout
    assert "momentum_l2" in listed


def test_the_places_inside_limen_exist():
    section = PAGE.split("## Inside Limen")[1]
    rows = re.findall(r"^\| (?!kind|---)(.*) \|$", section, re.MULTILINE)
    assert len(rows) == 13
    for row in rows:
        _, file, line, tests, docs = (re.findall(r"`([^`]+)`", cell) for cell in re.split(r" ?\| ?", row))
        for place in [*file, *(each for each in line if "/" in each)]:
            assert (ROOT / "src" / "limen" / place).exists(), place
        for table in (each for each in line if each.isupper()):
            module = line[-1].removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
            assert hasattr(importlib.import_module(f"limen.{module}"), table)
        assert all((ROOT / each).is_dir() for each in tests)
        assert all((ROOT / "docs" / each).is_file() for each in docs)


def namespace(name: str) -> dict:
    """What a file of the page defines."""
    found: dict = {"__name__": name.removesuffix(".py")}
    sys.modules.setdefault(found["__name__"], sys)  # where dataclasses look for annotations
    exec(compile(FILES[name], name, "exec"), found)
    return found


def named(run: Run, part: str) -> list:
    return [each for each in limen.runs.read_evaluations(run) if part in each.identity.name]


def attacks_differ(first, second) -> bool:
    """Whether two attacks make other images of the first digits."""
    classifier = limen.catalog.model("demo:digits")
    (batch,) = limen.data.batches(limen.catalog.data("demo:digits,count=4"), range(4), 4, print)
    made = [each(classifier, batch.images, batch.labels, ids=batch.ids).images for each in (first, second)]
    return bool((made[0] != made[1]).any())

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from limen.analysis import compare, figures, notes, outcomes, rows_of, share, table
from limen.analysis.table import SCHEMA
from limen.errors import UsageError
from limen.metrics import METRICS
from limen.runs import DataEntry, Manifest, ModelEntry, create_or_resume, open_run

from ..named import identity
from .handmade import COLUMNS, record

GRID = ("fgsm:eps=0.1", "fgsm:eps=0.2")


@pytest.fixture
def write(tmp_path):
    """Writes a run of these records."""

    def store(rows, labels=None, name="run"):
        labels = dict.fromkeys(row["attack"] for row in rows) if labels is None else labels
        manifest = Manifest(model=ModelEntry("demo:photos", "ab"), data=DataEntry("folder:x", len(rows)))
        manifest = manifest.with_attacks(map(identity, labels)).with_metrics(COLUMNS.values())
        with create_or_resume(tmp_path / name, manifest) as run:
            for label in labels:
                mine = [
                    {key: value for key, value in row.items() if key != "attack"}
                    for row in rows
                    if row["attack"] == label
                ]
                run.write(label, mine, {row["id"]: np.zeros((2, 2, 3), np.uint8) for row in mine})
        return open_run(tmp_path / name)

    return store


def figure(found, statistic, **equal):
    (row,) = rows_of(found, statistic=statistic, **{"metric": None, "against": None, **equal})
    return row


ROWS = [
    record("ddn", "a", l2=1.0, psnr=np.inf, seconds=1.0),
    record("ddn", "b", l2=4.0, forwards=11),
    record("ddn", "c", l2=2.5, success_in_memory=False),
    record("ddn", "d", success=False),
    record("ddn", "e", correct=False, l2=0.0),
]


def test_headlines_are_of_the_images_classified_correctly_and_never_count_one_that_was_wrong_before(write):
    found = table({"run": write(ROWS)})
    success = figure(found, "success")
    assert (success["value"], success["images"]) == (pytest.approx(3 / 4), 4)
    assert (success["low"], success["high"]) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert figure(found, "success in memory")["value"] == pytest.approx(2 / 4)
    clean = figure(found, "clean accuracy")
    assert (clean["value"], clean["images"]) == (pytest.approx(4 / 5), 5)
    l2 = {statistic: figure(found, statistic, metric="l2") for statistic in ("mean", "median", "unmeasured")}
    assert (l2["mean"]["value"], l2["median"]["value"]) == (pytest.approx(2.5), pytest.approx(2.5))
    assert (l2["mean"]["images"], l2["unmeasured"]["value"]) == (3, 0)
    assert figure(found, "unmeasured", metric="psnr")["value"] == 1


def test_costs_are_over_all_images(write):
    found = table({"run": write(ROWS)})
    assert figure(found, "forwards")["value"] == 5
    assert figure(found, "passes")["value"] == 9
    assert figure(found, "seconds")["value"] == pytest.approx((1.0 + 4 * 0.5) / 5)


def test_there_is_one_row_per_run_attack_metric_and_statistic(write):
    rows = [record(label, key) for label in (*GRID, "ddn") for key in "ab"]
    found = table({"one": write(rows, name="one"), "two": write(rows, name="two")}, ["l2"], against="ddn")
    assert found.schema.equals(SCHEMA)
    names = ("run", "attack", "against", "metric", "statistic")
    keys = list(zip(*(found[name].to_pylist() for name in names), strict=True))
    assert len(set(keys)) == len(keys)
    assert {(run, attack) for run, attack, *_ in keys} == {
        (run, attack) for run in ("one", "two") for attack in ("fgsm", *GRID, "ddn")
    }
    assert figure(found, "success", run="one", attack="fgsm")["budgets"] == ["0.1", "0.2"]
    assert figure(found, "success", run="one", attack=GRID[0])["family"] == "fgsm"


def test_budgets_together_count_at_their_best(write):
    rows = [record(GRID[0], "a", success=False), record(GRID[1], "a", l2=3.0)]
    rows += [record(GRID[0], "b", l2=1.0), record(GRID[1], "b", l2=2.0), record(GRID[0], "c")]
    found = table({"run": write(rows)})
    assert figure(found, "success", attack="fgsm")["value"] == 1.0
    assert figure(found, "mean", attack="fgsm", metric="l2")["value"] == pytest.approx(2.0)
    assert figure(found, "unfinished", attack="fgsm")["value"] == 1
    assert figure(found, "success", attack=GRID[0])["value"] == pytest.approx(2 / 3)


def test_the_values_are_those_of_the_functions_that_it_is_made_of(write):
    generator = np.random.default_rng(0)
    rows = [
        record(label, str(key), success=bool(generator.random() < 0.8), l2=float(generator.random()))
        for label in ("a", "b")
        for key in range(30)
    ]
    for row in rows:
        row["l2"] = row["l2"] if row["success"] else None
    run = write(rows)
    found = table({"run": run}, ["l2"], against="b")
    mine, other = (outcomes(run.table(), [label]) for label in ("a", "b"))
    expected = {
        ("success", None, None): share(mine.success[mine.correct]),
        ("mean", "l2", None): figures(mine, "l2").mean,
        ("less distorted", "l2", "b"): compare(mine, other, "l2").share,
    }
    for (statistic, metric, against), measured in expected.items():
        row = figure(found, statistic, attack="a", metric=metric, against=against)
        assert (row["value"], row["low"], row["high"]) == (measured.value, measured.low, measured.high)


def test_an_attack_without_records_has_rows_without_values(write):
    found = table({"run": write([], labels=["ddn"])})
    shares = rows_of(found.filter(pc.field("statistic") != "unfinished"))
    assert {row["value"] for row in shares if row["statistic"] != "unmeasured"} == {None}
    assert {row["images"] for row in shares} == {0}


def test_stuck_images_are_a_share_of_those_classified_correctly_and_put_into_words(write):
    stuck = {"zero_gradients": 3, "nonfinite_gradients": 1, "backwards": 4}
    moved = {"zero_gradients": 0, "nonfinite_gradients": 0, "backwards": 4}
    rows = [
        record("a", "x", False, **stuck),
        record("a", "y", **moved),
        record("a", "z", True, False, **stuck),
    ]
    found = table({"run": write(rows)})
    assert (figure(found, "stuck")["value"], figure(found, "stuck")["images"]) == (0.5, 2)
    (sentence,) = notes(found, ["stuck"])
    assert "a: gradient zero or not finite in every pass on 1 of 2 images. This is no robustness" in sentence
    assert figure(table({"run": write(ROWS, name="old")}), "stuck")["value"] is None


def test_images_on_which_most_gradients_were_missing_are_put_into_words(write):
    counts = {"zero_gradients": 3, "nonfinite_gradients": 0, "backwards": 4}
    rows = [record("a", "x", False, **counts), record("a", "y", True, **counts)]
    found = table({"run": write(rows)})
    assert (figure(found, "faded")["value"], figure(found, "faded")["images"]) == (0.5, 2)
    (sentence,) = notes(found, ["faded"])
    assert "a: gradient zero or not finite in most passes on 1 of 2 images, none of them fooled" in sentence


def test_images_that_no_step_changed_are_told_apart_from_those_that_are_stuck(write):
    stuck = {"zero_gradients": 4, "nonfinite_gradients": 0, "backwards": 4}
    free = stuck | {"zero_gradients": 0}
    rows = [
        record("a", "w", False, still=True, **free),
        record("a", "x", False, still=True, **stuck),
        record("a", "y", True, still=True, **free),
        record("a", "z", False, still=False, **free),
    ]
    found = table({"run": write(rows)})
    assert (figure(found, "still")["value"], figure(found, "still")["images"]) == (0.25, 4)
    (sentence,) = notes(found, ["still"])
    assert "a: no step changed a value that a file holds on 1 of 4 images" in sentence
    assert figure(table({"run": write(ROWS, name="old")}), "still")["value"] is None


def test_unmasked_images_are_a_share_of_those_classified_correctly_and_put_into_words(write):
    told = [("x", True, True), ("y", False, True), ("z", True, False)]
    found = table({"run": write([record("a", key, True, right, unmasked=flat) for key, flat, right in told])})
    assert (figure(found, "unmasked")["value"], figure(found, "unmasked")["images"]) == (0.5, 2)
    (sentence,) = notes(found, ["unmasked"])
    assert "a: the mask says nothing on 1 of 2 images" in sentence
    assert figure(table({"run": write(ROWS, name="old")}), "unmasked")["value"] is None


def test_unconfirmed_successes_are_put_into_words_even_where_there_are_none(write):
    for told, value, count in [((True, False), 0.5, 1), ((False, False), 0.0, 0)]:
        rows = [record("a", key, True, True, unconfirmed=lost) for key, lost in zip("xy", told, strict=True)]
        found = table({"run": write(rows, name=str(count))})
        assert figure(found, "unconfirmed")["value"] == value
        (sentence,) = notes(found, ["unconfirmed"])
        assert f"did not hold when it was asked again: on {count} of 2 images" in sentence
    steady = table({"run": write(ROWS, name="steady")})
    assert figure(steady, "unconfirmed")["value"] is None
    assert not notes(steady, ["unconfirmed"])


def test_what_figures_leave_out_is_put_into_words(write):
    rows = [record(GRID[0], "a", mad=None), record(GRID[1], "a", mad=None), record(GRID[0], "c")]
    rows += [record("ddn", "a")]
    found = table({"run": write(rows)}, ["mad"], against="ddn")
    said = notes(found.filter(pc.field("attack") == "fgsm"))
    assert said == [
        "fgsm: images left out, done under some budgets only: 1",
        "fgsm: fooled images without a finite mad: 1",
        "fgsm: images fooled by both without a mad: 1",
    ]


def test_names_that_a_run_does_not_have_are_refused(write):
    run = write(ROWS)
    with pytest.raises(UsageError, match="unknown metric 'l3'"):
        table({"run": run}, ["l3"])
    with pytest.raises(UsageError, match="unknown attack 'dnn'; did you mean 'ddn'"):
        table({"run": run}, against="dnn")


def test_figures_are_made_without_torch(write):
    write(ROWS)
    script = "import sys; from limen import analysis, runs; r = runs.open_run(sys.argv[1]);"
    script += "print(analysis.table({'r': r}).num_rows, 'torch' in sys.modules)"
    command = [sys.executable, "-c", script, str(open_run(write(ROWS, name="again").directory).directory)]
    count, torch = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert (int(count) > len(METRICS), torch) == (True, "False")


def test_rows_are_found_by_their_values():
    names = dict.fromkeys(SCHEMA.names) | {"run": "r", "attack": "a", "family": "a", "statistic": "mean"}
    rows = [names | {"metric": metric, "value": 1.0, "images": 1} for metric in ("l2", None)]
    made = pa.Table.from_pylist(rows, SCHEMA)
    assert rows_of(made, metric=None) == rows[1:]
    assert rows_of(made, metric="l2", attack="b") == []

"""`--targeted` aims at the data's targets, at a class, at the least likely, or at one drawn, on any data."""

from __future__ import annotations

import pytest

from limen import catalog, runs
from limen.data import batches
from limen.errors import UsageError
from limen.evaluation.aims import read_aim

COMMON = ("attack", "--model", "demo:digits", "--attack", "pgd_l2:eps=4,steps=5", "--no-report", "--out")
DATA = ("--data", "demo:digits,count=12")


def rows(limen, folder, *arguments):
    done = limen(*COMMON, str(folder), *DATA, *arguments)
    assert done.exit_code == 0, done.stderr
    return runs.open_run(folder).table().to_pylist(), done


@pytest.mark.parametrize("written", ["target=3", "3", "target=03"])
def test_every_image_is_to_become_the_class_but_those_that_are(limen, tmp_path, written):
    found, done = rows(limen, tmp_path / "run", "--targeted", written)
    assert {row["target"] for row in found} == {3}
    assert 3 not in {row["label"] for row in found}
    assert 0 < len(found) < 12
    assert f"skipped {runs.open_run(tmp_path / 'run').manifest.skipped[0].id}" in done.stderr
    assert all(row["success"] == (row["prediction"] == 3) for row in found)


def test_the_least_likely_class_is_that_of_the_least_logit(limen, tmp_path):
    found, _ = rows(limen, tmp_path / "run", "--targeted", "least_likely")
    (batch,) = batches(catalog.data(DATA[1]), range(12), 12, print)
    logits = catalog.model("demo:digits")(batch.images)
    assert [row["target"] for row in found] == logits.argmin(1).tolist()


def test_a_drawn_class_is_another_one_and_comes_from_the_image_and_the_seed(limen, tmp_path):
    found, _ = rows(limen, tmp_path / "a", "--targeted=random")
    again, _ = rows(limen, tmp_path / "b", "--targeted", "random", "--batch-size", "5")
    other, _ = rows(limen, tmp_path / "c", "--targeted", "random", "--seed", "1")
    aims = [row["target"] for row in found]
    assert all(row["target"] != row["label"] for row in found)
    assert len(set(aims)) > 2
    assert aims == [row["target"] for row in again]
    assert aims != [row["target"] for row in other]


def test_a_run_resumes_with_its_aim_alone(limen, tmp_path):
    first, _ = rows(limen, tmp_path / "run", "--targeted", "random")
    assert rows(limen, tmp_path / "run", "--targeted", "random")[0] == first
    assert limen(*COMMON, str(tmp_path / "run"), *DATA, "--targeted", "3").exit_code == 2
    assert limen(*COMMON, str(tmp_path / "run"), *DATA).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--targeted",), "--targeted least_likely"),
        (("--targeted", "10"), "no class 10 to aim at: the model has 10 classes"),
        (("--targeted", "target=-1"), "none of least_likely, random"),
        (("--targeted", "sometimes"), "none of least_likely, random"),
        (("--targeted="), "none of least_likely, random"),
    ],
)
def test_an_aim_that_is_none_is_refused_with_the_cure(limen, tmp_path, arguments, message):
    arguments = (arguments,) if isinstance(arguments, str) else arguments
    done = limen(*COMMON, str(tmp_path / "run"), *DATA, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_class_may_be_named():
    assert read_aim("target=house cat", ["ant", "cat, house_cat"]) == "1"
    with pytest.raises(UsageError, match="nearest: 'ant'"):
        read_aim("target=aunt", ["ant", "cat"])

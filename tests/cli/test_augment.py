"""`limen augment` makes a data set that any number of networks are then trained on."""

from __future__ import annotations

import pytest

from limen import catalog
from limen.training import family_files

SET = ("--model", "demo:digits", "--data", "demo:digits,count=32", "--out", "robust")
HOW = ("--steps", 2, "--batch-size", 16, "--attack", "fgsm:eps=0.1")


@pytest.fixture
def robust(limen, workshop):
    """What the command says that makes a robust data set here."""
    dual = "lagrangian:attack=fgsm:eps=0.1,metric=l2,weight=0.1,count=8"
    return limen("augment", *SET, *HOW, "--dual", dual)


def test_a_robust_set_is_made_and_shown_and_networks_are_trained_on_it(limen, workshop, robust):
    assert robust.exit_code == 0, robust.stderr
    assert "step 2: loss" in robust.stderr
    assert "dual" in robust.stderr
    assert "96 samples, robust:robust" in robust.stdout
    page = (workshop / "robust" / "robust.html").read_text(encoding="utf-8")
    for text in ("Limen robust data set", "fgsm:eps=0.1", "Outer steps", "What is drawn", "Dual"):
        assert text in page, text
    assert len(catalog.data("robust:robust")) == 96
    learned = ("--model", "demo:digits", "--data", "demo:digits,count=32", "--train-data", "robust:robust")
    for models, found in ((1, 0), (2, 1)):
        family = limen("train", *learned, "--epochs", 1, "--models", models, "--out", "family")
        assert family.exit_code == 0, family.stderr
        assert family.stderr.count("there before") == found
        assert "on average" in family.stdout
    assert [path.name for path in family_files(workshop / "family")] == ["000.safetensors", "001.safetensors"]
    assert "Each model" in (workshop / "family" / "family.html").read_text(encoding="utf-8")


def test_another_set_in_the_same_folder_is_refused(limen, robust):
    other = limen("augment", *SET, "--steps", 2, "--batch-size", 16, "--attack", "fgsm:eps=0.2")
    assert other.exit_code == 2
    assert "has other settings" in other.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--attack", "fgsmm"), "did you mean 'fgsm'"),
        (("--clean-share", 1), "clean_share is 1"),
        (("--dual", "lagrangian"), "attack is missing"),
        (("--train-data", "robust:nowhere"), "no such folder"),
    ],
)
def test_what_cannot_be_made_is_one_clear_error(limen, workshop, change, message):
    result = limen("augment", *SET, *HOW, *change)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (workshop / "robust").exists()


def test_logs_of_a_family_are_refused(limen, workshop):
    result = limen("train", "--model", "demo:digits", "--models", 2, "--log", "logs", "--out", "family")
    assert result.exit_code == 2
    assert "--log is of one network" in result.stderr

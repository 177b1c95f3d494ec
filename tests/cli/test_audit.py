"""`limen audit` prints the verdict, leaves its files, and ends with a code that a pipeline can use."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from limen.audit import Attempt, Effort
from limen.audit import effort as efforts

COMMAND = ("--model", "demo:digits", "--data", "demo:digits,count=8", "--out", "out")


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    made = Effort(4, (Attempt("L2", "ddn:steps=5", 7),), ())
    monkeypatch.setattr(efforts, "EFFORTS", MappingProxyType({**efforts.EFFORTS, "quick": made}))
    monkeypatch.chdir(tmp_path)


def test_the_verdict_is_printed_and_the_files_are_named(limen):
    result = limen("audit", *COMMAND, "--require", "clean_accuracy>=0.5", "--minutes", 5)
    assert result.exit_code == 0, result.stderr
    assert "Before any attack the model had 4 of 4 images right" in result.stdout
    assert "holds  clean_accuracy>=0.5  found 100" in result.stdout
    for name in (
        "page  out/audit.html",
        "json  out/audit.json",
        "junit out/audit.junit.xml",
        "run   out/run",
    ):
        assert name in result.stdout
    assert "quick effort on 4 of 8 images: about 1 minute" in result.stderr


def test_a_rule_that_fails_is_code_1(limen):
    result = limen("audit", *COMMAND, "--require", "success<=0.01")
    assert result.exit_code == 1
    assert "fails  success<=0.01  found" in result.stdout


def test_a_rule_that_means_nothing_is_code_2_and_one_line(limen, tmp_path):
    result = limen("audit", *COMMAND, "--require", "clean_accuracy")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: rule 'clean_accuracy': not QUANTITY>=NUMBER")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()

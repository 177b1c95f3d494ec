"""Files of users: run once, told apart, and blamed by name for what goes wrong in them."""

from __future__ import annotations

import hashlib
import os
import sys

import pytest

from limen.errors import LimenError, UnknownNameError, UsageError
from limen.user_code import find, named_by

FILE = """
import limen_test_neighbour
runs = limen_test_neighbour.count()
def add(a, b=2): return a + b
def late():
    import limen_test_late
    return limen_test_late.answer
def broken():
    raise RuntimeError("out\\n  of order")
answer = 42
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "limen_test_neighbour.py").write_text(
        "runs = 0\ndef count():\n    global runs\n    runs += 1\n    return runs\n"
    )
    (tmp_path / "limen_test_late.py").write_text("answer = 7")
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    yield path
    for name in ("limen_test_neighbour", "limen_test_late"):
        sys.modules.pop(name, None)


def test_a_file_runs_once_until_it_is_another(file):
    first = find(f"{file}:runs")
    assert (first.value, find(f"{file}:runs").value) == (1, 1)
    assert first.code == hashlib.sha256(FILE.encode()).hexdigest()
    file.write_text(FILE + "\n")
    again = find(f"{file}:runs")
    assert again.value == 2
    assert again.code != first.code


def test_neighbours_are_found_whenever_the_file_s_code_runs_and_by_nobody_else(file):
    before = list(sys.path)
    assert find(f"{file}:late").value() == 7
    assert find(f"{file}:add").value(1, b=3) == 4
    with pytest.raises(LimenError):
        find(f"{file}:broken").value()
    assert sys.path == before


def test_a_file_that_others_name_runs_only_where_the_user_has_named_it(tmp_path):
    file, ran = tmp_path / "given.py", tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(ran)!r}).touch()\nanswer = 42\n"
    file.write_text(code)
    refusal = rf"^runs/given names code in {file}, which would run with all .* allow it by --trust {file}, or"
    with named_by("runs/given"), pytest.raises(LimenError, match=refusal):
        find(f"{file}:answer")
    assert not ran.exists()
    with named_by("runs/given", [file]):
        assert find(f"{file}:answer").value == 42
        with pytest.raises(LimenError, match="names code in"):
            find(f"{os.__file__}:getcwd")
    with named_by("runs/other"):  # by now the user has named it
        assert find(f"{file}:answer").value == 42
        file.write_text(code + "# changed")
        with pytest.raises(LimenError, match="names code in"):
            find(f"{file}:answer")
    assert ran.exists()


def test_two_files_of_one_name_are_two(file, tmp_path):
    other = tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text("def add(a): return 0")
    assert find(f"{other}:add").value(5) == 0
    assert find(f"{file}:add").value(5) == 7


def test_an_error_of_the_user_s_code_is_one_line_that_names_it(file):
    with pytest.raises(LimenError, match=r"mine\.py: broken\(\) raised RuntimeError: out of order$"):
        find(f"{file}:broken").value()


def test_a_file_that_reads_the_command_line_sees_none(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["limen", "attack", "--model", "x"])
    file = tmp_path / "script.py"
    file.write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--size', default=3)\n"
        "size = parser.parse_args().size\nif __name__ == '__main__':\n    raise SystemExit\n"
    )
    assert find(f"{file}:size").value == 3
    assert sys.argv[0] == "limen"
    file.write_text(
        "from argparse import *\nparser = ArgumentParser()\nparser.add_argument('must')\nparser.parse_args()"
    )
    with pytest.raises(LimenError, match=r"script\.py: raised SystemExit when run"):
        find(f"{file}:size")


@pytest.mark.parametrize("name", ["nets.py", "nets:linear", "nets.py:", ":linear"])
def test_a_reference_without_file_and_name_is_refused(name):
    with pytest.raises(UsageError, match=r"write python:FILE\.py:NAME"):
        find(name)


def test_a_name_that_the_file_lacks_is_told_with_the_nearest(file):
    with pytest.raises(
        UnknownNameError, match=r"mine\.py 'ad'; did you mean 'add'\? Known: add, broken, late$"
    ):
        find(f"{file}:ad")


@pytest.mark.parametrize("name", ["nothing.py", "x" * 300 + ".py", "a\0b.py", "~nosuchuser/a.py"])
def test_a_file_that_cannot_be_read_is_one_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LimenError, match=r"(no such file|cannot be read)"):
        find(f"{name}:thing")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("import limen_no_such_package", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("exit()", "SystemExit"),
    ],
)
def test_a_file_that_does_not_run_is_one_error_and_is_tried_again(tmp_path, text, kind):
    file, before = tmp_path / "bad.py", set(sys.modules)
    file.write_text(text)
    for _ in range(2):
        with pytest.raises(LimenError, match=rf"bad\.py: raised {kind} when run"):
            find(f"{file}:thing")
        assert not [name for name in sys.modules.keys() - before if name.startswith("_limen")]
    file.write_text("thing = 1")
    assert find(f"{file}:thing").value == 1


def test_ctrl_c_in_a_file_ends_the_command_and_is_not_the_files_error(tmp_path):
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find(f"{tmp_path / 'mine.py'}:thing")


def test_a_file_to_trust_that_leads_nowhere_is_one_error(tmp_path):
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    said = "a file to trust leads nowhere"
    with pytest.raises(UsageError, match=said), named_by("run", [tmp_path / "loop.py"]):
        pass

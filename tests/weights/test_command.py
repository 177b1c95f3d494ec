"""`limen weights` on a registry of one file, which a server of the test's own gives."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from limen.cli import app
from limen.weights import FILES

from .conftest import BODY


@pytest.fixture
def limen(registered, monkeypatch):
    """The command line, with the server's file as the only one."""
    monkeypatch.setattr("limen.weights.FILES", {registered.name: registered})
    return lambda *arguments: CliRunner().invoke(app, ["weights", *map(str, arguments)])


def test_files_are_listed_with_all_that_is_known_of_them_and_where_they_lie(limen, registered, tmp_path):
    before = limen("list")
    assert before.exit_code == 0
    (row,) = [line for line in before.stdout.splitlines() if "mine.pth" in line]
    for part in ("U²-Net for salient objects", "3.1 MB", "Apache-2.0", "u2net"):
        assert part in row
    assert row.rstrip(" │").endswith("no")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.pth").write_bytes(b"any")
    assert str(tmp_path / "weights" / "mine.pth") in limen("list").stdout


def test_a_file_is_fetched_once_by_its_name_or_by_what_needs_it(limen, server, tmp_path):
    for name in ("u2net", "mine.pth"):
        result = limen("fetch", name)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.strip() == str(tmp_path / "weights" / "mine.pth")
    assert len(server.seen) == 1
    assert (
        "downloading mine.pth: 3.1 of 3.1 MB" in limen("fetch", "mine.pth", "--to", tmp_path / "new").stderr
    )
    assert (tmp_path / "new" / "mine.pth").read_bytes() == BODY


def test_files_that_are_here_are_verified_and_a_wrong_one_is_told(limen, tmp_path):
    assert (limen("verify").exit_code, limen("verify").stdout) == (0, "")
    missing = limen("verify", "mine.pth")
    assert missing.exit_code == 1
    assert "mine.pth is not here; limen weights fetch mine.pth downloads it" in missing.stderr
    limen("fetch", "mine.pth")
    assert "mine.pth: as published" in limen("verify").stdout
    (tmp_path / "weights" / "mine.pth").write_bytes(BODY[::-1])
    wrong = limen("verify")
    assert wrong.exit_code == 1
    assert "is not the published mine.pth: its SHA-256 is" in wrong.stderr
    assert limen("fetch", "mine.pth").exit_code == 1


def test_where_tells_the_folders_or_the_path(limen, tmp_path):
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    assert limen("where").stdout.splitlines() == [str(tmp_path / "weights"), str(hub)]
    absent = limen("where", "u2net")
    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "error: not here: mine.pth" in absent.stderr
    limen("fetch", "u2net")
    assert limen("where", "u2net").stdout.strip() == str(tmp_path / "weights" / "mine.pth")


def test_a_download_that_fails_is_one_message(limen, server):
    server.made.answers[:] = [{"status": 404}]
    result = limen("fetch", "mine.pth")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: mine.pth cannot be downloaded")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["fetch", "verify", "where"])
def test_a_name_that_is_not_known_is_a_usage_error(limen, command):
    result = limen(command, "mien.pth")
    assert result.exit_code == 2
    assert "unknown file of weights 'mien.pth'; did you mean 'mine.pth'?" in result.stderr


@pytest.mark.parametrize("command", ["list", "fetch", "verify", "where"])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(app, ["weights", command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_the_real_registry_is_listed_whole():
    listed = CliRunner().invoke(app, ["weights", "list"]).stdout
    assert [name for name in FILES if name not in listed] == []


def test_a_terminal_is_shown_a_bar_of_the_download(limen, registered, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    told = limen("fetch", "mine.pth").stderr
    assert "downloading" not in told
    assert "mine.pth" in told
    assert "3.1/3.1 MB" in told
